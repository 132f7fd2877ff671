/** What the node has, as far as the room is concerned. */
export interface Actual {
  readonly links: readonly Link[];
  readonly rules: readonly Rule[];
  readonly routes: readonly Route[];
  /** rp_filter by device, and "all". A device that is not in here has not been looked at. */
  readonly filters: ReadonlyMap<string, number>;
  /** The device whose marks are in place; empty when none are, undefined when they cannot be seen. */
  readonly marked: string | undefined;
}

export type Family = "ipv4" | "ipv6";

export interface Link {
  readonly index: number;
  readonly device: string;
  /** Lower case, colons. */
  readonly mac: string;
  readonly up: boolean;
  readonly mtuBytes: number;
  /** Member of a bond, bridge, team or OVS switch: its master has the node's side of it. */
  readonly member: boolean;
  /** A VLAN, macvlan or ipvlan device on top of another link, whose MAC it shares. */
  readonly stacked: boolean;
  readonly addresses: readonly LinkAddress[];
}

export interface LinkAddress {
  readonly address: string;
  readonly prefixLength: number;
  /** Of a limited lifetime: DHCP's, or of a router advertisement. */
  readonly dynamic: boolean;
  /** The kernel makes no route of its subnet. */
  readonly withoutRoute: boolean;
}

export interface Rule {
  readonly family: Family;
  readonly priority: number;
  /** Canonical address, with "/length" unless it is a host's; empty = all. */
  readonly from: string;
  readonly to: string;
  /** "0x80/0x80"; empty = any. */
  readonly mark: string;
  readonly table: number;
  readonly protocol: number;
  /** Further conditions or another action than the look-up: never enid's. */
  readonly special: boolean;
}

export interface Route {
  readonly family: Family;
  readonly table: number;
  /** "default", an address, or a CIDR. */
  readonly destination: string;
  /** Empty: none. */
  readonly gateway: string;
  /** Empty for a route over several hops and for one that leads nowhere. */
  readonly device: string;
  readonly protocol: number;
  /** 0 = global, 253 = link. */
  readonly scope: number;
  readonly metric: number;
  /** Another type than unicast, or several hops. */
  readonly special: boolean;
}

export const MAIN_TABLE = 254;
export const LOCAL_TABLE = 255;
/** RTPROT_KERNEL: what systemd-networkd and its like leave alone. */
export const PROTOCOL_KERNEL = 2;
export const SCOPE_GLOBAL = 0;
export const SCOPE_LINK = 253;
/** IP6_RT_PRIO_USER: what a route of IPv6 has when it is made without a metric. */
export const IPV6_METRIC = 1024;

export function ruleKey({ family, priority, from, to, mark, table, protocol, special }: Rule): string {
  return [family, priority, from, to, mark, table, protocol, special].join(" ");
}

/** What makes that the kernel takes two routes for the same way: who made it does not count. */
export function routeKey({ family, table, destination, gateway, device, special }: Route): string {
  return [family, table, destination, gateway, device, special].join(" ");
}
