import { type Cancel, jitterMs } from "../../adapters/index.ts";
import type { SingletonAnswer } from "../store/singletons.ts";
import type { PartOptions } from "./parts.ts";

/** While somebody wants a task, and the store answers, nobody has it for no longer than this. */
export const LEASE_MS = 60_000;

/**
 * A node trusts an answer for `trustMs`, counted from before it asked, and not before the store has confirmed without such a
 * break that it has the task for `probationMs`, which is longer. Whatever the store forgets, when it was restarted or a
 * replica took over that had not heard of a lease, and wherever its clock jumps: who takes the task then waits for longer
 * than anybody trusts an answer of before. So two nodes never do it at once, as long as one store answers at a time and
 * steady clocks run alike.
 */
export interface SingletonTimes {
  /** A lease in the store, renewed three times in it. Those who want the task ask again when it ends. */
  readonly ttlMs: number;
  readonly trustMs: number;
  readonly probationMs: number;
  /** Pauses after no answer: of who has the task, and of others. */
  readonly againMs: number;
  readonly againWithoutMs: number;
  /** Those who wait for the end of a lease come within so long after it. */
  readonly spreadMs: number;
}

export const SINGLETON_TIMES: SingletonTimes = {
  ttlMs: 30_000,
  trustMs: 15_000,
  probationMs: 16_000,
  againMs: 2_000,
  againWithoutMs: 5_000,
  spreadMs: 3_000,
};

/** One node's wish for one task: asks for it, keeps it, and knows for how long it surely is this node's. */
export class Candidacy {
  readonly #options: PartOptions;
  readonly #task: string;
  readonly #asker: string;
  readonly #times: SingletonTimes;
  /** Called now and then. */
  readonly #beat: () => void;
  #token = 0;
  #seen = 0;
  /** Monotonic: when the first answer came since which it has the task without a break. */
  #takenAtMs = 0;
  /** Monotonic: when the last question was sent that was answered so. */
  #confirmedAtMs = Number.NEGATIVE_INFINITY;
  /** Until then it is this node's: monotonic, and by the wall clock, which goes on while the machine is suspended. */
  #trusted = { untilMs: Number.NEGATIVE_INFINITY, untilWallMs: 0 };
  #told = false;
  #ended = false;
  #cancel: Cancel = () => {};

  constructor(options: PartOptions, task: string, asker: string, beat: () => void, times: SingletonTimes) {
    this.#options = options;
    this.#times = times;
    this.#task = task;
    this.#asker = asker;
    this.#beat = beat;
  }

  get holds(): boolean {
    const { clock } = this.#options;
    return !this.#ended && clock.monotonicMs() < this.#trusted.untilMs && clock.nowMs() < this.#trusted.untilWallMs;
  }

  get token(): number {
    return this.#token;
  }

  start(): void {
    void this.#ask();
  }

  /** Gives it up. Resolves when the store knows, or cannot be told. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancel();
    if (this.#token === 0) return;
    // What is not told ends by itself.
    await this.#options.store.singletons.release(this.#task, this.#asker, this.#token).catch(() => {});
    this.#tell();
  }

  async #ask(): Promise<void> {
    const { clock, store } = this.#options;
    const sentAtMs = clock.monotonicMs();
    const sentAtWallMs = clock.nowMs();
    const bid = {
      task: this.#task,
      asker: this.#asker,
      token: this.#token,
      seen: this.#seen,
      ttlMs: this.#times.ttlMs,
    };
    const answer = await store.singletons.hold(bid).catch(() => undefined);
    if (this.#ended) {
      // It may have been given the task while it was ending.
      if (answer?.kind === "held") await store.singletons.release(bid.task, bid.asker, answer.token).catch(() => {});
      return;
    }
    const pauseMs = answer === undefined ? this.#unanswered() : this.#answered(answer, sentAtMs, sentAtWallMs);
    this.#tell();
    this.#cancel = clock.after(pauseMs, () => {
      this.#beat();
      if (!this.#ended) void this.#ask();
    });
  }

  #unanswered(): number {
    const { againMs, againWithoutMs } = this.#times;
    return jitterMs(this.#options.random, this.#token === 0 ? againWithoutMs : againMs);
  }

  /** When to ask next, in ms. */
  #answered(answer: SingletonAnswer, sentAtMs: number, sentAtWallMs: number): number {
    const { clock, random } = this.#options;
    const { ttlMs, trustMs, probationMs, spreadMs } = this.#times;
    const nowMs = clock.monotonicMs();
    this.#seen = Math.max(this.#seen, answer.token);
    if (answer.kind === "taken") {
      this.#token = 0;
      this.#confirmedAtMs = Number.NEGATIVE_INFINITY;
      this.#distrust();
      return Math.min(ttlMs, answer.endsInMs) + spreadMs * random.fraction();
    }
    const isBroken = nowMs - this.#confirmedAtMs > trustMs;
    this.#confirmedAtMs = sentAtMs;
    if (answer.token !== this.#token || isBroken) {
      // Somebody else may have had it, and may still trust an answer of before.
      this.#token = answer.token;
      this.#takenAtMs = nowMs;
      this.#distrust();
    } else if (sentAtMs - this.#takenAtMs >= probationMs) {
      this.#trusted = { untilMs: sentAtMs + trustMs, untilWallMs: sentAtWallMs + trustMs };
    }
    const renewMs = ttlMs / 3;
    const leftMs = this.#takenAtMs + probationMs - nowMs;
    return leftMs > 0 ? Math.min(renewMs, leftMs) : renewMs;
  }

  #distrust(): void {
    this.#trusted = { untilMs: Number.NEGATIVE_INFINITY, untilWallMs: 0 };
  }

  /** Tells when it changes that the task is this node's. */
  #tell(): void {
    const { holds } = this;
    if (holds === this.#told) return;
    this.#told = holds;
    this.#options.telemetry.event({
      name: holds ? "task-taken" : "task-given-up",
      level: "info",
      message: holds
        ? `this node does ${this.#task} for the fleet`
        : `this node no longer does ${this.#task} for the fleet`,
      fields: { task: this.#task, token: this.#token },
    });
  }
}
