import type { Random } from "../../adapters/index.ts";

/**
 * A small good generator (mulberry32) with the draws that seeded worlds need. `fork` gives each part a stream of its own, so
 * that leaving one part out (a fault, a pod) changes no draw of another.
 */
export class Dice implements Random {
  readonly #seed: number;
  #state: number;

  constructor(seed: number) {
    this.#seed = Math.imul(seed ^ (seed / 2 ** 32), 0x9e3779b1) >>> 0;
    this.#state = this.#seed;
  }

  /** A stream that depends on this one's seed and on the name alone, not on what was drawn before. */
  fork(name: string): Dice {
    let hash = this.#seed ^ 0x811c9dc5;
    for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
    return new Dice((hash ^ (hash >>> 15)) >>> 0);
  }

  /** In [0, 1). */
  fraction(): number {
    return this.#word() / 2 ** 32;
  }

  /** UUID text of version 4. */
  id(): string {
    const hex = [this.#hex(), this.#hex(), this.#hex(), this.#hex()].join("");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
  }

  /** Lower-case hexadecimal digits. */
  digits(count: number): string {
    let text = "";
    while (text.length < count) text += this.#hex();
    return text.slice(0, count);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.fraction() * (most - least + 1));
  }

  /** A time until the next of events that come by themselves, `mean` apart on average. */
  exponential(mean: number): number {
    return -Math.log(1 - this.fraction()) * mean;
  }

  /** Errors: RangeError when there is nothing to pick from. */
  pick<Item>(items: readonly Item[]): Item {
    if (items.length === 0) throw new RangeError("nothing to pick from");
    return items[Math.floor(this.fraction() * items.length)] as Item;
  }

  /** A name with the chance of its weight. Errors: RangeError when no weight is above zero. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const entries = Object.entries(weights) as [Name, number][];
    let left = this.fraction() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [name, weight] of entries) {
      left -= weight;
      if (left < 0) return name;
    }
    throw new RangeError("no weight is above zero");
  }

  #word(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  #hex(): string {
    return this.#word().toString(16).padStart(8, "0");
  }
}
