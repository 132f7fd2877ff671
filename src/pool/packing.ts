import type { AddressBlock } from "./address-block.ts";

/**
 * Which block of an interface the next lease comes from: the fullest, so that others can be emptied and given back.
 * Blocks with something to offer stand in queues by how full they are:
 *
 *     0       blocks of several addresses, none leased (they could go back whole)
 *     1       single addresses, in the order in which they became free
 *     2..17   blocks of several addresses by sixteenths leased; of a prefix, that is the number leased
 *
 * Finding and moving a block cost the same however many there are.
 */
export class Packing {
  readonly #firsts: (AddressBlock | undefined)[] = new Array(LEVELS).fill(undefined);
  readonly #lasts: (AddressBlock | undefined)[] = new Array(LEVELS).fill(undefined);
  /** Bit n is set while queue n is not empty. */
  #occupied = 0;

  /** The block to lease from. Undefined if none has anything to offer. */
  fullest(): AddressBlock | undefined {
    return this.#occupied === 0 ? undefined : this.#firsts[31 - Math.clz32(this.#occupied)];
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

const LEVELS = 18;
const NOWHERE = -1;

/** Where a block that offers something stands. */
export function levelOf(block: AddressBlock): number {
  const { size } = block.range;
  if (size === 1) return 1;
  const { leased } = block.tally;
  return leased === 0 ? 0 : 1 + Math.ceil((16 * leased) / size);
}
