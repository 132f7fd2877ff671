import { Dice, Scheduler } from "../../src/simulator/engine/index.ts";
import { type PodIdentity, playWorkload, type Stage, type WorkloadSpec } from "../../src/simulator/workload/index.ts";

export const START_MS = Date.UTC(2026, 0, 1);

export interface StageEvent {
  /** Since the play began. */
  readonly atMs: number;
  readonly kind: "run" | "stop" | "close" | "open";
  readonly node: number;
  readonly pod: PodIdentity | undefined;
}

/** A cluster without anything in it: writes down what is asked of it, and holds the rules of a stage. */
export class RecordingStage implements Stage {
  readonly clock: Scheduler;
  readonly dice: Dice;
  readonly nodeCount: number;
  readonly events: StageEvent[] = [];
  /** Breaches of the rules: a pod stopped that does not run, or run where nothing may. */
  readonly problems: string[] = [];
  readonly podLimit: number;
  readonly live: Map<string, PodIdentity>[];
  readonly closed = new Set<number>();
  /** Nodes that are not up. */
  readonly down = new Set<number>();
  readonly #seen = new Set<string>();

  constructor({ nodes, seed = 1, podLimit = 30 }: { nodes: number; seed?: number; podLimit?: number }) {
    const dice = new Dice(seed);
    this.clock = new Scheduler({ startMs: START_MS, dice: dice.fork("order") });
    this.dice = dice;
    this.nodeCount = nodes;
    this.podLimit = podLimit;
    this.live = Array.from({ length: nodes }, () => new Map());
  }

  canTake(node: number): boolean {
    return !this.down.has(node) && !this.closed.has(node) && (this.live[node]?.size ?? 0) < this.podLimit;
  }

  run(node: number, pod: PodIdentity): void {
    if (!this.canTake(node)) this.problems.push(`${pod.name} was placed on node ${node}, which takes none`);
    if (this.#seen.has(pod.uid)) this.problems.push(`${pod.uid} was run twice`);
    for (const pods of this.live) {
      const other = pods.get(`${pod.namespace}/${pod.name}`);
      if (other !== undefined) this.problems.push(`${pod.namespace}/${pod.name} runs twice at a time`);
    }
    this.#seen.add(pod.uid);
    this.live[node]?.set(`${pod.namespace}/${pod.name}`, pod);
    this.#note("run", node, pod);
  }

  stop(node: number, pod: PodIdentity): void {
    const key = `${pod.namespace}/${pod.name}`;
    if (this.live[node]?.get(key)?.uid !== pod.uid) this.problems.push(`${key} was stopped where it does not run`);
    this.live[node]?.delete(key);
    this.#note("stop", node, pod);
  }

  cordon(node: number, closed: boolean): void {
    if (closed) this.closed.add(node);
    else this.closed.delete(node);
    this.#note(closed ? "close" : "open", node, undefined);
  }

  /** Pods that run now. */
  get liveCount(): number {
    return this.live.reduce((sum, pods) => sum + pods.size, 0);
  }

  of(kind: StageEvent["kind"]): readonly StageEvent[] {
    return this.events.filter((event) => event.kind === kind);
  }

  #note(kind: StageEvent["kind"], node: number, pod: PodIdentity | undefined): void {
    this.events.push({ atMs: this.clock.elapsedMs(), kind, node, pod });
  }
}

/** Plays the patterns for so long; the stage tells what came of it. */
export async function played(stage: RecordingStage, specs: readonly WorkloadSpec[], seconds: number) {
  const endMs = START_MS + seconds * 1_000;
  const play = playWorkload(stage, specs, endMs);
  await stage.clock.run(endMs);
  return play;
}
