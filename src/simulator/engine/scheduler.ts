import { type Cancel, type Clock, systemClock } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import type { Dice } from "./dice.ts";
import { type Timer, TimerHeap } from "./timer-heap.ts";

/** Callbacks at one moment of virtual time: more is a loop that spins. */
const AT_ONCE_LIMIT = 200_000;
/** Macrotasks of one round of Node's loop. */
const TURNS_AT_A_TIME = 64;

export interface SchedulerOptions {
  /** Wall ms at which the world begins. */
  readonly startMs: number;
  /** Orders what is due at the same moment. */
  readonly dice: Dice;
}

/**
 * The one clock and the one queue of a simulated world. Whatever takes time is a timer here; between two timers everything
 * that needs none (promises, turns of the loop) comes to its end behind a macrotask boundary, and nothing real is waited
 * for. So a run is a function of its seed: what is due at the same moment comes in an order that the dice draw.
 */
export class Scheduler implements Clock {
  #nowMs: number;
  readonly #startMs: number;
  readonly #dice: Dice;
  readonly #timers = new TimerHeap();
  #turns: (() => void)[] = [];
  #steps = 0;
  #atOnce = 0;
  /** Called after each event and all that followed from it at once. */
  afterStep: (() => void) | undefined;

  constructor({ startMs, dice }: SchedulerOptions) {
    this.#startMs = startMs;
    this.#nowMs = startMs;
    this.#dice = dice;
  }

  /** Wall ms; here the wall never jumps (see `MachineClock`). */
  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  /** Virtual ms since the world began. */
  elapsedMs(): number {
    return this.#nowMs - this.#startMs;
  }

  /** Timers that fired. */
  get steps(): number {
    return this.#steps;
  }

  after(delayMs: number, callback: () => void): Cancel {
    const dueMs = this.#nowMs + (delayMs > 0 ? delayMs : 0);
    const timer: Timer = { dueMs, order: this.#dice.fraction(), callback };
    this.#timers.push(timer);
    return () => {
      timer.callback = undefined;
    };
  }

  nextTurn(callback: () => void): void {
    this.#turns.push(callback);
  }

  /**
   * Lets virtual time pass up to `untilMs` (wall ms), event by event, or until `over` says so after one of them. Rejects
   * with what an event threw, and with ENID_INTERNAL when something spins.
   */
  async run(untilMs: number, over: () => boolean = never): Promise<void> {
    await this.settle();
    await new Promise<void>((resolve, reject) => {
      let isUnderWay = false;
      inTurns(() => {
        try {
          if (this.#turns.length > 0) {
            this.#takeTurns();
            return true;
          }
          if (isUnderWay) this.afterStep?.();
          isUnderWay = !over() && this.#step(untilMs);
          if (!isUnderWay) resolve();
        } catch (thrown) {
          isUnderWay = false;
          reject(thrown);
        }
        return isUnderWay;
      });
    });
  }

  /** The next event; false when there is none up to then. */
  #step(untilMs: number): boolean {
    const timer = this.#timers.popUntil(untilMs);
    if (timer === undefined) {
      this.#nowMs = Math.max(this.#nowMs, untilMs);
      return false;
    }
    if (timer.dueMs > this.#nowMs) {
      this.#nowMs = timer.dueMs;
      this.#atOnce = 0;
    } else if (++this.#atOnce > AT_ONCE_LIMIT) {
      throw new EnidError("ENID_INTERNAL", { detail: `something spins: ${this.#atOnce} callbacks at one moment` });
    }
    this.#steps += 1;
    timer.callback?.();
    return true;
  }

  /** Everything that needs no time to pass comes to its end. */
  async settle(): Promise<void> {
    await macrotask();
    while (this.#turns.length > 0) {
      this.#takeTurns();
      await macrotask();
    }
  }

  #takeTurns(): void {
    const turns = this.#turns;
    this.#turns = [];
    for (const turn of turns) turn();
  }
}

/**
 * Calls `next` in one macrotask after the other for as long as it says so. They are asked for many at a time: between two
 * of one round of the loop Node runs all microtasks, as between any two, and a round costs more than most events.
 */
function inTurns(next: () => boolean): void {
  let left = 0;
  let isOver = false;
  const ask = () => {
    left = TURNS_AT_A_TIME;
    for (let n = 0; n < TURNS_AT_A_TIME; n++) systemClock.nextTurn(turn);
  };
  const turn = () => {
    if (isOver) return;
    left -= 1;
    isOver = !next();
    if (left === 0 && !isOver) ask();
  };
  ask();
}

/** All microtasks that are due, and those that they make due, run before it. */
function macrotask(): Promise<void> {
  return new Promise(boundary);
}

function boundary(resolve: () => void): void {
  systemClock.nextTurn(resolve);
}

function never(): boolean {
  return false;
}
