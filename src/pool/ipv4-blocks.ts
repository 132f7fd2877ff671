import type { AddressBlock } from "./address-block.ts";
import { maskOf, type Range } from "./ipv4.ts";

/**
 * The IPv4 blocks of the pool: one map per prefix length, of which a node has one to three (addresses, prefixes, node
 * CIDRs).
 */
export class Ipv4Blocks {
  #lengths: { readonly prefixLength: number; readonly mask: number; readonly blocks: Map<number, AddressBlock> }[] = [];

  find(address: number): AddressBlock | undefined {
    for (const { mask, blocks } of this.#lengths) {
      const block = blocks.get(address & mask);
      if (block !== undefined) return block;
    }
    return undefined;
  }

  /** A block that shares an address with the range. */
  overlapping(range: Range): AddressBlock | undefined {
    const containing = this.find(range.base);
    if (containing !== undefined) return containing;
    const mask = maskOf(range.prefixLength);
    for (const { prefixLength, blocks } of this.#lengths) {
      if (prefixLength <= range.prefixLength) continue;
      for (const [base, block] of blocks) if ((base & mask) === range.base) return block;
    }
    return undefined;
  }

  add(block: AddressBlock, { prefixLength, base }: Range): void {
    let entry = this.#lengths.find((length) => length.prefixLength === prefixLength);
    if (entry === undefined) {
      entry = { prefixLength, mask: maskOf(prefixLength), blocks: new Map() };
      this.#lengths.push(entry);
    }
    entry.blocks.set(base, block);
  }

  remove({ prefixLength, base }: Range): void {
    const entry = this.#lengths.find((length) => length.prefixLength === prefixLength);
    entry?.blocks.delete(base);
    if (entry?.blocks.size === 0) this.#lengths = this.#lengths.filter((length) => length !== entry);
  }
}
