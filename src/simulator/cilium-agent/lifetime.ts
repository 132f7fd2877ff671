import { type Cancel, type Clock, sleep } from "../../adapters/index.ts";

/** Thrown where a process that has died would go on. */
export class Ended extends Error {}

/** One process: once it has ended, nothing that it waited for comes. */
export class Lifetime {
  readonly #clock: Clock;
  readonly #end = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get over(): boolean {
    return this.#end.signal.aborted;
  }

  /** Aborted at the end. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  end(): void {
    this.#end.abort(new Ended("the process has ended"));
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  after(delayMs: number, callback: () => void): Cancel {
    return this.#clock.after(delayMs, () => {
      if (!this.over) callback();
    });
  }

  /** Rejects with Ended when the process ends first. */
  sleep(delayMs: number): Promise<void> {
    return sleep(this.#clock, delayMs, this.signal);
  }

  /** What is awaited in a process that ends meanwhile is not answered but by Ended. */
  async of<Value>(promise: Promise<Value>): Promise<Value> {
    try {
      const value = await promise;
      this.#requireAlive();
      return value;
    } catch (thrown) {
      this.#requireAlive();
      throw thrown;
    }
  }

  #requireAlive(): void {
    if (this.over) throw this.signal.reason;
  }
}
