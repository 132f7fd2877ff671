import type { KubernetesObject } from "../../handoff/cilium-node/api.ts";

/** An entry of `spec.ipam.pool` or `status.ipam.used`; empty texts where the resource has none. */
export interface PoolEntry {
  readonly owner: string;
  readonly resource: string;
}

/** An entry of `status.eni.enis`. */
export interface InterfaceView {
  readonly id: string;
  readonly ip: string;
  readonly number: number;
  readonly subnetCidr: string;
  readonly vpcPrimaryCidr: string;
  readonly vpcCidrs: readonly string[];
  readonly addresses: readonly string[];
  readonly prefixes: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
}

export interface PoolRequest {
  readonly pool: string;
  readonly ipv4Addresses: number;
}

export interface PoolAllocation {
  readonly pool: string;
  readonly cidrs: readonly string[];
}

/** A CiliumNode as the agent reads it. What is missing or of another type is as if it were empty, as in the agent's Go. */
export interface NodeView {
  readonly resourceVersion: string;
  readonly minAllocate: number;
  readonly preAllocate: number;
  readonly firstInterfaceIndex: number;
  readonly excludeInterfaceTags: Readonly<Record<string, string>>;
  /** Undefined: the resource has none. */
  readonly pool: ReadonlyMap<string, PoolEntry> | undefined;
  readonly requested: readonly PoolRequest[];
  readonly allocated: readonly PoolAllocation[];
  readonly interfaces: readonly InterfaceView[];
  readonly used: ReadonlyMap<string, PoolEntry>;
  readonly releaseIps: ReadonlyMap<string, string>;
}

/** The states of `status.ipam.release-ips`. */
export const MARKED = "marked-for-release";
export const READY = "ready-for-release";
export const KEPT = "do-not-release";
export const RELEASED = "released";

type Fields = Readonly<Record<string, unknown>>;

export function readNode({ metadata, spec, status }: KubernetesObject): NodeView {
  const ipam = fieldsOf(fieldsOf(spec).ipam);
  const eni = fieldsOf(fieldsOf(spec).eni);
  const pools = fieldsOf(ipam.pools);
  const told = fieldsOf(fieldsOf(status).ipam);
  return {
    resourceVersion: metadata.resourceVersion ?? "",
    minAllocate: numberOf(ipam["min-allocate"]),
    preAllocate: numberOf(ipam["pre-allocate"]),
    firstInterfaceIndex: numberOf(eni["first-interface-index"]),
    excludeInterfaceTags: textsByName(eni["exclude-interface-tags"]),
    pool: isFields(ipam.pool) ? entriesOf(ipam.pool) : undefined,
    requested: listOf(pools.requested).map((one) => ({
      pool: textOf(fieldsOf(one).pool),
      ipv4Addresses: numberOf(fieldsOf(fieldsOf(one).needed)["ipv4-addrs"]),
    })),
    allocated: listOf(pools.allocated).map((one) => ({
      pool: textOf(fieldsOf(one).pool),
      cidrs: textsOf(fieldsOf(one).cidrs),
    })),
    interfaces: Object.values(fieldsOf(fieldsOf(fieldsOf(status).eni).enis)).map((one) => interfaceOf(fieldsOf(one))),
    used: entriesOf(told.used),
    releaseIps: new Map(Object.entries(textsByName(told["release-ips"]))),
  };
}

/** Left to somebody else: no pod gets an address of it. */
export function isExcluded(one: InterfaceView, node: NodeView): boolean {
  const tags = Object.entries(node.excludeInterfaceTags);
  const isTagged = tags.length > 0 && tags.every(([name, value]) => one.tags[name] === value);
  return one.number < node.firstInterfaceIndex || isTagged;
}

function interfaceOf(one: Fields): InterfaceView {
  return {
    id: textOf(one.id),
    ip: textOf(one.ip),
    number: numberOf(one.number),
    subnetCidr: textOf(fieldsOf(one.subnet).cidr),
    vpcPrimaryCidr: textOf(fieldsOf(one.vpc)["primary-cidr"]),
    vpcCidrs: listOf(fieldsOf(one.vpc).cidrs).map(textOf),
    addresses: textsOf(one.addresses),
    prefixes: textsOf(one.prefixes),
    tags: textsByName(one.tags),
  };
}

function entriesOf(value: unknown): ReadonlyMap<string, PoolEntry> {
  const entries = Object.entries(fieldsOf(value));
  return new Map(
    entries.map(([address, entry]) => [
      address,
      { owner: textOf(fieldsOf(entry).owner), resource: textOf(fieldsOf(entry).resource) },
    ]),
  );
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The fields of an object; none of anything else. */
export function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function textsOf(value: unknown): readonly string[] {
  return listOf(value).filter((one) => typeof one === "string");
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

function textsByName(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(fieldsOf(value)).map(([name, one]) => [name, textOf(one)]));
}
