import type { ClusterPod } from "../cluster.ts";
import type { Rollout } from "../spec.ts";
import { begin, type Context, orderOf, repeat } from "./context.ts";

export function playRollout(context: Context, spec: Rollout): void {
  begin(context, spec, () => {
    const deployment = new Deployment(context, spec);
    deployment.keep();
    repeat(
      context,
      spec,
      () => spec.everySeconds * 1_000,
      () => deployment.roll(),
    );
  });
}

/** A Deployment with the strategy RollingUpdate. Pods of the revision before are available as long as they are there. */
class Deployment {
  readonly #context: Context;
  readonly #spec: Rollout;
  /** Pods that may exist beyond the replicas, and that may be missing. */
  readonly #surge: number;
  readonly #unavailable: number;
  #old: ClusterPod[] = [];
  #fresh = new Set<ClusterPod>();
  #available = new Set<ClusterPod>();
  #revision = 0;

  constructor(context: Context, spec: Rollout) {
    const { replicas, maxSurge = 0.25, maxUnavailable = 0.25 } = spec;
    this.#context = context;
    this.#spec = spec;
    this.#surge = Math.ceil(replicas * maxSurge);
    const missing = Math.floor(replicas * maxUnavailable);
    // With neither, no rollout would ever move: Kubernetes then lets one be missing too.
    this.#unavailable = this.#surge + missing === 0 ? 1 : missing;
  }

  roll(): void {
    if (this.#old.length > 0) return;
    this.#revision += 1;
    this.#old = [...this.#fresh];
    this.#fresh = new Set();
    this.#available = new Set();
    this.keep();
  }

  /** Ends what may be missing and begins what may be there. */
  keep(): void {
    const { replicas } = this.#spec;
    while (this.#old.length > 0 && this.#old.length + this.#available.size > replicas - this.#unavailable) {
      const pod = this.#old.pop();
      if (pod !== undefined) this.#context.cluster.end(pod);
    }
    while (this.#fresh.size < replicas && this.#old.length + this.#fresh.size < replicas + this.#surge) this.#add();
  }

  #add(): void {
    const { cluster, time } = this.#context;
    const revision = this.#revision;
    const pod = cluster.start({
      ...orderOf(this.#context, this.#spec, `rollout-${revision}`),
      onPlaced: (placed) => {
        time.after((this.#spec.podReadySeconds ?? 10) * 1_000, () => this.#nowAvailable(placed));
      },
      onEvicted: (evicted) => this.#lost(evicted),
    });
    this.#fresh.add(pod);
  }

  #nowAvailable(pod: ClusterPod): void {
    if (pod.isGone || !this.#fresh.has(pod)) return;
    this.#available.add(pod);
    this.keep();
  }

  #lost(pod: ClusterPod): void {
    this.#fresh.delete(pod);
    this.#available.delete(pod);
    this.#old = this.#old.filter((one) => one !== pod);
    this.keep();
  }
}
