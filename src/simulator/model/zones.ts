const DIRECTIONS: Readonly<Record<string, string>> = {
  north: "n",
  south: "s",
  east: "e",
  west: "w",
  central: "c",
  northeast: "ne",
  northwest: "nw",
  southeast: "se",
  southwest: "sw",
};

/**
 * The id of a zone in AWS's form: "eu-west-1b" has "euw1-az2". Each real account maps names to ids in its own way; the
 * simulated one takes the letters in order.
 */
export function zoneId(zone: string): string {
  const known = IDS.get(zone);
  if (known !== undefined) return known;
  const id = makeId(zone);
  if (IDS.size < MAX_IDS) IDS.set(zone, id);
  return id;
}

const IDS = new Map<string, string>();
const MAX_IDS = 1_000;

function makeId(zone: string): string {
  const match = /^([a-z]{2})-([a-z]+)-(\d+)([a-z])$/.exec(zone);
  const [, area = "", direction = "", number = "", letter = ""] = match ?? [];
  const short = Object.hasOwn(DIRECTIONS, direction) ? DIRECTIONS[direction] : undefined;
  if (short === undefined) return `${zone}-id`;
  return `${area}${short}${number}-az${letter.charCodeAt(0) - "a".charCodeAt(0) + 1}`;
}
