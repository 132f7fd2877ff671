import type { Clock } from "../../adapters/index.ts";
import type { Dice } from "../engine/index.ts";

/** A pod as its controller and the scheduler know it. */
export interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
  /** Of this incarnation: a StatefulSet's pod keeps its name and gets a new one. */
  readonly uid: string;
}

/** The cluster that a workload plays on: nodes that take pods. A pod is asked for once and stopped once. */
export interface Stage {
  readonly clock: Clock;
  readonly dice: Dice;
  /** Nodes are numbered from 0; all that there will ever be. */
  readonly nodeCount: number;
  /** Whether the scheduler would place one more pod there: the node is up, not cordoned, and below its pod limit. */
  canTake(node: number): boolean;
  run(node: number, pod: PodIdentity): void;
  stop(node: number, pod: PodIdentity): void;
  /** Closed, the node takes no pod until it is open again; whoever closes it stops its pods himself, one by one. */
  cordon(node: number, closed: boolean): void;
}
