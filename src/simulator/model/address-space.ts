/** The IPv4 addresses of one subnet: who holds which, and a map of the free ones that is searched a /28 at a time. */
import { contains, overlaps, type Range } from "./ipv4.ts";
import type { Holder } from "./records.ts";

const BLOCK_SIZE = 16;
const FULL_BLOCK = 0xffff;
/** The first four addresses of a subnet and its last one are AWS's. */
const RESERVED_AT_START = 4;
const RESERVED = RESERVED_AT_START + 1;

export class AddressSpace {
  readonly #range: Range;
  readonly #holders = new Map<number, Holder>();
  /** A bit per address that is held or AWS's; subnets are between /16 and /28, so all blocks are whole. */
  readonly #blocks: Uint16Array;
  #usedByOthers = 0;

  constructor(range: Range) {
    this.#range = range;
    this.#blocks = new Uint16Array(range.size / BLOCK_SIZE);
    for (let offset = 0; offset < RESERVED_AT_START; offset += 1) this.#mark(range.first + offset);
    this.#mark(range.first + range.size - 1);
  }

  /** In the order in which they were taken. Addresses that AWS reserves are not in it. */
  get holders(): ReadonlyMap<number, Holder> {
    return this.#holders;
  }

  get freeCount(): number {
    return this.#range.size - RESERVED - this.#holders.size;
  }

  /** How many are held by something outside the model. */
  get usedByOthers(): number {
    return this.#usedByOthers;
  }

  take(addresses: Iterable<number>, holder: Holder): void {
    for (const address of addresses) {
      if (this.#holders.get(address)?.role === "other") this.#usedByOthers -= 1;
      if (holder.role === "other") this.#usedByOthers += 1;
      this.#holders.set(address, holder);
      this.#mark(address);
    }
  }

  give(addresses: Iterable<number>): void {
    for (const address of addresses) {
      if (this.#holders.get(address)?.role === "other") this.#usedByOthers -= 1;
      if (!this.#holders.delete(address)) continue;
      const offset = address - this.#range.first;
      this.#blocks[offset >>> 4] = this.#block(offset >>> 4) & ~(1 << (offset & 15));
    }
  }

  isFree(address: number): boolean {
    const offset = address - this.#range.first;
    return (this.#block(offset >>> 4) & (1 << (offset & 15))) === 0;
  }

  /** The aligned /28s of which nothing is held or AWS's, from the address `start` on, around the end, by first address. */
  *freeBlocks(start: number): Iterable<number> {
    const startBlock = (start - this.#range.first) >>> 4;
    for (let at = this.#blocks.indexOf(0, startBlock); at !== -1; at = this.#blocks.indexOf(0, at + 1)) {
      yield this.#range.first + at * BLOCK_SIZE;
    }
    for (let at = this.#blocks.indexOf(0); at !== -1 && at < startBlock; at = this.#blocks.indexOf(0, at + 1)) {
      yield this.#range.first + at * BLOCK_SIZE;
    }
  }

  /** Free addresses inside the range, which lies in the subnet. */
  freeWithin(range: Range): number {
    let free = 0;
    const end = range.first + range.size - this.#range.first;
    for (let offset = range.first - this.#range.first; offset < end; offset += BLOCK_SIZE - (offset & 15)) {
      const below = Math.min(BLOCK_SIZE, (offset & 15) + end - offset);
      const inside = ((1 << below) - 1) & (FULL_BLOCK << (offset & 15));
      free += countBits(inside & ~this.#block(offset >>> 4));
    }
    return free;
  }

  /** The first free address from `start` on (an offset), around the end, that is in no closed range and not refused. */
  nextFree(start: number, closed: readonly Range[], isRefused: (address: number) => boolean): number | undefined {
    const count = this.#blocks.length;
    const startBlock = start >>> 4;
    // The block of the start comes twice: first what is behind the start, at the end what is ahead of it.
    for (let step = 0; step <= count; step += 1) {
      const index = startBlock + step < count ? startBlock + step : startBlock + step - count;
      const held = this.#block(index);
      if (held === FULL_BLOCK) continue;
      const first = this.#range.first + index * BLOCK_SIZE;
      const near = closed.length === 0 ? closed : closed.filter((range) => overlaps(range, blockAt(first)));
      if (near.some((range) => contains(range, blockAt(first)))) continue;
      let free = ~held & FULL_BLOCK & (step === 0 ? FULL_BLOCK << (start & 15) : FULL_BLOCK);
      for (; free !== 0; free &= free - 1) {
        const address = first + 31 - Math.clz32(free & -free);
        const isClosed = near.some((range) => address >= range.first && address < range.first + range.size);
        if (!isClosed && !isRefused(address)) return address;
      }
    }
    return undefined;
  }

  #block(index: number): number {
    return this.#blocks[index] ?? FULL_BLOCK;
  }

  #mark(address: number): void {
    const offset = address - this.#range.first;
    this.#blocks[offset >>> 4] = this.#block(offset >>> 4) | (1 << (offset & 15));
  }
}

function blockAt(first: number): Range {
  return { first, size: BLOCK_SIZE, length: 28 };
}

function countBits(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
