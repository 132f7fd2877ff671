import type { Clock, Random } from "../../adapters/index.ts";
import type { KubernetesApi } from "../../handoff/cilium-node/api.ts";
import type { Dialect } from "../../handoff/cilium-node/port.ts";

/** What the agent's own configuration (its config map, its ENI configuration file, instance metadata) says. */
export interface AgentConfiguration {
  readonly instanceId: string;
  /** The whole of `spec.eni` as the agent writes it; what others wrote there is lost with each of its writes. */
  readonly eni: Readonly<Record<string, unknown>>;
  /** 0 is not written: the agent's JSON leaves zeros out. */
  readonly minAllocate: number;
  readonly preAllocate: number;
  readonly maxAllocate: number;
}

export interface AgentOptions {
  readonly nodeName: string;
  /** Of the Node, for the owner reference; none is written if absent. */
  readonly nodeUid?: string;
  readonly api: KubernetesApi;
  /** Of the machine: it goes on while the agent is dead. */
  readonly clock: Clock;
  readonly random: Random;
  readonly dialect: Dialect;
  readonly configuration: AgentConfiguration;
  /** False: `auto-create-cilium-node-resource: false`; it waits for a CiliumNode that others make. True if absent. */
  readonly autoCreate?: boolean;
  /** Addresses that it takes for itself; its router and its health endpoint if absent. */
  readonly house?: readonly string[];
  /** From the moment at which it knows its pool until it knows all its endpoints, least and most ms; [1000, 8000] if absent. */
  readonly restoreMs?: readonly [number, number];
  /**
   * When a started agent of the dialects crd and eni-classic writes `used`. `after-restore`: once it knows all its
   * endpoints (since Cilium 1.11), unless something makes it write before. `as-restored`: at once, with what it knows then:
   * nothing at first (before that). `after-restore` if absent.
   */
  readonly restartReport?: "after-restore" | "as-restored";
  /**
   * True: a mark is answered even before the endpoints are restored, as the agent does that has had no time to learn that
   * one of them uses the address. False if absent: marks wait until then.
   */
  readonly answersWhileRestoring?: boolean;
  /**
   * Dialect eni-1.20. True: a CIDR that it let go and that is still offered is taken again when it is needed. False: only
   * after a restart, as the first versions did. True if absent.
   */
  readonly reclaims?: boolean;
  /** A sentence on what it does. */
  readonly log?: (text: string) => void;
}

/** What the agent refuses in a CiliumNode, by the name of the rule. */
export const REJECTION_RULES = [
  "vpc-primary-cidr-missing",
  "vpc-cidr-empty",
  "interface-ip-missing",
  "subnet-cidr-missing",
  "pool-resource-unknown",
  "pool-address-not-on-interface",
] as const;
export type RejectionRule = (typeof REJECTION_RULES)[number];

/** A CiliumNode that was not taken over, for this reason among others. */
export interface Rejection {
  readonly rule: RejectionRule;
  /** As `spec.ipam.pool` or `status.eni.enis` names it. */
  readonly interfaceId: string;
  /** Of the rules on the pool. */
  readonly address?: string;
  /** Wall ms at which it was seen first. */
  readonly atMs: number;
  /** Versions of the CiliumNode in which it was seen. */
  readonly times: number;
}

/** What whoever serves the node must never do to it. */
export const BREACH_KINDS = [
  /** A pod has the address, and it is offered no more; in dialect eni-1.20: for a minute. */
  "used-address-withdrawn",
  /** A pod has the address, and `release-ips` says that it was given back. */
  "used-address-released",
  /** A started agent found an endpoint whose address is not offered. */
  "restored-outside-pool",
  /** The address that the pool keeps for a pod is another pod's still; the agent would have given it twice. */
  "pinned-address-in-use",
] as const;
export type BreachKind = (typeof BREACH_KINDS)[number];

export interface Breach {
  readonly kind: BreachKind;
  readonly address: string;
  readonly owner: string;
  /** Wall ms. */
  readonly atMs: number;
}

export type AgentState = "off" | "starting" | "restoring" | "serving";

export interface AgentSnapshot {
  readonly dialect: Dialect;
  readonly state: AgentState;
  /** Every address in use on the machine and whose it is, known to the running agent or not; the agent's own included. */
  readonly pods: ReadonlyMap<string, string>;
  /** What the running agent's books say is in use. */
  readonly known: ReadonlyMap<string, string>;
  /** Addresses that it could give to a pod now. */
  readonly free: number;
  readonly rejections: readonly Rejection[];
  readonly breaches: readonly Breach[];
  /** Writes to the API that succeeded, and those that somebody else's write was in the way of. */
  readonly writes: number;
  readonly conflicts: number;
  /** Allocations that failed. */
  readonly refusals: number;
}
