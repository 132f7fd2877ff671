import type { ReachAddress, ReachInterface, ReachPicture } from "../../manager/ports/index.ts";
import {
  type Actual,
  type Family,
  IPV6_METRIC,
  type Link,
  MAIN_TABLE,
  PROTOCOL_KERNEL,
  type Route,
  type Rule,
  SCOPE_GLOBAL,
  SCOPE_LINK,
} from "./actual.ts";
import { canonical, familyOf, prefixLengthOf, routerOf } from "./cidr.ts";
import { linkOfMac } from "./devices.ts";
import { NODE_PORT_MARK } from "./marks.ts";
import { IPV6_ROUTER, PRIORITY_FROM_POD, PRIORITY_NODE_PORT, PRIORITY_TO_POD, tableOf } from "./numbers.ts";

/** What the node should have, as far as it is enid's to see to it. Whatever is not named here is none of its business. */
export interface Desired {
  /** Interfaces that carry pods, with what is wrong with them. */
  readonly devices: readonly DesiredDevice[];
  readonly links: readonly { readonly device: string; readonly mtuBytes: number }[];
  readonly addresses: readonly DeviceAddress[];
  /** Primary addresses that are pods': the host must not have them. */
  readonly podAddresses: readonly DeviceAddress[];
  /** The routes that the kernel makes of a subnet: not wanted in main, for they lead out of a secondary interface. */
  readonly subnetRoutes: readonly { readonly device: string; readonly subnet: string }[];
  readonly routes: readonly Route[];
  readonly rules: readonly Rule[];
  readonly filters: readonly { readonly device: string; readonly value: number }[];
  /** Device of the node-port marks; empty = none are wanted. */
  readonly marked: string;
  /** Addresses of leases whose interface is not known now: their rules stay as they are. */
  readonly kept: ReadonlySet<string>;
}

export interface DesiredDevice {
  readonly interfaceId: string;
  /** Empty while no link has its MAC. */
  readonly device: string;
  readonly table: number;
  readonly problem: string;
  /** The problem is that the link is not there (yet). */
  readonly missing: boolean;
}

export interface DeviceAddress {
  readonly device: string;
  readonly address: string;
  readonly prefixLength: number;
}

/** No reverse path filter; the source must be reachable, over whichever device. */
const FILTER_OFF = 0;
const FILTER_STRICT = 1;
const FILTER_LOOSE = 2;

/** True where there are interfaces with a link of their own: on AWS, not on-premises. */
export function concerns(picture: ReachPicture): boolean {
  return picture.interfaces.some(({ mac }) => mac !== "");
}

/** PURE. `actual` says which links there are, what the primary one is like, and what the kernel's own filter is. */
export function desire(picture: ReachPicture, actual: Pick<Actual, "links" | "filters">): Desired {
  const interfaces = picture.interfaces.filter(({ mac }) => mac !== "");
  const byId = new Map(interfaces.map((each) => [each.id, each]));
  const carriers = carriersOf(picture, interfaces, actual.links);
  const primary = interfaces.find(isPrimary);
  const primaryLink = primary === undefined ? undefined : foundLink(actual.links, primary);
  const secondary = carriers.filter(({ record }) => !isPrimary(record));
  const set = secondary.flatMap(({ record, link }) => (link === undefined ? [] : [{ record, link }]));
  const families = familiesOf(picture);
  const nodePort = secondary.length > 0;
  const hostAddresses = (forPods: boolean) =>
    set
      .filter(({ record }) => record.primaryIsForPods === forPods)
      .flatMap(({ record, link }) => hostAddress(record, link));
  return {
    devices: carriers.map(({ device }) => device),
    links: set.map(({ link }) => ({ device: link.device, mtuBytes: primaryLink?.mtuBytes ?? link.mtuBytes })),
    addresses: hostAddresses(false),
    podAddresses: hostAddresses(true),
    subnetRoutes: set
      .filter(({ record }) => record.subnetCidr !== "")
      .map(({ record, link }) => ({ device: link.device, subnet: record.subnetCidr })),
    routes: carriers.flatMap(({ record, link }) => (link === undefined ? [] : tableRoutes(record, link, picture))),
    rules: [
      ...picture.addresses.flatMap((address) => podRules(address, byId)),
      ...(nodePort ? families.map(nodePortRule) : []),
    ],
    filters: filtersOf(
      set.map(({ link }) => link.device),
      nodePort ? primaryLink?.device : undefined,
      actual.filters,
    ),
    marked: nodePort ? (primaryLink?.device ?? "") : "",
    kept: new Set(picture.addresses.filter(({ interfaceId }) => !byId.has(interfaceId)).map(({ address }) => address)),
  };
}

/** EC2 gives no other interface that place. Known before EC2 or metadata answer, unlike the id. */
export function isPrimary({ networkCard, deviceIndex }: ReachInterface): boolean {
  return networkCard === 0 && deviceIndex === 0;
}

