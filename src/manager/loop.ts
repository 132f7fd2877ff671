import type { Cancel, Clock } from "../adapters/index.ts";
import { LIMITS } from "./limits.ts";

/**
 * Calls the tick at the manager's own pace: at the moment the last tick asked for, at the heartbeat, or brought
 * forward by a wake. Ticks never nest and never run inside the event that woke them.
 */
export class Loop {
  readonly #clock: Clock;
  readonly #tick: () => number;
  #cancel: Cancel | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #burstBeganMs: number | undefined;
  #running = false;
  #lastTickMs = 0;

  /** `tick` answers in how many milliseconds it wants to be called again at the latest. */
  constructor(clock: Clock, tick: () => number) {
    this.#clock = clock;
    this.#tick = tick;
  }

  /** Monotonic ms of the last tick, for the liveness check. */
  get lastTickMs(): number {
    return this.#lastTickMs;
  }

  start(): void {
    this.#running = true;
    this.wake(0);
  }

  stop(): void {
    this.#running = false;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** A tick within `delayMs`. */
  wake(delayMs: number): void {
    if (!this.#running) return;
    const dueMs = this.#clock.monotonicMs() + Math.max(0, delayMs);
    if (dueMs < this.#dueMs) this.#schedule(dueMs);
  }

  /** A tick soon, but after the burst of events that this one may be part of, so that one plan serves them all. */
  wakeAfterBurst(): void {
    if (!this.#running) return;
    const nowMs = this.#clock.monotonicMs();
    this.#burstBeganMs ??= nowMs;
    const quietMs = nowMs + LIMITS.burstQuietMs;
    this.#schedule(Math.min(quietMs, this.#burstBeganMs + LIMITS.burstLongestMs));
  }

  #schedule(dueMs: number): void {
    this.#cancel?.();
    this.#dueMs = dueMs;
    this.#cancel = this.#clock.after(dueMs - this.#clock.monotonicMs(), this.#round);
  }

  readonly #round = (): void => {
    this.#cancel = undefined;
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#burstBeganMs = undefined;
    this.#lastTickMs = this.#clock.monotonicMs();
    const againMs = this.#tick();
    this.wake(Math.min(againMs, LIMITS.heartbeatMs));
  };
}
