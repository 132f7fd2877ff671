import type { Bucket } from "../index.ts";

/** A token is called for that much later than it is there, so that rounding never finds it short by its last bit. */
const MARGIN_MS = 0.05;

/**
 * A token bucket as a schedule (generic cell rate algorithm): it says at which moment the next token is there, so that
 * whoever waits needs no polling. A full bucket at the start.
 */
export class TokenSchedule {
  readonly #intervalMs: number;
  readonly #toleranceMs: number;
  #theoreticalMs = Number.NEGATIVE_INFINITY;

  constructor({ capacity, refillPerSecond }: Bucket) {
    this.#intervalMs = 1_000 / refillPerSecond;
    this.#toleranceMs = (capacity - 1) * this.#intervalMs - MARGIN_MS;
  }

  /** The first moment at or after `fromMs` at which there is a token. */
  nextMs(fromMs: number): number {
    return Math.max(fromMs, this.#theoreticalMs - this.#toleranceMs);
  }

  /** Takes the token of the moment that `nextMs` gives, and says which moment that is. */
  take(fromMs: number): number {
    const atMs = this.nextMs(fromMs);
    this.#theoreticalMs = Math.max(this.#theoreticalMs, atMs) + this.#intervalMs;
    return atMs;
  }
}
