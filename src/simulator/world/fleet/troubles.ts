import type { Scheduler } from "../../engine/index.ts";
import type { FaultPlan } from "../draw/plan.ts";
import type { FaultKind } from "../options.ts";

/** Faults that a pod of another node has to live with: from the moment at which its node is lost the time counts. */
const LOSS_OF_NODE: readonly FaultKind[] = ["node-dead", "node-partition", "replace", "reboot", "power-loss", "crash"];

/** A lease whose DEL never came ends by itself; where all sandboxes of a node go at once that takes half an hour. */
const ORPHANED_MS = 40 * 60_000;

interface Trouble {
  readonly beganMs: number;
  /** Infinity while it goes on. */
  endMs: number;
}

/** Which faults are in force, and until when which machines had some. Times are monotonic ms. */
export class Troubles {
  readonly #scheduler: Scheduler;
  readonly #troubles = new Map<FaultPlan, Trouble>();

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  begin(fault: FaultPlan): void {
    const beganMs = this.#scheduler.monotonicMs();
    const endMs = fault.untilMs === fault.fromMs ? beganMs : Number.POSITIVE_INFINITY;
    this.#troubles.set(fault, { beganMs, endMs });
  }

  end(fault: FaultPlan): void {
    const trouble = this.#troubles.get(fault);
    if (trouble !== undefined) trouble.endMs = this.#scheduler.monotonicMs();
  }

  /**
   * Until when one of the two machines, or all of them, had trouble; the store's own is not counted. `machine`: where a pod
   * waits; `before`: the one that had its address, of which the loss alone counts.
   */
  untilMs(machine: number, before: number | undefined): number {
    let lastMs = 0;
    for (const [{ machine: of, kind }, { beganMs, endMs }] of this.#troubles) {
      if (kind.startsWith("redis-") || (of !== undefined && of !== machine && of !== before)) continue;
      const isLossElsewhere = of !== machine && LOSS_OF_NODE.includes(kind);
      const lingersMs = kind === "del-missing" ? ORPHANED_MS : 0;
      lastMs = Math.max(lastMs, isLossElsewhere ? beganMs : endMs + lingersMs);
    }
    return lastMs;
  }
}
