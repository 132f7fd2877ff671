import { FLEET_RELATED, fleetRelations } from "./fleet-relations.ts";
import { HAND_OFF_RELATED, handOffRelations } from "./hand-off-relations.ts";
import { contains, type IpFamily, type IpRange, parseAddress, parseRange } from "./ip-range.ts";
import { isForPods, podAddressesIn } from "./reserved.ts";
import type { SettingName, SettingValues } from "./types.ts";

/** A fault between settings that each are in order. */
export interface Relation {
  /** The setting to blame. */
  readonly name: SettingName;
  /** JSON pointer of the part of its value to blame; "" is the whole value. */
  readonly at: string;
  /** The setting that it does not go with, unless that says nothing. */
  readonly other?: SettingName;
  /** Words that follow the value to blame. `where` is the other setting with its place: "podCIDRs at FILE:3:5". */
  readonly what: (where: string) => string;
}

/** The settings that `relations` looks at. */
export const RELATED = [
  "podCIDRs",
  "excluded-addresses",
  "ip-families",
  "uplinks",
  "asn",
  "bfd",
  ...FLEET_RELATED,
  ...HAND_OFF_RELATED,
] as const satisfies SettingName[];

type Values = Pick<SettingValues, (typeof RELATED)[number]>;

/**
 * What is wrong between ranges, families, excluded addresses, BGP, fixed addresses, the fleet and the hand-off. `isSaid`: whether a file or an override says the
 * setting, so that the words can blame what somebody wrote.
 */
export function relations(values: Values, isSaid: (name: SettingName) => boolean): Relation[] {
  return [
    ...familiesWithoutRange(values, isSaid("ip-families")),
    ...excludedOutside(values),
    ...rangesWithoutAddress(values),
    ...routersAmongPods(values),
    ...uplinksWithoutAsn(values),
    ...farWithoutAddress(values),
    ...fleetRelations(values),
    ...handOffRelations(values),
  ];
}

const FAMILY_TEXT = { ipv4: "IPv4", ipv6: "IPv6" } as const;

/** The families that a pod gets an address of. */
function familiesOf(values: Values): readonly IpFamily[] {
  const families = values["ip-families"];
  return families === "dual" ? ["ipv4", "ipv6"] : [families];
}

function familiesWithoutRange(values: Values, isSaid: boolean): Relation[] {
  const ranges = values.podCIDRs.flatMap(rangesOf);
  if (ranges.length === 0) return [];
  const lacking = familiesOf(values).find((family) => !ranges.some((range) => range.family === family));
  if (lacking === undefined) return [];
  const lacked = FAMILY_TEXT[lacking];
  const there = lacking === "ipv4" ? "ipv6" : "ipv4";
  if (isSaid) {
    const what = (where: string) =>
      `asks for ${lacked} addresses, while ${where} has no ${lacked} range; allowed are "${there}", and an ${lacked} range in podCIDRs`;
    return [{ name: "ip-families", at: "", other: "podCIDRs", what }];
  }
  const what = () =>
    `has no ${lacked} range, while ip-families is "${values["ip-families"]}" by default; allowed are "ip-families": "${there}", and an ${lacked} range`;
  return [{ name: "podCIDRs", at: "", what }];
}

function excludedOutside(values: Values): Relation[] {
  const named = [...values.podCIDRs, ...values.fixed.flatMap(({ addresses = [] }) => addresses)];
  const ranges = named.flatMap(rangesOf);
  return values["excluded-addresses"].flatMap((entry, at): Relation[] => {
    const [excluded] = rangesOf(entry);
    if (excluded === undefined || ranges.some((range) => contains(range, excluded))) return [];
    const base = { name: "excluded-addresses", at: `/${at}` } as const;
    if (ranges.length === 0) {
      return [{ ...base, what: () => "is of no range of the node's own; allowed is it beside podCIDRs only" }];
    }
    const what = (where: string) =>
      `is not within ${where}; allowed are addresses of ${named.join(", ")}, and ranges within one of them`;
    return [{ ...base, other: "podCIDRs", what }];
  });
}

/** The pool takes no block without an address for pods. */
function rangesWithoutAddress(values: Values): Relation[] {
  const excluded = values["excluded-addresses"].flatMap(rangesOf);
  return values.podCIDRs.flatMap((cidr, at): Relation[] => {
    const [range] = rangesOf(cidr);
    if (range === undefined) return [];
    // What is excluded beyond the range has its own fault.
    const within = excluded.filter((one) => contains(range, one));
    if (podAddressesIn(range, within) > 0) return [];
    const what = (where: string) =>
      `has no address left for a pod beside those that ${where} names and those that no pod gets anyway; allowed is a range with one, or none`;
    return [{ name: "podCIDRs", at: `/${at}`, other: "excluded-addresses", what }];
  });
}

/** A pod with a router's address would cut the node off. */
function routersAmongPods(values: Values): Relation[] {
  const ranges = values.podCIDRs.flatMap(rangesOf);
  const excluded = values["excluded-addresses"].flatMap(rangesOf);
  return values.uplinks.flatMap(({ neighbor }, at): Relation[] => {
    const address = parseAddress(neighbor);
    if (address === undefined || !ranges.some((range) => isForPods(address, range, excluded))) return [];
    const what = (where: string) =>
      `is an address that a pod can get of ${where}; allowed is one that is not, or that excluded-addresses names`;
    return [{ name: "uplinks", at: `/${at}/neighbor`, other: "podCIDRs", what }];
  });
}

function uplinksWithoutAsn({ uplinks, asn }: Values): Relation[] {
  if (uplinks.length === 0 || asn > 0) return [];
  const what = () => 'needs the number of the node\'s own autonomous system; allowed is it together with "asn"';
  return [{ name: "uplinks", at: "", what }];
}

/** BIRD refuses a multihop BFD session whose own address it is not told. */
function farWithoutAddress({ uplinks, bfd }: Values): Relation[] {
  if (!bfd) return [];
  return uplinks.flatMap((uplink, at): Relation[] => {
    if (uplink.multihop === undefined || uplink["local-address"] !== undefined) return [];
    const what = () =>
      'is hops away and does not say "local-address", which BFD needs there; allowed is it with one, or with "bfd": false';
    return [{ name: "uplinks", at: `/${at}`, what }];
  });
}

function rangesOf(text: string): IpRange[] {
  const parsed = parseRange(text);
  return parsed === undefined ? [] : [parsed.range];
}
