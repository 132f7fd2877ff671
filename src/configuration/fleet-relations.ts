import { overlap, parseAddress, parseRange } from "./ip-range.ts";
import type { Relation } from "./relations.ts";
import { isForPods } from "./reserved.ts";
import type { SettingName, SettingValues } from "./types.ts";

/** The settings that `fleetRelations` looks at beside those of relations.ts. */
export const FLEET_RELATED = [
  "fixed",
  "fixed-annotations",
  "redis",
  "redis-kind",
  "redis-master",
  "redis-tls",
  "redis-ca-file",
  "redis-certificate-file",
  "redis-key-file",
] as const satisfies SettingName[];

type Values = Pick<
  SettingValues,
  (typeof FLEET_RELATED)[number] | "podCIDRs" | "excluded-addresses" | "ip-families" | "uplinks"
>;

/** What is wrong among fixed addresses, ranges and the fleet, and among the servers of the fleet. */
export function fleetRelations(values: Values): Relation[] {
  return [
    ...fixedWithoutFleet(values),
    ...fixedWithoutIpv4(values),
    ...rulesWithoutAddresses(values),
    ...annotationsWithoutAddresses(values),
    ...fixedInRanges(values),
    ...routersAmongFixed(values),
    ...serversOfKind(values),
    ...masterOfKind(values),
    ...certificateAndKey(values),
    ...filesWithoutTls(values),
  ];
}

/** The settings that ask for fixed addresses. */
function asking(values: Values): ("fixed" | "fixed-annotations")[] {
  return [
    ...(values.fixed.length > 0 ? (["fixed"] as const) : []),
    ...(values["fixed-annotations"] ? (["fixed-annotations"] as const) : []),
  ];
}

/** Which node has a fixed address is known in the fleet alone. */
function fixedWithoutFleet(values: Values): Relation[] {
  if (values.redis.length > 0) return [];
  const what = () => 'needs a fleet, and no "redis" in "fleet" names its servers; allowed is it together with them';
  return asking(values).map((name) => ({ name, at: "", what }));
}

function fixedWithoutIpv4(values: Values): Relation[] {
  if (values["ip-families"] !== "ipv6") return [];
  const what = (where: string) =>
    `asks for fixed addresses, which are IPv4, while ${where} is "ipv6"; allowed is it with "ipv4" or "dual"`;
  return asking(values).map((name) => ({ name, at: "", other: "ip-families", what }));
}

/** An address of the node's own ranges is announced with them, so it could not follow its pod. */
function rulesWithoutAddresses(values: Values): Relation[] {
  if (values.podCIDRs.length === 0) return [];
  return values.fixed.flatMap((rule, at): Relation[] => {
    if (rule.addresses !== undefined) return [];
    const what = (where: string) =>
      `names no addresses, while ${where} gives the node ranges of its own, whose addresses cannot leave it; allowed is it with "addresses" that are in no node's podCIDRs`;
    return [{ name: "fixed", at: `/${at}`, other: "podCIDRs", what }];
  });
}

/** On-premises an annotation alone names no addresses: all it can do is to keep a pod out of a rule. */
function annotationsWithoutAddresses(values: Values): Relation[] {
  if (!values["fixed-annotations"] || values.podCIDRs.length === 0 || values.fixed.length > 0) return [];
  const what = (where: string) =>
    `names no addresses that could leave the node, while ${where} gives it ranges of its own; allowed is it beside a rule in "fixed"`;
  return [{ name: "fixed-annotations", at: "", other: "podCIDRs", what }];
}

function fixedInRanges(values: Values): Relation[] {
  const own = values.podCIDRs.flatMap(rangesOf);
  return eachRange(values).flatMap(({ range, at }): Relation[] => {
    if (!own.some((one) => overlap(one, range))) return [];
    const what = (where: string) =>
      `overlaps ${where}, which is the node's own; allowed are addresses that are in no node's podCIDRs`;
    return [{ name: "fixed", at, other: "podCIDRs", what }];
  });
}

/** A pod with a router's address would cut the node off. */
function routersAmongFixed(values: Values): Relation[] {
  const ranges = eachRange(values);
  const excluded = values["excluded-addresses"].flatMap(rangesOf);
  return values.uplinks.flatMap(({ neighbor }, at): Relation[] => {
    const address = parseAddress(neighbor);
    if (address === undefined || !ranges.some(({ range }) => isForPods(address, range, excluded))) return [];
    const what = (where: string) =>
      `is an address that a pod can get of ${where}; allowed is one that is not, or that excluded-addresses names`;
    return [{ name: "uplinks", at: `/${at}/neighbor`, other: "fixed", what }];
  });
}

function serversOfKind(values: Values): Relation[] {
  if (values["redis-kind"] !== "single" || values.redis.length <= 1) return [];
  const what = () =>
    `names ${values.redis.length} servers, while redis-kind is "single"; allowed is one, or "redis-kind": "sentinel" or "cluster"`;
  return [{ name: "redis", at: "", what }];
}

function masterOfKind(values: Values): Relation[] {
  const kind = values["redis-kind"];
  const master = values["redis-master"];
  if (kind === "sentinel" && master === "") {
    const what = () =>
      'needs the name of the master that the sentinels watch; allowed is it together with "redis-master"';
    return [{ name: "redis-kind", at: "", what }];
  }
  if (kind === "sentinel" || master === "") return [];
  const what = () => `is for sentinels, while redis-kind is "${kind}"; allowed is it with "redis-kind": "sentinel"`;
  return [{ name: "redis-master", at: "", what }];
}

function certificateAndKey(values: Values): Relation[] {
  const certificate = values["redis-certificate-file"];
  const key = values["redis-key-file"];
  if ((certificate === "") === (key === "")) return [];
  if (certificate === "") {
    const what = () => 'is of no certificate; allowed is it together with "redis-certificate-file"';
    return [{ name: "redis-key-file", at: "", what }];
  }
  const what = () => 'has no key; allowed is it together with "redis-key-file"';
  return [{ name: "redis-certificate-file", at: "", what }];
}

/** Who names certificates believes that the connection is encrypted. */
function filesWithoutTls(values: Values): Relation[] {
  if (values["redis-tls"]) return [];
  return (["redis-ca-file", "redis-certificate-file"] as const).flatMap((name): Relation[] => {
    if (values[name] === "") return [];
    return [{ name, at: "", what: () => 'is of no use without TLS; allowed is it with "redis-tls": true' }];
  });
}

function eachRange(values: Values) {
  return values.fixed.flatMap((rule, rank) =>
    (rule.addresses ?? []).flatMap((text, at) =>
      rangesOf(text).map((range) => ({ range, at: `/${rank}/addresses/${at}` })),
    ),
  );
}

function rangesOf(text: string) {
  const parsed = parseRange(text);
  return parsed === undefined ? [] : [parsed.range];
}
