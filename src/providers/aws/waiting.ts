import { jitterMs, sleep } from "../../adapters/index.ts";
import type { Surroundings } from "./options.ts";

/** Pauses that grow from `baseMs` to `maxMs` (each jittered by a quarter) until `limitMs` has passed since the first. */
export class Pauses {
  readonly #world: Surroundings;
  readonly #maxMs: number;
  readonly #deadlineMs: number;
  #nextMs: number;

  constructor(world: Surroundings, pace: { baseMs: number; maxMs: number; limitMs: number }) {
    this.#world = world;
    this.#maxMs = pace.maxMs;
    this.#deadlineMs = world.clock.monotonicMs() + pace.limitMs;
    this.#nextMs = pace.baseMs;
  }

  /** True after a pause; false, at once, when the limit has passed. The last pause is cut so that it ends at the limit. */
  async pause(signal?: AbortSignal): Promise<boolean> {
    const leftMs = this.#deadlineMs - this.#world.clock.monotonicMs();
    if (leftMs <= 0) return false;
    await sleep(this.#world.clock, Math.min(leftMs, jitterMs(this.#world.random, this.#nextMs)), signal);
    this.#nextMs = Math.min(this.#maxMs, this.#nextMs * 2);
    return true;
  }
}

/** Pauses of the usual pace of looks (`lookBaseMs`, `lookMaxMs`) for at most `limitMs`. */
export function looks(world: Surroundings, limitMs: number): Pauses {
  return new Pauses(world, { baseMs: world.limits.lookBaseMs, maxMs: world.limits.lookMaxMs, limitMs });
}
