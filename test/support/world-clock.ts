import type { Cancel, Clock } from "../../src/adapters/index.ts";
import { ProcessClock as EngineProcessClock } from "../../src/simulator/engine/index.ts";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/**
 * Virtual time for long random runs. Between two timers all microtasks and all turns are drained; nothing else moves,
 * so a run is a function of its seed.
 */
export class WorldClock implements Clock {
  #nowMs: number;
  #order = 0;
  #timers = new Set<Timer>();
  #turns: (() => void)[] = [];
  /** Callbacks since the time moved on last: a loop that spins shows here. */
  #atOnce = 0;
  /** What the wall shows beyond the time that really passed: somebody set it. */
  wallOffsetMs = 0;

  /** Parts that need several turns of the real loop for one thing (streams): how often something has moved in them. */
  readonly #activity: () => number;

  constructor(startMs = Date.UTC(2026, 0, 1), activity: () => number = () => 0) {
    this.#nowMs = startMs;
    this.#activity = activity;
  }

  nowMs(): number {
    return this.#nowMs + this.wallOffsetMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Cancel {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  nextTurn(callback: () => void): void {
    this.#turns.push(callback);
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, resolve));
  }

  /** Lets `ms` pass, timer by timer, or until `over` says so. */
  async advance(ms: number, over: () => boolean = () => false): Promise<void> {
    const endMs = this.#nowMs + ms;
    await this.drain();
    for (let next = this.#next(endMs); next !== undefined && !over(); next = this.#next(endMs)) {
      if (next.atMs > this.#nowMs) this.#atOnce = 0;
      else if (++this.#atOnce > 2_000) throw new Error(`something spins: ${this.#atOnce} callbacks at one moment`);
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
      await this.drain();
    }
    if (!over()) this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  /** Everything that needs no time to pass. */
  async drain(): Promise<void> {
    let before: number;
    do {
      before = this.#activity();
      const turns = this.#turns;
      this.#turns = [];
      for (const turn of turns) turn();
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#activity() !== before) await new Promise((resolve) => setImmediate(resolve));
    } while (this.#turns.length > 0 || this.#activity() !== before);
  }

  #next(endMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.atMs > endMs) continue;
      if (next === undefined || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order)) {
        next = timer;
      }
    }
    return next;
  }
}

/** The clock as one process has it, which also tells how busy the process is. */
export class ProcessClock extends EngineProcessClock {
  /** Timers that fired. */
  fired = 0;

  override after(delayMs: number, callback: () => void): Cancel {
    return super.after(delayMs, () => {
      this.fired += 1;
      callback();
    });
  }
}

/** A small good generator (mulberry32) with the draws that random worlds need. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed * 0x9e3779b1) >>> 0;
  }

  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.fraction() * (most - least + 1));
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.fraction() * items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const entries = Object.entries(weights) as [Name, number][];
    let left = this.fraction() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [name, weight] of entries) {
      left -= weight;
      if (left < 0) return name;
    }
    throw new Error("no weights");
  }
}
