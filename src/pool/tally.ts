import type { AddressState, Counts } from "./types.ts";

/** States of an address as they are kept in typed arrays. A reserved address is none of the pool's. */
export const FREE = 0;
export const LEASED = 1;
export const COOLING = 2;
export const RESERVED = 3;
export type StateCode = typeof FREE | typeof LEASED | typeof COOLING | typeof RESERVED;

/** A count of addresses by state that moves with them. */
export class Tally {
  free = 0;
  leased = 0;
  cooling = 0;
  releasing = 0;

  move(from: StateCode, to: StateCode): void {
    this.#change(from, -1);
    this.#change(to, 1);
  }

  #change(state: StateCode, by: 1 | -1): void {
    if (state === FREE) this.free += by;
    else if (state === LEASED) this.leased += by;
    else if (state === COOLING) this.cooling += by;
  }

  add(other: Readonly<Counts> | Tally, times: 1 | -1 = 1): void {
    this.free += times * other.free;
    this.leased += times * other.leased;
    this.cooling += times * other.cooling;
    this.releasing += times * other.releasing;
  }

  /** All free addresses become releasing (a block goes back whole), or the reverse. */
  moveReleasing(count: number): void {
    this.free -= count;
    this.releasing += count;
  }

  get total(): number {
    return this.free + this.leased + this.cooling + this.releasing;
  }

  /** A copy that no longer moves. */
  counts(): Counts {
    const { free, leased, cooling, releasing } = this;
    return { total: free + leased + cooling + releasing, free, leased, cooling, releasing };
  }

  equals(other: Tally): boolean {
    if (this.free !== other.free || this.leased !== other.leased) return false;
    return this.cooling === other.cooling && this.releasing === other.releasing;
  }

  toString(): string {
    return STATES.map((state) => `${state} ${this[state]}`).join(", ");
  }
}

const STATES = ["free", "leased", "cooling", "releasing"] as const satisfies readonly AddressState[];
