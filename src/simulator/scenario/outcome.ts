import type { SimulationReport } from "./figures.ts";

/** What a scenario brought under one policy: the report, and what the plots and the comparison show beyond it. */
export interface ScenarioOutcome {
  readonly scenario: string;
  readonly policy: string;
  readonly report: SimulationReport;
  /** False: the simulated time ended before every node was ready, or while pods waited. */
  readonly complete: boolean;
  readonly nodes: { readonly total: number; readonly ready: number };
  readonly pods: {
    readonly served: number;
    /** Got no address until the end of the simulated time. */
    readonly unserved: number;
    /** Attempts of the runtime that failed. */
    readonly failedAttempts: number;
  };
  /** Least free addresses of each subnet over the run, of how many. */
  readonly subnets: readonly {
    readonly id: string;
    readonly cidr: string;
    readonly leastFree: number;
    readonly size: number;
  }[];
  /** Samples at even distances of virtual time; at most 2,000. */
  readonly series: readonly Sample[];
  /** Wall seconds that the simulation took. */
  readonly wallSeconds: number;
}

export interface Sample {
  /** Virtual seconds since the start. */
  readonly atSeconds: number;
  readonly readyNodes: number;
  /** Addresses that the nodes hold for pods, and those that pods have. */
  readonly heldAddresses: number;
  readonly usedAddresses: number;
  readonly waitingPods: number;
  /** Since the sample before. */
  readonly calls: number;
  readonly throttledCalls: number;
  readonly freeInSubnets: number;
}
