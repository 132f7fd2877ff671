import type { SettingsPatch } from "../index.ts";
import type { WorkloadSpec } from "../workload/index.ts";
import type { NodeSections } from "./policy.ts";

/** A scenario file as it was read: everything that may be left out has its value. docs/scenarios.md explains each key. */
export interface Scenario {
  readonly name: string;
  readonly description: string;
  readonly seed: number;
  readonly hours: number;
  /** `all-ready`: it ends as soon as every node is ready, at the latest after `hours`. */
  readonly until: "end" | "all-ready";
  readonly nodes: readonly NodeGroup[];
  readonly subnets: readonly SubnetGroup[];
  readonly settings: NodeSections;
  /** What `account` and `cloud` of the file say of EC2 and of metadata. */
  readonly cloud: SettingsPatch;
  readonly workload: readonly WorkloadSpec[];
  readonly restarts: readonly Restart[];
  readonly exhaustion: readonly Exhaustion[];
}

export interface NodeGroup {
  readonly count: number;
  readonly type: string;
  readonly startSeconds: number;
  readonly spreadSeconds: number;
  readonly podLimit: number;
}

export interface SubnetGroup {
  readonly count: number;
  /** Of the first one. */
  readonly cidr: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly used: number;
  readonly nodes: boolean;
}

export interface Restart {
  readonly atSeconds: number;
  readonly spreadSeconds: number;
  readonly downSeconds: number;
}

export interface Exhaustion {
  /** Counted from 0 over all subnets; undefined: each. */
  readonly subnet: number | undefined;
  readonly fromSeconds: number;
  readonly untilSeconds: number;
  readonly addresses: number;
}
