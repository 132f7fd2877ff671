import type { AddressBlock } from "./address-block.ts";
import { familyOf } from "./family.ts";
import { isMulticast, parseAddress, type Range } from "./ipv4.ts";
import { Ipv4Blocks } from "./ipv4-blocks.ts";
import { type Ipv6Range, parseIpv6Address } from "./ipv6.ts";
import { Ipv6Blocks } from "./ipv6-blocks.ts";

/** Where an address is. */
export interface Place {
  readonly block: AddressBlock;
  /** Of the address in the block; for IPv6 less than the block's size only if the window holds it. */
  readonly offset: number;
  /** The integer that the pool knows it by. */
  readonly address: number;
}

/** Finds the block of an address, of both families. */
export class BlockIndex {
  readonly #ipv4 = new Ipv4Blocks();
  readonly #ipv6 = new Ipv6Blocks();

  /** The integer of the first address of a range that is to become a block. Throws `too-many-blocks`. */
  firstOf(range: Range | Ipv6Range): number {
    return range.family === "ipv4" ? range.base : this.#ipv6.freeWindow();
  }

  /** By the integer of an address. */
  at(address: number): AddressBlock | undefined {
    return isMulticast(address) ? this.#ipv6.at(address) : this.#ipv4.find(address);
  }

  /** By text. Undefined unless it is the canonical text of an address that the pool lends, or reserves. */
  place(text: string): Place | undefined {
    if (familyOf(text) === "ipv4") {
      const address = parseAddress(text);
      const block = address === undefined ? undefined : this.#ipv4.find(address);
      if (address === undefined || block === undefined) return undefined;
      return { block, offset: address - block.base, address };
    }
    const address = parseIpv6Address(text);
    const block = address === undefined ? undefined : this.#ipv6.find(address);
    if (address === undefined || block?.range.family !== "ipv6") return undefined;
    const offset = Number(address - block.range.base);
    if (offset >= block.size) return undefined;
    return { block, offset, address: block.base + offset };
  }

  /** A block that shares an address with the range. */
  overlapping(range: Range | Ipv6Range): AddressBlock | undefined {
    return range.family === "ipv4" ? this.#ipv4.overlapping(range) : this.#ipv6.overlapping(range);
  }

  add(block: AddressBlock): void {
    const { range } = block;
    if (range.family === "ipv4") this.#ipv4.add(block, range);
    else this.#ipv6.add(block, range);
  }

  remove(block: AddressBlock): void {
    const { range } = block;
    if (range.family === "ipv4") this.#ipv4.remove(range);
    else this.#ipv6.remove(block, range);
  }
}
