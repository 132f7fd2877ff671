import { EnidError } from "../errors.ts";
import type { Degradations } from "./degradations.ts";
import { LIMITS } from "./limits.ts";
import type { NodeState } from "./node.ts";

/** The promises, checked in production too: a broken one stops every further act and is shown. */
export class SelfCheck {
  readonly #node: NodeState;
  readonly #degradations: Degradations;
  #dueMs = 0;
  #broken: EnidError | undefined;

  constructor(node: NodeState, degradations: Degradations) {
    this.#node = node;
    this.#degradations = degradations;
  }

  /** What the last check found; undefined when all holds. */
  get broken(): EnidError | undefined {
    return this.#broken;
  }

  /** Looks at every address, so not in every round. */
  checkDue(nowMs: number): void {
    if (nowMs < this.#dueMs) return;
    this.#dueMs = nowMs + LIMITS.selfCheckEveryMs;
    const [problem] = this.#node.pool.problems();
    if (problem === undefined) {
      this.#broken = undefined;
      this.#degradations.clear("invariant-broken");
      return;
    }
    this.#broken = new EnidError("ENID_REFUSED", { detail: `the pool is not consistent: ${problem}` });
    this.#degradations.set("invariant-broken", this.#broken, nowMs);
  }
}
