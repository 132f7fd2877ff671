/**
 * What the nodes of a fleet share. Implementation: src/fleet, over Redis or over its in-memory twin. A node without a fleet
 * has none of it and works all the same; a fleet that cannot be asked is `away`, and nothing waits for it longer than its
 * limits say.
 */
export interface Fleet {
  readonly budget: SharedBudget;
  readonly facts: SharedFacts;
  readonly singletons: Singletons;
  readonly fixed: FixedRecords;
  readonly profiles: FleetProfiles;
  /** How urgent the calls are that bring addresses, from now on. Calls that wait are asked for anew when it rises. */
  urgency(urgency: Urgency): void;
  /** Who the node is, once that is known: names it in the fleet. Nothing of the fleet can be asked before. */
  identified(node: FleetMember): void;
  report(): FleetReport;
  /** Called when `report().connected` changed. The answer ends that. */
  watch(changed: () => void): () => void;
}

export interface FleetMember {
  /** Names the machine for good: instance id; on-premises host name and machine id. */
  readonly nodeId: string;
  readonly nodeName: string;
  /** Empty on-premises. */
  readonly accountId: string;
  readonly region: string;
  readonly zone: string;
}

/** What gives a node's pods their addresses: enid, or another IPAM that somebody announced. */
export const NODE_KINDS = ["enid", "vpc-cni", "cilium-operator", "other"] as const;
export type NodeKind = (typeof NODE_KINDS)[number];

/** Why the cloud is called; nodes are served in this order, and in order of arrival within one. */
export const URGENCIES = ["pod-waits", "below-min", "buffer", "giving-back"] as const;
export type Urgency = (typeof URGENCIES)[number];

// One budget of cloud calls

/** The account's token buckets, of which all nodes take. */
export interface SharedBudget {
  /**
   * Waits for one token of the action's bucket, in order of urgency and arrival. Never rejects but with the signal's reason.
   */
  take(call: SharedCall, signal?: AbortSignal): Promise<SharedGrant | SharedRefusal>;
  /** The part of an account's bucket, above 0 and at most 1, that this node takes for itself while the fleet is away. */
  localShare(): number;
}

export interface SharedCall {
  readonly action: string;
  /** What AWS says of the account's bucket; the fleet's settings may say otherwise. */
  readonly capacity: number;
  readonly refillPerSecond: number;
  /** Giving back, whatever else is urgent. */
  readonly givesBack: boolean;
  /** Longest wait. */
  readonly limitMs: number;
}

export interface SharedGrant {
  readonly kind: "granted";
  readonly waitedMs: number;
  /** How the cloud answered: who is throttled slows everyone down. Neither = not told. */
  answered(how: "ok" | "throttled"): void;
  /** The request was not sent after all: its token goes back. */
  unused(): void;
}

export type SharedRefusal =
  /** No token comes within the limit. */
  | { readonly kind: "late"; readonly ratePerSecond: number; readonly ahead: number; readonly waitedMs: number }
  /** The fleet cannot be asked. */
  | { readonly kind: "away" };

// Shared facts

export interface SharedFacts {
  /**
   * The fact of that name, at most `maxAgeMs` old: the fleet's, else `fetch`ed by one of the nodes that want it, which the
   * others wait for as long as its turn lasts. 0 = fetched here and now, and shared. `fetch` is called at most once; without
   * a fleet, or with one that is away, it is called at once. The value is plain JSON. Rejects as `fetch` does.
   */
  read<Fact>(name: string, maxAgeMs: number, fetch: () => Promise<Fact>, signal?: AbortSignal): Promise<Fact>;
}

// Tasks of one node at a time

export interface Singletons {
  /**
   * Whether the task is this node's now. The first question makes it a candidate. True only while no other node can have it:
   * by the node's own steady clock, well before the lease ends in the store.
   */
  holds(task: string): boolean;
  /** Rises with each holder: what an earlier holder still does is told by it. 0 = not held. */
  token(task: string): number;
}

// Fixed addresses

/** The one truth on the address of a pod that keeps it for life. Changed only by compare-and-set on `epoch`. */
export interface FixedRecord {
  /** "namespace/name". */
  readonly pod: string;
  /** IPv4, canonical. */
  readonly address: string;
  /** Empty on-premises. */
  readonly subnetId: string;
  /** Availability zone of the subnet; empty on-premises. */
  readonly zone: string;
  /** Rises with each change of holder or state. */
  readonly epoch: number;
  /** nodeId of the node that has it, or is taking it; empty = nobody has (pinned, or its node is gone). */
  readonly holder: string;
  readonly holderName: string;
  /** `parked`: no pod has it. `moving`: the holder is taking it. `bound`: the holder's pod has it. */
  readonly state: "parked" | "moving" | "bound";
  /** How long it is kept after its pod is gone. 0 = for ever. */
  readonly keepMs: number;
  /** While parked: when it is given up, by the fleet's clock. Absent = never. */
  readonly expiresAtMs?: number;
}

/**
 * The records of fixed addresses. Every method rejects with ENID_FLEET_AWAY when the fleet cannot be asked; what it changed
 * may have happened then, and asking again is safe. "This node" is the one that was `identified`.
 */
