import type { AddressBlock } from "./address-block.ts";
import type { FillingOrder } from "./filling-order.ts";
import { Packing } from "./packing.ts";
import { type StateCode, Tally } from "./tally.ts";
import type { InterfaceCounts, PoolInterface } from "./types.ts";

/** An interface with the counters and the packing of its blocks. */
export class Carrier {
  readonly packing = new Packing();
  /** Addresses of all its blocks. */
  readonly tally = new Tally();
  /** Of these, the addresses of blocks that are not usable. */
  readonly denied = new Tally();
  blocks = 0;
  /** Place in the FillingOrder, which alone writes it. */
  position = -1;
  #interface: PoolInterface;
  readonly #order: FillingOrder;

  constructor(poolInterface: PoolInterface, order: FillingOrder) {
    this.#interface = poolInterface;
    this.#order = order;
  }

  get interface(): PoolInterface {
    return this.#interface;
  }

  set interface(poolInterface: PoolInterface) {
    this.#interface = poolInterface;
    this.#order.place(this);
  }

  /** Addresses that a pod could get of it now. */
  get offered(): number {
    return this.#interface.usable ? this.tally.free - this.denied.free : 0;
  }

  attach(block: AddressBlock): void {
    this.blocks++;
    this.tally.add(block.tally);
    this.#changed(block);
  }

  detach(block: AddressBlock): void {
    this.blocks--;
    this.tally.add(block.tally, -1);
    if (!block.usable) this.denied.add(block.tally, -1);
    this.packing.remove(block);
    this.#order.place(this);
  }

  setBlockUsable(block: AddressBlock, usable: boolean): void {
    if (block.usable === usable) return;
    block.usable = usable;
    this.denied.add(block.tally, usable ? -1 : 1);
    this.#changed(block);
  }

  addressMoved(block: AddressBlock, from: StateCode, to: StateCode, toFront: boolean): void {
    this.tally.move(from, to);
    if (!block.usable) this.denied.move(from, to);
    this.#changed(block, toFront);
  }

  releasingMoved(block: AddressBlock, count: number): void {
    this.tally.moveReleasing(count);
    if (!block.usable) this.denied.moveReleasing(count);
    this.#changed(block);
  }

  counts(): InterfaceCounts {
    const { id, index, usable } = this.#interface;
    return { id, index, usable, blocks: this.blocks, ...this.tally.counts() };
  }

  #changed(block: AddressBlock, toFront = false): void {
    this.packing.place(block, toFront);
    this.#order.place(this);
  }
}
