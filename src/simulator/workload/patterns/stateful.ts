import type { ClusterPod } from "../cluster.ts";
import type { StatefulSet } from "../spec.ts";
import { begin, type Context, orderOf, repeat } from "./context.ts";

export function playStatefulSet(context: Context, spec: StatefulSet): void {
  begin(context, spec, () => {
    const set = new OrderedSet(context, spec);
    repeat(
      context,
      spec,
      () => spec.everySeconds * 1_000,
      () => set.restart(),
    );
  });
}

/** A StatefulSet with the strategy RollingUpdate: from the last ordinal to the first, one at a time. */
class OrderedSet {
  readonly #context: Context;
  readonly #spec: StatefulSet;
  readonly #name: string;
  readonly #pods: ClusterPod[];
  #isRestarting = false;

  constructor(context: Context, spec: StatefulSet) {
    this.#context = context;
    this.#spec = spec;
    this.#name = context.cluster.nameFor("stateful");
    this.#pods = Array.from({ length: spec.replicas }, (_, ordinal) => this.#start(ordinal, undefined));
  }

  /** One that is due while another runs is left out. */
  restart(): void {
    if (this.#isRestarting) return;
    this.#isRestarting = true;
    this.#restartOne(this.#spec.replicas - 1);
  }

  #restartOne(ordinal: number): void {
    const { time, cluster } = this.#context;
    const { stepSeconds = 10 } = this.#spec;
    const pod = this.#pods[ordinal];
    if (pod === undefined) {
      this.#isRestarting = false;
      return;
    }
    cluster.end(pod);
    this.#comeBack(ordinal, pod, () => time.after(stepSeconds * 1_000, () => this.#restartOne(ordinal - 1)));
  }

  /** Under its name after the gap, where it was or elsewhere. */
  #comeBack(ordinal: number, before: ClusterPod, then: () => void): void {
    const { time } = this.#context;
    const { gapSeconds = 2 } = this.#spec;
    time.after(gapSeconds * 1_000, () => {
      // Drained away and restarted at the same time: it is back already.
      if (this.#pods[ordinal] === before) this.#pods[ordinal] = this.#start(ordinal, before.node);
      then();
    });
  }

  #start(ordinal: number, lastNode: number | undefined): ClusterPod {
    const { cluster, dice } = this.#context;
    const { moveShare = 0.3 } = this.#spec;
    const order = {
      ...orderOf(this.#context, this.#spec, ""),
      name: `${this.#name}-${ordinal}`,
      onEvicted: (pod: ClusterPod) => this.#comeBack(ordinal, pod, () => undefined),
    };
    const moves = dice.chance(moveShare);
    if (lastNode === undefined) return cluster.start(order);
    if (moves) return cluster.start({ ...order, avoid: lastNode });
    return cluster.startOn(lastNode, order) ?? cluster.start(order);
  }
}
