import { type Clock, jitterMs, type Random } from "../adapters/index.ts";
import type { EnidError } from "../errors.ts";
import type { RemoveInterfaceStep } from "../planning/index.ts";
import type { Activities } from "./activities.ts";
import { LIMITS } from "./limits.ts";
import { NEVER } from "./moments.ts";
import type { NodeState } from "./node.ts";
import type { Leftover, Provider, Singletons, Telemetry } from "./ports/index.ts";
import type { Restraint } from "./restraint.ts";

export interface SweeperOptions {
  readonly node: NodeState;
  readonly provider: Provider;
  readonly activities: Activities;
  readonly restraint: Restraint;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly random: Random;
  /** Who does it for the fleet. Absent = there is no fleet: every node does it. */
  readonly singletons: Pick<Singletons, "holds"> | undefined;
  readonly begin: (step: RemoveInterfaceStep) => void;
}

/**
 * Removes what nodes of the cluster left behind that are no more: interfaces with the cluster's tag that hang on nothing,
 * are old, and were seen so twice, half an hour apart. A node of the cluster may be about to attach a young one
 * (aws/amazon-vpc-cni-k8s#1099), so age and second look are what keeps it safe; the provider looks a third time before it
 * deletes, and never detaches. One filtered describe an hour; none without `cluster-name`. In a fleet one node does it for
 * all of the cluster, and while the fleet is away nobody: what was left behind costs less than two nodes that disagree.
 */
export class Sweeper {
  readonly #options: SweeperOptions;
  /** When each was seen first; monotonic within this process, by the manager's clock. */
  #firstSeenMs = new Map<string, number>();
  #dueMs: number;

  constructor(options: SweeperOptions) {
    this.#options = options;
    // Spread over a whole period: a cluster that starts together does not look together.
    this.#dueMs = options.clock.nowMs() + LIMITS.sweepEveryMs * options.random.fraction();
  }

  /** Looks if it is time. */
  sweepDue(): void {
    const { clock, node, activities, provider, restraint, random } = this.#options;
    const clusterName = node.settings.values["cluster-name"];
    const nowMs = clock.nowMs();
    if (clusterName === "") return;
    // Asked in every round: who wants the task must want it before it is due.
    const isOurs = this.isOurs(clusterName);
    if (nowMs < this.#dueMs || restraint.givingBackBlockedUntilMs() > 0) return;
    if (!isOurs) {
      this.#dueMs = nowMs + jitterMs(random, LIMITS.sweepTaskMs, LIMITS.sweepJitter);
      return;
    }
    this.#dueMs = nowMs + jitterMs(random, LIMITS.sweepEveryMs, LIMITS.sweepJitter);
    activities.run(
      "sweep",
      async (signal) =>
        this.#swept(await activities.patiently(provider.leftovers(clusterName, signal), signal), clusterName),
      (error) => this.#failed(error),
    );
  }

  /** Whether this node may remove what others left behind, now. */
  isOurs(clusterName: string): boolean {
    return this.#options.singletons?.holds(sweepTask(clusterName)) ?? true;
  }

  /** Infinity = never. */
  nextMs(): number {
    return this.#options.node.settings.values["cluster-name"] === "" ? NEVER : this.#dueMs;
  }

  #swept(leftovers: readonly Leftover[], clusterName: string): void {
    const { clock, node, begin } = this.#options;
    const nowMs = clock.nowMs();
    // What belongs to this node is looked after by the observations.
    const others = leftovers.filter(({ id, instanceId }) => instanceId !== node.facts?.instanceId && !node.isBusy(id));
    const seen = others.map(({ id }): [string, number] => [id, this.#firstSeenMs.get(id) ?? nowMs]);
    this.#firstSeenMs = new Map(seen);
    const ripe = others.filter(({ id, createdAtMs }) => {
      const seenForMs = nowMs - (this.#firstSeenMs.get(id) ?? nowMs);
      return seenForMs >= LIMITS.leftoverPauseMs && nowMs - createdAtMs >= LIMITS.leftoverAgeMs;
    });
    for (const { id, instanceId } of this.#shuffled(ripe).slice(0, LIMITS.leftoversAtOnce)) {
      if (!this.isOurs(clusterName)) return;
      const reason = `${id} was made by enid for ${instanceId}, hangs on nothing and was seen so twice: that node left it behind`;
      begin({ kind: "remove-interface", interfaceId: id, orphanOf: clusterName, reason });
    }
  }

  /** Nodes that look at the same time begin with different ones. */
  #shuffled(leftovers: readonly Leftover[]): Leftover[] {
    const { random } = this.#options;
    const drawn = leftovers.map((leftover) => ({ leftover, at: random.fraction() }));
    return drawn.sort((left, right) => left.at - right.at).map(({ leftover }) => leftover);
  }

  #failed(error: EnidError): void {
    this.#options.telemetry.event({
      name: "sweep-failed",
      level: "info",
      message: `leftovers of the cluster could not be looked for: ${error.message}`,
      fields: { code: error.code },
    });
  }
}

/** One of each cluster: the nodes of a fleet may be of several. */
function sweepTask(clusterName: string): string {
  return `leak-sweep:${clusterName}`;
}
