import type { Clock } from "../../adapters/index.ts";

/** The time of one play: nothing happens after its end, and nothing after it was stopped. */
export class Timeline {
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #endMs: number;
  #isOver = false;

  /** `endMs`: ms of `monotonicMs`. */
  constructor(clock: Clock, endMs: number) {
    this.#clock = clock;
    this.#startMs = clock.monotonicMs();
    this.#endMs = endMs;
  }

  /** Ms since the play began. */
  elapsedMs(): number {
    return this.#clock.monotonicMs() - this.#startMs;
  }

  /** Wall ms since the epoch. */
  nowMs(): number {
    return this.#clock.nowMs();
  }

  after(delayMs: number, action: () => void): void {
    if (this.#isOver || this.#clock.monotonicMs() + delayMs > this.#endMs) return;
    this.#clock.after(delayMs, () => {
      if (!this.#isOver) action();
    });
  }

  stop(): void {
    this.#isOver = true;
  }
}
