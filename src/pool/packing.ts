import type { AddressBlock } from "./address-block.ts";

/**
 * Which block of an interface the next lease comes from. Prefixes are what the cloud takes back whole, so they are kept
 * whole: one that pods are on already is filled up, and one that few are on gets no more while others have room, so that
 * it becomes empty as its pods go. Single addresses can be given back one by one and cost nothing to fill. Blocks with
 * something to offer stand in queues by level:
 *
 *     0       blocks of several addresses, each of them free (they could go back whole)
 *     1       the same with none leased, but some cooling (they will be able to)
 *     2..3    nearly empty: one or two sixteenths leased; of a prefix, that is the number leased
 *     4       single addresses, in the order in which they became free
 *     5..18   three to sixteen sixteenths leased
 *
 * The highest level is leased from first, in each level the block that came to it first. Finding and moving a block cost
 * the same however many there are.
 */
export class Packing {
  readonly #firsts: (AddressBlock | undefined)[] = new Array(LEVELS).fill(undefined);
  readonly #lasts: (AddressBlock | undefined)[] = new Array(LEVELS).fill(undefined);
  /** Bit n is set while queue n is not empty. */
  #occupied = 0;

  /** The level of the block to lease from; -1 if none has anything to offer. */
  get topLevel(): number {
    return 31 - Math.clz32(this.#occupied);
  }

  /** The block to lease from. Undefined if none has anything to offer. */
  fullest(): AddressBlock | undefined {
    return this.#firsts[this.topLevel];
  }

  /** Puts the block where it belongs now; to be called after each change of it. */
  place(block: AddressBlock, toFront = false): void {
    const level = block.offered ? levelOf(block) : NOWHERE;
    if (level === block.level) return;
    this.remove(block);
    if (level === NOWHERE) return;
    if (toFront) this.#prepend(block, level);
    else this.#append(block, level);
    block.level = level;
    this.#occupied |= 1 << level;
  }

  remove(block: AddressBlock): void {
    const { level, next, previous } = block;
    if (level === NOWHERE) return;
    if (previous === undefined) this.#firsts[level] = next;
    else previous.next = next;
    if (next === undefined) this.#lasts[level] = previous;
    else next.previous = previous;
    if (this.#firsts[level] === undefined) this.#occupied &= ~(1 << level);
    block.level = NOWHERE;
    block.next = undefined;
    block.previous = undefined;
  }

  /** Blocks at their levels, for the self-check. */
  *[Symbol.iterator](): Iterator<{ level: number; block: AddressBlock }> {
    for (let level = 0; level < LEVELS; level++) {
      for (let block = this.#firsts[level]; block !== undefined; block = block.next) yield { level, block };
    }
  }

  #append(block: AddressBlock, level: number): void {
    const last = this.#lasts[level];
    block.previous = last;
    if (last === undefined) this.#firsts[level] = block;
    else last.next = block;
    this.#lasts[level] = block;
  }

  #prepend(block: AddressBlock, level: number): void {
    const first = this.#firsts[level];
    block.next = first;
    if (first === undefined) this.#lasts[level] = block;
    else first.previous = block;
    this.#firsts[level] = block;
  }
}

const SINGLE_ADDRESSES = 4;
export const LEVELS = 19;
/** The level of a block, and the place of a stock, that has nothing to offer. */
export const NOWHERE = -1;

/** Where a block that offers something stands. */
export function levelOf(block: AddressBlock): number {
  const { size } = block;
  if (size === 1) return SINGLE_ADDRESSES;
  const { leased, cooling } = block.tally;
  if (leased === 0) return cooling === 0 ? 0 : 1;
  const sixteenths = Math.ceil((16 * leased) / size);
  return sixteenths <= 2 ? sixteenths + 1 : sixteenths + 2;
}
