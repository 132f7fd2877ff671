import type { EnidError } from "../errors.ts";
import type { Degradations } from "./degradations.ts";
import { LIMITS } from "./limits.ts";
import type { NodeState } from "./node.ts";
import type { Promises } from "./promises.ts";

/** The pool as a whole, looked at now and then: one that contradicts itself stops every further act and is shown. */
export class SelfCheck {
  readonly #node: NodeState;
  readonly #degradations: Degradations;
  readonly #promises: Promises;
  #dueMs = 0;
  /** What the node was like when all held, and until when that is believed unless something changes. */
  #sound = -1;
  #soundUntilMs = 0;
  #broken: EnidError | undefined;
  /** What was broken for good: only a restart, which begins with what is durable, ends it. */
  #halted = false;

  constructor(node: NodeState, degradations: Degradations, promises: Promises) {
    this.#promises = promises;
    this.#node = node;
    this.#degradations = degradations;
  }

  /** What the last check found; undefined when all holds. */
  get broken(): EnidError | undefined {
    return this.#broken;
  }

  /** Looks at every address, so not in every round. */
  checkDue(nowMs: number): void {
    if (nowMs < this.#dueMs || this.#halted) return;
    this.#dueMs = nowMs + LIMITS.selfCheckEveryMs;
    // What did not change is as it was; looked at now and then all the same, for changes that nobody told of.
    if (this.#sound === this.#node.version && nowMs < this.#soundUntilMs) return;
    const [problem] = this.#node.pool.problems();
    if (problem === undefined) {
      this.#sound = this.#node.version;
      this.#soundUntilMs = nowMs + LIMITS.selfCheckUnchangedMs;
      this.#broken = undefined;
      this.#degradations.clear("invariant-broken");
      return;
    }
    this.#sound = -1;
    const detail = `the pool is not consistent: ${problem}`;
    // Told once, not every minute.
    if (this.#broken?.message.endsWith(detail) !== true) this.#broken = this.#promises.refuse({ promise: 1, detail });
    this.#degradations.set("invariant-broken", this.#broken, nowMs);
  }

  /** Nothing is leased and no step is begun any more. */
  halt(error: EnidError, nowMs: number): void {
    this.#halted = true;
    this.#broken = error;
    this.#degradations.set("invariant-broken", error, nowMs);
  }
}