interface Carrier {
  readonly record: ReachInterface;
  readonly link: Link | undefined;
  readonly device: DesiredDevice;
}

/** Those that pods get addresses of, and those that pods still have one of. */
function carriersOf(
  { addresses }: ReachPicture,
  interfaces: readonly ReachInterface[],
  links: readonly Link[],
): readonly Carrier[] {
  const leased = new Set(addresses.map(({ interfaceId }) => interfaceId));
  return interfaces
    .filter(({ id, usable }) => usable || leased.has(id))
    .map((record) => {
      const found = linkOfMac(links, record.mac);
      const link = "link" in found ? found.link : undefined;
      const missing = "problem" in found && found.missing;
      const problem = "problem" in found ? found.problem : problemOf(record, interfaces);
      const device = { interfaceId: record.id, device: link?.device ?? "", table: tableOf(record), problem, missing };
      return { record, link, device };
    });
}

function problemOf(record: ReachInterface, interfaces: readonly ReachInterface[]): string {
  if (record.subnetCidr === "") return "its subnet is not known yet";
  const other = interfaces.find((each) => each.id !== record.id && tableOf(each) === tableOf(record));
  return other === undefined ? "" : `${other.id} has the same device index on the same network card`;
}

function podRules({ address, interfaceId }: ReachAddress, byId: ReadonlyMap<string, ReachInterface>): readonly Rule[] {
  const record = byId.get(interfaceId);
  return record === undefined ? [] : rulesOfAddress(address, tableOf(record));
}

/** The two rules of a pod's address. The one from the pod is unconditional, for the destination does not matter to EC2. */
export function rulesOfAddress(address: string, table: number): readonly [Rule, Rule] {
  const pod = canonical(address);
  const family = familyOf(pod);
  const both = { family, mark: "", protocol: PROTOCOL_KERNEL, special: false };
  return [
    { ...both, priority: PRIORITY_TO_POD, from: "", to: pod, table: MAIN_TABLE },
    { ...both, priority: PRIORITY_FROM_POD, from: pod, to: "", table },
  ];
}

export function nodePortRule(family: Family): Rule {
  const mark = `${NODE_PORT_MARK}/${NODE_PORT_MARK}`;
  const rest = { from: "", to: "", mark, table: MAIN_TABLE, protocol: PROTOCOL_KERNEL, special: false };
  return { family, priority: PRIORITY_NODE_PORT, ...rest };
}

/** The router of the subnet on the link, and by it everything else. */
export function tableRoutes(
  record: ReachInterface,
  { device }: Pick<Link, "device">,
  { blocks, addresses }: Pick<ReachPicture, "blocks" | "addresses">,
): readonly Route[] {
  if (record.subnetCidr === "") return [];
  const has6 =
    blocks.some(({ cidr, interfaceId }) => interfaceId === record.id && familyOf(cidr) === "ipv6") ||
    addresses.some(({ address, interfaceId }) => interfaceId === record.id && familyOf(address) === "ipv6");
  const both = { table: tableOf(record), device, protocol: PROTOCOL_KERNEL, special: false };
  const via = (family: Family, router: string, scope: number, metric: number): readonly Route[] => [
    { ...both, family, destination: router, gateway: "", scope, metric },
    { ...both, family, destination: "default", gateway: router, scope: SCOPE_GLOBAL, metric },
  ];
  return [
    ...via("ipv4", routerOf(record.subnetCidr), SCOPE_LINK, 0),
    ...(has6 ? via("ipv6", IPV6_ROUTER, SCOPE_GLOBAL, IPV6_METRIC) : []),
  ];
}

function hostAddress({ primaryAddress, subnetCidr }: ReachInterface, { device }: Link): readonly DeviceAddress[] {
  if (primaryAddress === "" || subnetCidr === "") return [];
  return [{ device, address: canonical(primaryAddress), prefixLength: prefixLengthOf(subnetCidr) }];
}

/**
 * What the kernel goes by is the greater of the device's value and that of `all`, which is not enid's to change: where
 * that one is strict, 0 on a device would be strict too, and only 2 is not.
 */
function filtersOf(
  secondary: readonly string[],
  primary: string | undefined,
  filters: ReadonlyMap<string, number>,
): Desired["filters"] {
  const open = filters.get("all") === FILTER_STRICT ? FILTER_LOOSE : FILTER_OFF;
  const all = secondary.map((device) => ({ device, value: open }));
  return primary === undefined ? all : [{ device: primary, value: FILTER_LOOSE }, ...all];
}

function familiesOf({ blocks, addresses }: ReachPicture): readonly Family[] {
  const ipv6 = [...blocks.map(({ cidr }) => cidr), ...addresses.map(({ address }) => address)].some(
    (text) => familyOf(text) === "ipv6",
  );
  return ipv6 ? ["ipv4", "ipv6"] : ["ipv4"];
}

function foundLink(links: readonly Link[], { mac }: ReachInterface): Link | undefined {
  const found = linkOfMac(links, mac);
  return "link" in found ? found.link : undefined;
}
