/** What a seed is run with. Equal options and equal code give equal hashes. */
export interface SeedOptions {
  readonly seed: number;
  /** 1 to 50. */
  readonly nodes: number;
  /** Hours of virtual time in which faults come; then they stop, and everything has to come to rest. */
  readonly hours: number;
  readonly faults: FaultChoice;
  /**
   * `none`: every node works alone. `stateful`: a fleet, and little else than a StatefulSet with fixed addresses that rolls
   * over it; `all` faults are then those of fleets. `agents`: every node works alone, and Cilium's agent gives its pods their
   * addresses, by the CiliumNode; `all` faults have those of the Kubernetes API and of agents among them. Absent = the seed decides whether there is a fleet.
   */
  readonly fleet?: FleetChoice;
  /** Turns one protection of enid off: then the hunt must find a violation. */
  readonly weakness?: Weakness;
  /** Only these of the drawn faults (numbers in the plan); absent = all. */
  readonly onlyFaults?: readonly number[];
  /** Ends the faults at this virtual ms; absent = at the end of the hours. */
  readonly untilMs?: number;
  /**
   * Half of the machines keep their state in real SQLite files, in a temporary folder, and a write that a power loss
   * interrupts is torn for real. Absent = all keep it in memory, which is many times faster.
   */
  readonly realDisks?: boolean;
}

export const FLEET_CHOICES = ["none", "stateful", "agents"] as const;
export type FleetChoice = (typeof FLEET_CHOICES)[number];

export type FaultChoice = "all" | "none" | readonly FaultKind[];

export const FAULT_KINDS = [
  "ec2-error", // a code of the error catalogue, at a rate
  "ec2-throttling", // the account's buckets are small for a while
  "ec2-slow", // calls take seconds
  "ec2-lost-reply", // the effect happens, the answer does not come
  "ec2-no-answer", // hang or reset before or after the effect
  "ec2-garbled", // half an answer, a page of a proxy
  "ec2-denied", // permission lost
  "ec2-away", // every call of a machine fails
  "stale-describe", // describes lag, in views that differ
  "stale-metadata", // metadata lags
  "metadata-partial", // parts of metadata are missing
  "metadata-away", // metadata does not answer
  "subnet-empty", // somebody takes the addresses of a subnet
  "subnet-fragmented", // no contiguous /28 is left
  "attach-stuck", // attachments stay attaching
  "detach-stuck", // attachments stay detaching
  "foreign-hand", // somebody takes an address away, adds one, detaches or deletes an interface
  "crash", // the process dies between two of its effects
  "reboot", // the machine starts anew
  "replace", // another instance takes the node's place
  "clock-jump", // somebody sets the wall clock
  "disk-full", // the disk refuses to write
  "disk-slow", // commits take long
  "power-loss", // what was not synced is gone, and torn
  "settings", // the configuration changes midway
  "bad-file", // the configuration file is broken or gone
  "del-duplicate", // DEL comes twice
  "del-late", // DEL comes long after the sandbox
  "del-missing", // DEL never comes
  "add-hang-up", // the runtime goes away while it waits
  "redis-away", // nobody reaches the fleet's store
  "redis-partition", // some nodes do not reach it, or do not hear its answers
  "redis-slow", // its answers take long
  "redis-fail-over", // a replica takes over that had not heard of the last writes
  "redis-data-loss", // it starts anew without data
  "clock-skew", // the wall clock of a machine is wrong, and drifts
  "node-dead", // the machine is dead for minutes, its interfaces stay
  "node-partition", // the machine lives and reaches nothing
  "kubernetes-away", // nobody reaches the Kubernetes API
  "kubernetes-partition", // a machine does not reach it, or does not hear its answers
  "kubernetes-watch-cut", // its watches end, or have to begin anew
  "cilium-node-deleted", // somebody deletes the node's CiliumNode
  "agent-crash", // Cilium's agent dies and is started again
  "agent-upgrade", // Cilium's agent moves between 1.19 and 1.20
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Drawn only for worlds that have a fleet. */
export const FLEET_FAULT_KINDS: readonly FaultKind[] = [
  "redis-away",
  "redis-partition",
  "redis-slow",
  "redis-fail-over",
  "redis-data-loss",
  "clock-skew",
  "node-dead",
  "node-partition",
];

/** Drawn only for worlds whose pods get their addresses from Cilium's agent. */
export const AGENT_FAULT_KINDS: readonly FaultKind[] = [
  "kubernetes-away",
  "kubernetes-partition",
  "kubernetes-watch-cut",
  "cilium-node-deleted",
  "agent-crash",
  "agent-upgrade",
];

export const WEAKNESSES = [
  "no-intents", // steps are not recorded before their calls
  "early-reply", // ADD is answered before its lease is durable
  "no-releasing-mark", // what is given back can still be leased
  "no-confirmation", // one denial of EC2 is enough
  "no-cooling", // an address is free again at once
  "no-looks", // nobody looks whether sandboxes are gone
  "no-epoch", // a node goes on with fixed addresses that it once held
  "hasty-fencing", // fixed addresses are taken from nodes that may live
] as const;
export type Weakness = (typeof WEAKNESSES)[number];
