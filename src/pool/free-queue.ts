/**
 * The free addresses of one block in the order in which they became free: a doubly linked list in two typed arrays, so
 * that any address can leave it at once (a restored lease names its address) and 60,000 cost half a megabyte.
 */
export class FreeQueue {
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  #first = NONE;
  #last = NONE;

  /** Empty, for offsets 0 to `size` - 1. */
  constructor(size: number) {
    this.#next = new Int32Array(size);
    this.#previous = new Int32Array(size);
  }

  /** The offset that is free the longest; -1 if there is none. */
  get first(): number {
    return this.#first;
  }

  append(offset: number): void {
    this.#next[offset] = NONE;
    this.#previous[offset] = this.#last;
    if (this.#last === NONE) this.#first = offset;
    else this.#next[this.#last] = offset;
    this.#last = offset;
  }

  prepend(offset: number): void {
    this.#previous[offset] = NONE;
    this.#next[offset] = this.#first;
    if (this.#first === NONE) this.#last = offset;
    else this.#previous[this.#first] = offset;
    this.#first = offset;
  }

  /** The offset must be in the queue. */
  remove(offset: number): void {
    const next = this.#next[offset] ?? NONE;
    const previous = this.#previous[offset] ?? NONE;
    if (previous === NONE) this.#first = next;
    else this.#next[previous] = next;
    if (next === NONE) this.#last = previous;
    else this.#previous[next] = previous;
  }

  /** Whether it holds just the offsets of that state, of which there are `count`, linked both ways: so none comes twice. */
  isMadeOf(states: Uint8Array, state: number, count: number): boolean {
    let before = NONE;
    let left = count;
    for (let offset = this.#first; offset !== NONE; offset = this.#next[offset] ?? NONE) {
      if (states[offset] !== state || this.#previous[offset] !== before || left-- === 0) return false;
      before = offset;
    }
    return left === 0 && this.#last === before;
  }

  /** From the longest free on. Ends after as many as the block has, even when the links are damaged. */
  *[Symbol.iterator](): Iterator<number> {
    let left = this.#next.length;
    for (let offset = this.#first; offset !== NONE && left > 0; offset = this.#next[offset] ?? NONE) {
      yield offset;
      left--;
    }
  }
}

const NONE = -1;
