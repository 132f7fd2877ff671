import type { AddressBlock } from "./address-block.ts";
import type { Carrier } from "./carrier.ts";
import type { FillingOrder } from "./filling-order.ts";
import { NOWHERE, Packing } from "./packing.ts";
import { LEASED, type StateCode, Tally } from "./tally.ts";

/** Whom a block is for. Absent = as before. */
export interface Offer {
  readonly allowed?: boolean;
  readonly kept?: boolean;
}

/** The blocks of one family on one interface, with their counters and their packing. */
export class Stock {
  readonly carrier: Carrier;
  /** In the order in which they were added. */
  readonly blocks = new Set<AddressBlock>();
  readonly packing = new Packing();
  /** Addresses of all the blocks. */
  readonly tally = new Tally();
  /** Of these, the addresses of blocks that are not usable. */
  readonly denied = new Tally();
  /** Place in the FillingOrder of the family, which alone writes these two. */
  position = NOWHERE;
  /** Level of the block to lease from, as far as the order knows. */
  top = NOWHERE;

  readonly #order: FillingOrder;

  constructor(carrier: Carrier, order: FillingOrder) {
    this.carrier = carrier;
    this.#order = order;
  }

  /** Addresses that a pod could get of it now. */
  get offered(): number {
    return this.carrier.interface.usable ? this.tally.free - this.denied.free : 0;
  }

  attach(block: AddressBlock): void {
    this.blocks.add(block);
    this.tally.add(block.tally);
    this.#changed(block);
  }

  detach(block: AddressBlock): void {
    this.blocks.delete(block);
    this.tally.add(block.tally, -1);
    if (!block.usable) this.denied.add(block.tally, -1);
    this.packing.remove(block);
    this.reorder();
  }

  /** Answers whether that changes anything. */
  offer(block: AddressBlock, { allowed = block.allowed, kept = block.kept }: Offer): boolean {
    if (block.allowed === allowed && block.kept === kept) return false;
    block.allowed = allowed;
    block.kept = kept;
    const usable = allowed && !kept;
    if (block.usable === usable) return true;
    block.usable = usable;
    this.denied.add(block.tally, usable ? -1 : 1);
    this.#changed(block);
    return true;
  }

  addressMoved(block: AddressBlock, from: StateCode, to: StateCode, toFront: boolean): void {
    const { carrier } = this;
    this.tally.move(from, to);
    if (to === LEASED) carrier.leased++;
    else if (from === LEASED) carrier.leased--;
    if (!block.usable) this.denied.move(from, to);
    this.#changed(block, toFront);
    // Leases of one family count in the order of the other.
    const other = this === carrier.ipv4 ? carrier.ipv6 : carrier.ipv4;
    if (other.position !== NOWHERE) other.reorder();
  }

  releasingMoved(block: AddressBlock, count: number): void {
    this.tally.moveReleasing(count);
    if (!block.usable) this.denied.moveReleasing(count);
    this.#changed(block);
  }

  /** To be called after each change of the interface. */
  reorder(): void {
    this.#order.place(this);
  }

  #changed(block: AddressBlock, toFront = false): void {
    this.packing.place(block, toFront);
    this.#order.place(this);
  }
}
