import type { Dice } from "../engine/index.ts";

const ASIDE = -1;

/** Nodes by how many pods they have, so that the least or most filled one is found without a look at all of them. */
export class NodeIndex {
  /** Nodes by number of pods, in no order. */
  readonly #levels: number[][] = [];
  readonly #pods: Int32Array;
  /** Where in its level a node stands; ASIDE: it is in none. */
  readonly #places: Int32Array;
  readonly #aside = new Set<number>();

  constructor(nodeCount: number) {
    this.#pods = new Int32Array(nodeCount);
    this.#places = new Int32Array(nodeCount).fill(ASIDE);
    for (let node = 0; node < nodeCount; node++) this.#enter(node);
  }

  podsOn(node: number): number {
    return this.#pods[node] ?? 0;
  }

  change(node: number, by: 1 | -1): void {
    const isAside = this.#aside.has(node);
    if (!isAside) this.#leave(node);
    this.#pods[node] = this.podsOn(node) + by;
    if (!isAside) this.#enter(node);
  }

  /** The node cannot take pods now: it is not looked at until it is brought back. */
  putAside(node: number): void {
    if (this.#aside.has(node)) return;
    this.#leave(node);
    this.#aside.add(node);
  }

  bringBack(node: number): void {
    if (this.#aside.delete(node)) this.#enter(node);
  }

  bringAllBack(): void {
    for (const node of this.#aside) this.#enter(node);
    this.#aside.clear();
  }

  /** The least (or most) filled node that passes; one of those equally filled, by the dice. What does not pass is put aside. */
  find(order: "least" | "most", passes: (node: number) => boolean, dice: Dice): number | undefined {
    const count = this.#levels.length;
    for (let step = 0; step < count; step++) {
      const level = this.#levels[order === "least" ? step : count - 1 - step] ?? [];
      while (level.length > 0) {
        const node = dice.pick(level);
        if (passes(node)) return node;
        this.putAside(node);
      }
    }
    return undefined;
  }

  #enter(node: number): void {
    const pods = this.podsOn(node);
    while (this.#levels.length <= pods) this.#levels.push([]);
    const level = this.#levels[pods] ?? [];
    this.#places[node] = level.length;
    level.push(node);
  }

  #leave(node: number): void {
    const level = this.#levels[this.podsOn(node)] ?? [];
    const last = level.pop();
    const place = this.#places[node] ?? ASIDE;
    this.#places[node] = ASIDE;
    if (last === undefined || last === node) return;
    level[place] = last;
    this.#places[last] = place;
  }
}
