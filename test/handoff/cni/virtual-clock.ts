import type { Clock } from "../../../src/adapters/index.ts";

/** A clock that stands still until it is told to go on. */
export class VirtualClock implements Clock {
  #nowMs = 1_800_000_000_000;
  readonly #timers = new Set<{ atMs: number; callback: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  nextTurn(callback: () => void): void {
    this.after(0, callback);
  }

  get waiting(): number {
    return this.#timers.size;
  }

  /** Delays until the timers that wait, in milliseconds. */
  get delaysMs(): number[] {
    return [...this.#timers].map(({ atMs }) => atMs - this.#nowMs);
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    for (const timer of [...this.#timers]) {
      if (timer.atMs > this.#nowMs) continue;
      this.#timers.delete(timer);
      timer.callback();
    }
  }
}