export interface FixedRecords {
  /** The pod's record, as it is now. */
  find(pod: string): Promise<FixedRecord | undefined>;
  /** Of these addresses those that are fixed ones of pods and not this node's: their records. */
  among(addresses: readonly string[]): Promise<readonly FixedRecord[]>;
  /**
   * This node wants the address for the pod. `claimed`: the record says so (`moving`, or as it was if this node has it
   * already); `from` is who had it. `held`: another node's pod has it, or that node may still come back; it was told. Or the
   * store lost writes, and nodes are waited for: `because` says which.
   * `none`: the pod has no record; `young`: none is known, but the store lost its data or just began, and nodes may still
   * bring it: ask again.
   */
  claim(pod: string): Promise<ClaimAnswer>;
  /** The first record of a pod: bound to this node. `taken`: the address is another pod's, or the pod has a record. */
  create(record: Omit<FixedRecord, "epoch" | "holder" | "holderName" | "state" | "expiresAtMs">): Promise<ChangeAnswer>;
  /** This node has the address and its pod gets it. Only in `epoch`. */
  bind(pod: string, epoch: number): Promise<ChangeAnswer>;
  /** No pod has it any more; this node keeps the address. Only in `epoch`. */
  park(pod: string, epoch: number): Promise<ChangeAnswer>;
  /** This node does not have the address, or gave it up: `parked` without a holder. Only in `epoch`. */
  yield(pod: string, epoch: number): Promise<ChangeAnswer>;
  /** Nothing is left of it: its time was over and this node gave the address back. Only in `epoch`. */
  forget(pod: string, epoch: number): Promise<ChangeAnswer>;
  /**
   * What this node holds, from its own durable state; the state of the fleet in return. Also tells the fleet that the node
   * lives. What the store lost comes back by it. `lastHere` are records of others whose address is on this node still: nobody
   * holds those that the store does not know, or knows in an earlier epoch. To be called every `FIXED_SYNC_MS`.
   */
  sync(held: readonly FixedRecord[], lastHere?: readonly FixedRecord[]): Promise<readonly SyncVerdict[]>;
}

export const FIXED_SYNC_MS = 10_000;

export type ClaimAnswer =
  | { readonly kind: "claimed"; readonly record: FixedRecord; readonly from: string }
  | { readonly kind: "held"; readonly record: FixedRecord; readonly retryMs: number; readonly because: string }
  | { readonly kind: "none" }
  | { readonly kind: "young"; readonly retryMs: number };

export type ChangeAnswer =
  | { readonly kind: "done"; readonly record: FixedRecord }
  /** The record is another one by now, or there is none. */
  | { readonly kind: "taken"; readonly record: FixedRecord | undefined };

/** Of each record that the node holds, by its own word or the fleet's. */
export type SyncVerdict =
  /** It is this node's; `wantedBy` another node. */
  | { readonly kind: "yours"; readonly record: FixedRecord; readonly wantedBy: string }
  /** Another node has it now: this one must never use it again. */
  | { readonly kind: "lost"; readonly pod: string; readonly record: FixedRecord }
  /** Its time is over: to be given back and forgotten. */
  | { readonly kind: "expired"; readonly record: FixedRecord }
  /** Forgotten by an operator or by its time: this node has no right to it any more. */
  | { readonly kind: "gone"; readonly pod: string };

// Settings of the whole fleet

/** Settings for all nodes, or for those that it matches: below the node's own file, above the defaults. */
export interface FleetProfile {
  /** "default", or the name it was given. */
  readonly name: string;
  /** All of it must fit; empty = every node. */
  readonly match: {
    /** Names of instance types, `*` for any characters; one of them must fit. */
    readonly instanceTypes?: readonly string[];
    /** Labels that the node has (`enid run --node-labels`). */
    readonly labels?: Readonly<Record<string, string>>;
  };
  /** By setting name, as `enid set` takes them; each is valid by the schema. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Wall ms. */
  readonly setAtMs: number;
}

/** The profiles that the fleet has. Heard with the registry: nobody asks for them but to take them when they changed. */
export interface FleetProfiles {
  /** All of them, whichever node they are for; undefined until they are heard for the first time since the start. */
  current(): readonly FleetProfile[] | undefined;
  /** Called when others are heard. */
  watch(listener: () => void): () => void;
}

// What is told of it

export interface FleetReport {
  readonly name: string;
  /** Servers as the settings name them, without secrets. */
  readonly servers: readonly string[];
  readonly connected: boolean;
  /** Wall ms since it is so. */
  readonly sinceMs: number;
  /** Why it is away; empty while connected. */
  readonly because: string;
  /** Nodes of the fleet when it was asked last; 0 = not known. */
  readonly nodes: number;
  readonly singletons: readonly { readonly task: string; readonly holds: boolean }[];
  /** Absent = none were read. */
  readonly facts?: FactsReport | undefined;
}

/** How the facts that this node read since its start came to it. */
export interface FactsReport {
  /** It knew them still. */
  readonly remembered: number;
  /** Another node had fetched them. */
  readonly shared: number;
  /** It fetched them in its turn, for all. */
  readonly fetched: number;
  /** It fetched them for itself: the fleet was away, they are too large, or nobody brought them in time. */
  readonly alone: number;
  /** How often it came back because another node was fetching them. */
  readonly waits: number;
}
