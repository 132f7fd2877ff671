/** What a simulation found, in the form that `enid simulate --json` prints. */
export interface SimulationReport {
  /** How many seeds (of a scenario: 1). */
  readonly seeds: number;
  /** Events that the worlds went through. */
  readonly steps: number;
  /** Node-hours: hours of virtual time, summed over the nodes. */
  readonly simulatedHours: number;
  /** Of all event logs in the order of the seeds. */
  readonly hash: string;
  readonly violations: readonly Violation[];
  /** Faults injected, by kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** Calls that EC2 received, by action, throttled ones included. */
  readonly ec2Calls: Readonly<Record<string, number>>;
  /** Throttled calls of all calls; 0 when there were none. */
  readonly throttledShare: number;
  /** From the start of a node until it was ready. `bound` is the least that the account's token buckets allow for all. */
  readonly readySeconds: Spread & { readonly bound: number };
  /** From the pod's first wish for a sandbox until it had its address. */
  readonly timeToAddressMs: Spread;
  /** Pods that had to wait for the cloud, of all pods that got an address. */
  readonly waitedShare: number;
  /** Addresses that the nodes held and no pod had, over time. */
  readonly idleAddresses: { readonly mean: number; readonly peak: number };
}

/** Nearest-rank percentiles; 0 when there is nothing to rank. */
export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** A promise that was broken in a simulated world. */
export interface Violation {
  readonly seed: number;
  /** Number of the promise in docs/architecture.md; 0 = the simulation itself failed. */
  readonly promise: number;
  /** Virtual ms since the world began. */
  readonly atMs: number;
  /** Name of the machine; "" = none. */
  readonly machine: string;
  readonly text: string;
}
