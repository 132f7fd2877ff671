import type { Cancel, Clock } from "../../adapters/index.ts";

/** One moment at which something is to be done: the earliest that was asked for. */
export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #atMs = Number.POSITIVE_INFINITY;
  #cancel: Cancel | undefined;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  within(delayMs: number): void {
    const atMs = this.#clock.monotonicMs() + delayMs;
    if (atMs >= this.#atMs) return;
    this.cancel();
    this.#atMs = atMs;
    this.#cancel = this.#clock.after(delayMs, () => {
      this.#atMs = Number.POSITIVE_INFINITY;
      this.#ring();
    });
  }

  cancel(): void {
    this.#cancel?.();
    this.#atMs = Number.POSITIVE_INFINITY;
  }
}
