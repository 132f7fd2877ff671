/**
 * IPv6 addresses as 128-bit integers. Text is canonical as RFC 5952 has it: lower case, no leading zeros, the longest row
 * of two or more zero groups shortened, the first among equals.
 */

/** A CIDR as numbers. */
export interface Ipv6Range {
  readonly family: "ipv6";
  /** The first address. */
  readonly base: bigint;
  /** 0 to 128. */
  readonly prefixLength: number;
}

const GROUPS = 8;
const LONGEST_TEXT = "ffff:".repeat(GROUPS).length - 1;

/**
 * Undefined unless the text is one canonical IPv6 address that can be a pod's. Multicast addresses (ff00::/8) are no
 * host's; ::/8 holds the unspecified one, loopback and embedded IPv4 addresses (RFC 4291 2.4, 2.5).
 */
export function parseIpv6Address(text: string): bigint | undefined {
  // What is not canonical must not be worked through, however long it is.
  if (text.length > LONGEST_TEXT || !text.includes(":")) return undefined;
  const gap = text.indexOf("::");
  const before = groupsOf(gap < 0 ? text : text.slice(0, gap));
  const after = groupsOf(gap < 0 ? "" : text.slice(gap + 2));
  const missing = GROUPS - before.length - after.length;
  if (missing < 0) return undefined;
  let address = 0n;
  for (const group of [...before, ...new Array<number>(missing).fill(0), ...after]) {
    // NaN of a group that is no hexadecimal number.
    if (!(group >= 0)) return undefined;
    address = (address << 16n) | BigInt(group);
  }
  const first = Number(address >> 120n);
  if (first === 0 || first === 0xff) return undefined;
  // Leading zeros, capitals, a gap too many or in the wrong place: only one text of an address is canonical.
  return formatIpv6Address(address) === text ? address : undefined;
}

function groupsOf(text: string): number[] {
  if (text === "") return [];
  return text.split(":").map((group) => (/^[0-9a-f]{1,4}$/.test(group) ? Number.parseInt(group, 16) : Number.NaN));
}

export function formatIpv6Address(address: bigint): string {
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((address >> shift) & 0xffffn));
  const { start, length } = longestZeros(groups);
  const hex = (some: readonly number[]) => some.map((group) => group.toString(16)).join(":");
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let longest = { start: 0, length: 0 };
  let length = 0;
  groups.forEach((group, place) => {
    length = group === 0 ? length + 1 : 0;
    if (length > longest.length) longest = { start: place - length + 1, length };
  });
  return longest;
}

/** Undefined unless the text is a canonical IPv6 CIDR of addresses that can be pods': no host bits, no leading zeros. */
export function parseIpv6Cidr(text: string): Ipv6Range | undefined {
  const slash = text.indexOf("/");
  if (slash < 0) return undefined;
  const base = parseIpv6Address(text.slice(0, slash));
  const lengthText = text.slice(slash + 1);
  if (base === undefined || !/^(0|[1-9]\d{0,2})$/.test(lengthText)) return undefined;
  const prefixLength = Number(lengthText);
  if (prefixLength > 128 || networkOf(base, prefixLength) !== base) return undefined;
  return { family: "ipv6", base, prefixLength };
}

/** The address with its host bits zero. */
export function networkOf(address: bigint, prefixLength: number): bigint {
  const hostBits = BigInt(128 - prefixLength);
  return (address >> hostBits) << hostBits;
}
