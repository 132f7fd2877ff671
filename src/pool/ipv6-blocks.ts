import type { AddressBlock } from "./address-block.ts";
import { MULTICAST } from "./ipv4.ts";
import { type Ipv6Range, networkOf } from "./ipv6.ts";
import { PoolError } from "./pool-error.ts";

/**
 * How many addresses of an IPv6 block the pool lends: its first ones. A /80 has 2^48, of which no node's pods ever need
 * more.
 */
export const WINDOW_SIZE = 4096;
const WINDOW_BITS = 12;
/** More than any instance takes prefixes; each costs its states and its queue, 36 KiB. */
const MOST_BLOCKS = 4096;

/**
 * The IPv6 blocks of the pool. Queues and tables know an address by a 32-bit integer, so the window of each IPv6 block
 * gets integers that no IPv4 address of a pod has: those of the multicast addresses. A window keeps its integers as long
 * as the block is there, and they mean nothing outside of the pool.
 */
export class Ipv6Blocks {
  /** By number of the window. */
  readonly #windows: (AddressBlock | undefined)[] = [];
  /** By first address, a map per prefix length. */
  #lengths: { readonly prefixLength: number; readonly blocks: Map<bigint, AddressBlock> }[] = [];

  /** The integer of the first address of a window that is no block's. Throws `too-many-blocks`. */
  freeWindow(): number {
    const given = this.#windows.indexOf(undefined);
    const window = given < 0 ? this.#windows.length : given;
    if (window >= MOST_BLOCKS) {
      throw new PoolError("too-many-blocks", `the pool has ${MOST_BLOCKS} IPv6 blocks and takes no more`);
    }
    return MULTICAST | (window << WINDOW_BITS);
  }

  /** By the integer of an address. */
  at(address: number): AddressBlock | undefined {
    return this.#windows[windowOf(address)];
  }

  /** The block whose range holds the address, in its window or not. */
  find(address: bigint): AddressBlock | undefined {
    for (const { prefixLength, blocks } of this.#lengths) {
      const block = blocks.get(networkOf(address, prefixLength));
      if (block !== undefined) return block;
    }
    return undefined;
  }

  /** A block that shares an address with the range, in their windows or not. */
  overlapping(range: Ipv6Range): AddressBlock | undefined {
    const containing = this.find(range.base);
    if (containing !== undefined) return containing;
    for (const { prefixLength, blocks } of this.#lengths) {
      if (prefixLength <= range.prefixLength) continue;
      for (const [base, block] of blocks) if (networkOf(base, range.prefixLength) === range.base) return block;
    }
    return undefined;
  }

  add(block: AddressBlock, { base, prefixLength }: Ipv6Range): void {
    this.#windows[windowOf(block.base)] = block;
    let entry = this.#lengths.find((length) => length.prefixLength === prefixLength);
    if (entry === undefined) {
      entry = { prefixLength, blocks: new Map() };
      this.#lengths.push(entry);
    }
    entry.blocks.set(base, block);
  }

  remove(block: AddressBlock, { base, prefixLength }: Ipv6Range): void {
    this.#windows[windowOf(block.base)] = undefined;
    const entry = this.#lengths.find((length) => length.prefixLength === prefixLength);
    entry?.blocks.delete(base);
    if (entry?.blocks.size === 0) this.#lengths = this.#lengths.filter((length) => length !== entry);
  }
}

function windowOf(address: number): number {
  return (address & ~MULTICAST) >>> WINDOW_BITS;
}
