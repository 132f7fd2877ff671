import type { Cancel, Clock } from "../../adapters/index.ts";

/** The clock of one machine: its wall can be set by somebody; what measures durations cannot. */
export class MachineClock implements Clock {
  readonly #clock: Clock;
  /** What the wall shows beyond the true time, in ms. */
  wallOffsetMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nowMs(): number {
    return this.#clock.nowMs() + this.wallOffsetMs;
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  after(delayMs: number, callback: () => void): Cancel {
    return this.#clock.after(delayMs, callback);
  }

  nextTurn(callback: () => void): void {
    this.#clock.nextTurn(callback);
  }
}

/** The clock as one process has it: once the process is dead, nothing that it waited for comes. */
export class ProcessClock implements Clock {
  readonly #clock: Clock;
  #dead = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  cut(): void {
    this.#dead = true;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  after(delayMs: number, callback: () => void): Cancel {
    return this.#clock.after(delayMs, () => {
      if (!this.#dead) callback();
    });
  }

  nextTurn(callback: () => void): void {
    this.#clock.nextTurn(() => {
      if (!this.#dead) callback();
    });
  }
}
