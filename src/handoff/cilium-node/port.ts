import type { EnidError } from "../../errors.ts";

/**
 * What the hand-off by the CiliumNode needs of the manager. The agent takes its pods' addresses itself, out of all that the
 * node offers; the manager learns from it which are in use, and gives an address back to EC2 only once the agent let go of it.
 */
export interface AgentService {
  /**
   * What the agent says now; whole each time, and saying the same again changes nothing. Takes effect in the same turn, before
   * it is durable: what it tells is told again by the resource after a restart.
   */
  agentSays(report: AgentReport): void;

  /** What the node offers now. Undefined while the node is not known, or nothing may be offered. */
  offer(): AgentOffer | undefined;

  /** Addresses that the agent had in use when it was heard last, also by a process before this one, and whose they are. */
  inUse(): ReadonlyMap<string, string>;

  /** Has `changed` called after each round in which the offer may have changed. The answer ends that. */
  watchOffer(changed: () => void): () => void;
}

/** How the agent and the resource speak (docs/cilium-node.md). */
export const DIALECTS = ["crd", "eni-classic", "eni-1.20"] as const;
export type Dialect = (typeof DIALECTS)[number];

export interface AgentReport {
  readonly dialect: Dialect;
  /**
   * Addresses in use, canonical, and whose they are: "namespace/name", or another word of the agent's ("router",
   * "health"). Undefined: the dialect names none (eni-1.20).
   */
  readonly used: ReadonlyMap<string, string> | undefined;
  /** How many are in use, where they are not named: requested less what the agent keeps in advance. */
  readonly usedCount: number;
  /** Addresses and CIDRs that the agent gives to no pod any more: the node may give them back. */
  readonly letGo: readonly string[];
  /**
   * CIDRs that the agent gave up by itself and may take anew while they are offered (eni-1.20): those that are wanted back of
   * them are offered no more, and become `letGo` once the agent has had time to see that.
   */
  readonly idle: readonly string[];
  /** Addresses that the agent was asked for and keeps. */
  readonly kept: readonly string[];
  /** Pods that are bound to the node and have no address yet (0 where pods are not watched), and what the agent waits for to start. */
  readonly waiting: number;
  /**
   * The agent is still finding out which addresses its pods have: what it does not name may be in use all the same. Nothing
   * is ended and nothing is asked back meanwhile.
   */
  readonly restoring: boolean;
}

export interface AgentOffer {
  readonly instanceId: string;
  readonly instanceType: string;
  readonly availabilityZone: string;
  readonly vpcId: string;
  /** The primary one first; never empty. */
  readonly vpcCidrs: readonly string[];
  /** All that hang on the node and are not left to somebody else, by device index. */
  readonly interfaces: readonly OfferedInterface[];
  /** Addresses that the node would like to have back: the agent is asked for them, and answers. Canonical. */
  readonly wantedBack: readonly string[];
  /** Addresses that are on their way back to EC2; they stay in the offer until EC2 has them. */
  readonly leaving: readonly string[];
  /** Why the node cannot give as many as are wanted; empty when it can. */
  readonly error: string;
  /** All that is offered has min-allocate addresses, or all that the instance can have. */
  readonly ready: boolean;
  /** Addresses that are free, over all that is offered. */
  readonly free: number;
  /** Addresses in advance that the settings want the agent to have; what the agent is told where it asks. */
  readonly watermarks: { readonly minAllocate: number; readonly preAllocate: number; readonly maxAllocate: number };
}

export interface OfferedInterface {
  /** "eni-…" */
  readonly id: string;
  /** Lower case, colons. */
  readonly mac: string;
  readonly primaryAddress: string;
  readonly deviceIndex: number;
  readonly subnetId: string;
  readonly subnetCidr: string;
  readonly securityGroups: readonly string[];
  /** Pod addresses, canonical, in order: those of prefixes expanded, those being given back until EC2 has them. */
  readonly addresses: readonly string[];
  /** Delegated IPv4 prefixes, canonical CIDRs; their addresses are among `addresses`. */
  readonly prefixes: readonly string[];
  /** Delegated IPv6 prefixes (/80), canonical CIDRs; not expanded. */
  readonly ipv6Prefixes: readonly string[];
}

/** The hand-off, as the manager drives it and the status shows it. */
export interface AgentHandOff {
  /** Begins; `service` is asked and told from then on. */
  start(service: AgentService): void;
  /** Writes nothing any more. The resource stays: the agent goes on with what it has. */
  stop(): Promise<void>;
  report(): AgentHandOffReport;
  /** Why it does not work now. */
  trouble(): EnidError | undefined;
}

/** What the status tells of the hand-off. All times are wall ms since the epoch; 0 = never. */
export interface AgentHandOffReport {
  /** Of the CiliumNode. */
  readonly nodeName: string;
  /** Empty while it is not known. */
  readonly dialect: Dialect | "";
  /** What it waits for, or what is wrong; empty when all is in step. */
  readonly waitingFor: string;
  readonly readAtMs: number;
  readonly writtenAtMs: number;
  /** Writes to the API since the start, those of the lease apart. */
  readonly writes: number;
  readonly conflicts: number;
  /** Addresses that the agent is asked for, has let go, and keeps. */
  readonly handshake: { readonly asked: number; readonly letGo: number; readonly kept: number };
  /** Pods bound to the node that have no address yet. */
  readonly waitingPods: number;
  readonly restoring: boolean;
}
