import type { Place } from "./block-index.ts";
import type { Carrier } from "./carrier.ts";
import { LEVELS, NOWHERE } from "./packing.ts";
import type { Stock } from "./stock.ts";

/**
 * Where the next address of a family comes from. The stocks of all interfaces that have something to offer stand in
 * order: that of the interface with the most leases first, among equals the one with the fewest free addresses, then by
 * index and id. A lease or a release changes a count by one, so a stock moves by a place or none.
 */
export class FillingOrder {
  readonly #stocks: Stock[] = [];
  /** How many stocks have their top at each level; bit n of #occupied is set while some have it at level n. */
  readonly #tops = new Int32Array(LEVELS);
  #occupied = 0;

  /**
   * The address to lease: the longest free one of a block of the highest level (packing.ts) over all interfaces, among
   * equals on the interface that comes first. A nearly empty prefix on the fullest interface must not win over room
   * elsewhere, or it would never become empty. Undefined if nothing has anything to offer.
   */
  next(): Place | undefined {
    const top = 31 - Math.clz32(this.#occupied);
    const block = this.#stocks.find((stock) => stock.top === top)?.packing.fullest();
    if (block === undefined) return undefined;
    const offset = block.longestFree;
    return { block, offset, address: (block.base + offset) | 0 };
  }

  /** Puts the stock where it belongs now; to be called after each change of its interface. */
  place(stock: Stock): void {
    if (stock.offered === 0) {
      if (stock.position !== NOWHERE) this.#remove(stock);
      return;
    }
    if (stock.position === NOWHERE) this.#set(this.#stocks.length, stock);
    const top = stock.packing.topLevel;
    if (stock.top !== top) this.#setTop(stock, top);
    for (let other = this.#before(stock); other !== undefined && fuller(stock, other); other = this.#before(stock)) {
      this.#swap(other, stock);
    }
    for (let other = this.#after(stock); other !== undefined && fuller(other, stock); other = this.#after(stock)) {
      this.#swap(stock, other);
    }
  }

  /** First to last, for the self-check. */
  [Symbol.iterator](): Iterator<Stock> {
    return this.#stocks.values();
  }

  #remove(stock: Stock): void {
    for (let other = this.#after(stock); other !== undefined; other = this.#after(stock)) this.#swap(stock, other);
    this.#stocks.pop();
    stock.position = NOWHERE;
    this.#setTop(stock, NOWHERE);
  }

  #setTop(stock: Stock, top: number): void {
    const before = stock.top;
    stock.top = top;
    if (before !== NOWHERE) this.#count(before, -1);
    if (top !== NOWHERE) this.#count(top, 1);
  }

  #count(level: number, by: 1 | -1): void {
    const stocks = (this.#tops[level] ?? 0) + by;
    this.#tops[level] = stocks;
    if (stocks === 0) this.#occupied &= ~(1 << level);
    else this.#occupied |= 1 << level;
  }

  #before(stock: Stock): Stock | undefined {
    return stock.position === 0 ? undefined : this.#stocks[stock.position - 1];
  }

  #after(stock: Stock): Stock | undefined {
    return this.#stocks[stock.position + 1];
  }

  #swap(left: Stock, right: Stock): void {
    const position = left.position;
    this.#set(right.position, left);
    this.#set(position, right);
  }

  #set(position: number, stock: Stock): void {
    this.#stocks[position] = stock;
    stock.position = position;
  }
}

/** Does `left` come before `right`? */
export function fuller(left: Stock, right: Stock): boolean {
  const leftLeased = left.carrier.leased;
  const rightLeased = right.carrier.leased;
  if (leftLeased !== rightLeased) return leftLeased > rightLeased;
  if (left.offered !== right.offered) return left.offered < right.offered;
  return comesBefore(left.carrier, right.carrier);
}

/** By index; among equals by id. */
export function comesBefore(left: Carrier, right: Carrier): boolean {
  const [a, b] = [left.interface, right.interface];
  return a.index === b.index ? a.id < b.id : a.index < b.index;
}
