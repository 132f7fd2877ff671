import type { KubernetesObject } from "./api.ts";
import { type Fields, fieldsOf, isFields, listOf, numberOf, textOf } from "./merge-patch.ts";

/** The states of `status.ipam.release-ips`: who writes which stands in docs/cilium-node.md. */
export const MARKED = "marked-for-release";
export const READY = "ready-for-release";
export const KEPT = "do-not-release";
export const RELEASED = "released";

/**
 * A CiliumNode as enid reads it. Others write it, so nothing of it is believed to be of the type that it should be: what is
 * not is as if it were missing.
 */
export interface CiliumNode {
  readonly object: KubernetesObject;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly instanceId: string;
  /** The agent writes it with ipam eni alone. */
  readonly hasEniSpec: boolean;
  /** `spec.ipam.min-allocate`; 0 where the agent does not say. */
  readonly minAllocate: number;
  /** What the agent keeps in advance; undefined where it does not say. */
  readonly preAllocate: number | undefined;
  /** `status.eni.enis`. */
  readonly interfaces: Readonly<Record<string, Fields>>;
  /** `spec.ipam.pool`: interface by address. */
  readonly pool: ReadonlyMap<string, string>;
  /** `status.ipam.used`: owner by address. */
  readonly used: ReadonlyMap<string, string>;
  readonly releaseIps: ReadonlyMap<string, string>;
  /** `spec.ipam.pools.requested`, IPv4 of all pools; undefined: there is none. */
  readonly requested: number | undefined;
  /** `spec.ipam.pools.allocated`, of all pools. */
  readonly allocated: readonly string[];
  /** `status.ipam.operator-status.error`. */
  readonly error: string;
}

/** What the agent adds to the owner of an address that it found in use when it was started. */
const RESTORED = /\s*\[restored\]$/;

export function readCiliumNode(object: KubernetesObject): CiliumNode {
  const spec = fieldsOf(object.spec);
  const ipam = fieldsOf(spec.ipam);
  const pools = fieldsOf(ipam.pools);
  const status = fieldsOf(object.status);
  const told = fieldsOf(status.ipam);
  const requested = listOf(pools.requested).map((one) => numberOf(fieldsOf(fieldsOf(one).needed)["ipv4-addrs"]));
  const enis = Object.entries(fieldsOf(fieldsOf(status.eni).enis));
  return {
    object,
    uid: object.metadata.uid ?? "",
    resourceVersion: object.metadata.resourceVersion ?? "",
    instanceId: textOf(spec["instance-id"]),
    hasEniSpec: Object.keys(fieldsOf(spec.eni)).length > 0,
    minAllocate: numberOf(ipam["min-allocate"]),
    preAllocate: typeof ipam["pre-allocate"] === "number" ? numberOf(ipam["pre-allocate"]) : undefined,
    interfaces: Object.fromEntries(enis.flatMap(([id, one]) => (isFields(one) ? [[id, one]] : []))),
    pool: textsOf(ipam.pool, (entry) => textOf(fieldsOf(entry).resource)),
    used: textsOf(told.used, (entry) => textOf(fieldsOf(entry).owner).replace(RESTORED, "")),
    releaseIps: textsOf(told["release-ips"], textOf),
    requested: requested.length === 0 ? undefined : requested.reduce((sum, one) => sum + one, 0),
    allocated: listOf(pools.allocated).flatMap((one) => listOf(fieldsOf(one).cidrs).map(textOf)),
    error: textOf(fieldsOf(told["operator-status"]).error),
  };
}

function textsOf(value: unknown, text: (entry: unknown) => string): ReadonlyMap<string, string> {
  return new Map(Object.entries(fieldsOf(value)).map(([name, entry]) => [name, text(entry)]));
}
