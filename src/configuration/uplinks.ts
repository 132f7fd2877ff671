import { contains, formatAddress, type IpAddress, parseAddress, parseRange, singleOf } from "./ip-range.ts";
import type { ValueFault } from "./problems.ts";
import type { BgpUplink } from "./types.ts";

/** Faults of uplinks that each have the right form; those that do not are given as undefined and skipped. */
export function uplinkFaults(uplinks: readonly (BgpUplink | undefined)[]): ValueFault[] {
  const seen = new Map<string, number>();
  return uplinks.flatMap((uplink, at) => {
    if (uplink === undefined) return [];
    const neighbor = parseAddress(uplink.neighbor);
    const faults = [
      ...addressFaults(`/${at}/neighbor`, uplink.neighbor, "the address of a router"),
      ...localFaults(at, uplink, neighbor),
      ...linkFaults(at, uplink, neighbor),
    ];
    if (neighbor === undefined || faults.length > 0) return faults;
    // Each link may have its own fe80::1.
    const session = `${formatAddress(neighbor)} ${isLinkLocal(neighbor) ? uplink.interface : ""}`;
    const earlier = seen.get(session);
    seen.set(session, earlier ?? at);
    if (earlier === undefined) return [];
    const what = "repeats the neighbor of an earlier uplink";
    return [{ at: `/${at}/neighbor`, with: `/${earlier}/neighbor`, what, allowed: "allowed is one session with each" }];
  });
}

function localFaults(at: number, uplink: BgpUplink, neighbor: IpAddress | undefined): ValueFault[] {
  const text = uplink["local-address"];
  if (text === undefined) return [];
  const place = `/${at}/local-address`;
  const faults = addressFaults(place, text, "an address of the node");
  const local = parseAddress(text);
  if (faults.length > 0 || local === undefined || neighbor === undefined) return faults;
  const with_ = `/${at}/neighbor`;
  if (local.family !== neighbor.family) {
    const allowed = `allowed is an ${FAMILY_TEXT[neighbor.family]} address of the node`;
    return [{ at: place, with: with_, what: `is ${FAMILY_TEXT[local.family]}, unlike the neighbor`, allowed }];
  }
  if (local.value !== neighbor.value) return [];
  return [{ at: place, with: with_, what: "is the neighbor's", allowed: "allowed is an address of the node" }];
}

/** What goes with a link-local neighbor, and what with one that is hops away (BIRD's options `interface`, `multihop`). */
function linkFaults(at: number, uplink: BgpUplink, neighbor: IpAddress | undefined): ValueFault[] {
  const isOnLink = neighbor !== undefined && isLinkLocal(neighbor);
  if (uplink.multihop !== undefined && isOnLink) {
    const what = "leads beyond the link, which a link-local neighbor is on";
    return [{ at: `/${at}/multihop`, with: `/${at}/neighbor`, what, allowed: "allowed is no multihop" }];
  }
  if (uplink.multihop !== undefined && uplink.interface !== undefined) {
    const what = "is for a neighbor on the link, unlike multihop";
    return [{ at: `/${at}/interface`, with: `/${at}/multihop`, what, allowed: "allowed is one of the two" }];
  }
  if (!isOnLink || uplink.interface !== undefined) return [];
  const what = "is link-local, and the uplink does not say on which link";
  return [
    { at: `/${at}/neighbor`, what, allowed: 'allowed is it together with "interface", the device of the session' },
  ];
}

function addressFaults(at: string, text: string, allowed: string): ValueFault[] {
  const address = parseAddress(text);
  if (address === undefined) return [{ at, what: "is not an address", allowed: `allowed is ${allowed}` }];
  const [, kind] = NO_HOSTS.find(([cidr]) => isIn(cidr, address)) ?? [];
  return kind === undefined ? [] : [{ at, what: `is ${kind}`, allowed: `allowed is ${allowed}` }];
}

function isLinkLocal(address: IpAddress): boolean {
  return isIn("fe80::/10", address);
}

function isIn(cidr: string, address: IpAddress): boolean {
  const range = parseRange(cidr)?.range;
  return range !== undefined && contains(range, singleOf(address));
}

const FAMILY_TEXT = { ipv4: "IPv4", ipv6: "IPv6" } as const;

const NO_HOSTS = [
  ["0.0.0.0/8", "no address of a host"],
  ["::/128", "no address of a host"],
  ["224.0.0.0/4", "a multicast address"],
  ["ff00::/8", "a multicast address"],
  ["255.255.255.255/32", "the broadcast address"],
] as const;
