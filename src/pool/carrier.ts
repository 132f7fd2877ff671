import type { FillingOrder } from "./filling-order.ts";
import { Stock } from "./stock.ts";
import type { Family, InterfaceCounts, PoolInterface } from "./types.ts";

/** An interface with its blocks of both families. */
export class Carrier {
  readonly ipv4: Stock;
  readonly ipv6: Stock;
  /**
   * Addresses of both families that are leased: an interface can be given up once none of either is. Only its stocks
   * write it.
   */
  leased = 0;
  #interface: PoolInterface;

  constructor(poolInterface: PoolInterface, orders: Readonly<Record<Family, FillingOrder>>) {
    this.#interface = poolInterface;
    this.ipv4 = new Stock(this, orders.ipv4);
    this.ipv6 = new Stock(this, orders.ipv6);
  }

  get interface(): PoolInterface {
    return this.#interface;
  }

  set interface(poolInterface: PoolInterface) {
    this.#interface = poolInterface;
    this.ipv4.reorder();
    this.ipv6.reorder();
  }

  /** Addresses of both families that are leased or cooling. */
  get inUse(): number {
    return this.leased + this.ipv4.tally.cooling + this.ipv6.tally.cooling;
  }

  get blocks(): number {
    return this.ipv4.blocks.size + this.ipv6.blocks.size;
  }

  counts(family: Family): InterfaceCounts {
    const { id, index, usable } = this.#interface;
    const { blocks, tally } = this[family];
    return { id, index, usable, blocks: blocks.size, ...tally.counts() };
  }
}
