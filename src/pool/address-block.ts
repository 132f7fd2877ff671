import type { ParsedBlock } from "./block-rules.ts";
import { FreeQueue } from "./free-queue.ts";
import { formatAddress, type Range } from "./ipv4.ts";
import { formatIpv6Address, type Ipv6Range } from "./ipv6.ts";
import { NOWHERE } from "./packing.ts";
import type { Offer, Stock } from "./stock.ts";
import { COOLING, FREE, LEASED, RESERVED, type StateCode, Tally } from "./tally.ts";
import type { AddressState, Block, BlockCounts } from "./types.ts";

/**
 * A block with the state of each of its addresses. An address is its offset from the first one. A block of one address
 * (there are hundreds on a node) has no arrays: its counters tell its state.
 */
export class AddressBlock {
  readonly block: Block;
  readonly range: Range | Ipv6Range;
  /** The integer of its first address; the others follow. Of IPv4 the address itself (ipv4.ts, ipv6-blocks.ts). */
  readonly base: number;
  /** How many addresses have an integer: of IPv4 all, of IPv6 the window. */
  readonly size: number;
  readonly stock: Stock;
  readonly tally = new Tally();
  /** Its stock alone writes these three. False: its leases stay, but no pod gets an address of it. */
  usable = true;
  /** What was said of it, whether it is kept or not. */
  allowed = true;
  /** It waits for one pod and is for no other. */
  kept = false;
  /** True: it goes back to the cloud, whole. No address of it is leased or cooling then. */
  releasing = false;

  /** Place in the stock's Packing, which alone writes these three. */
  level = NOWHERE;
  next: AddressBlock | undefined = undefined;
  previous: AddressBlock | undefined = undefined;

  /** Offsets that no pod gets anew, 1 each; one that is leased or cools keeps that state until it ends. */
  #withheld: Uint8Array | undefined;
  readonly #states: Uint8Array | undefined;
  readonly #queue: FreeQueue | undefined;
  readonly #ipv6Text: { readonly head: string; readonly firstTail: number } | undefined;

  constructor(block: Block, { range, size, reservedOffsets }: ParsedBlock, base: number, stock: Stock) {
    this.block = block;
    this.range = range;
    this.base = base;
    this.size = size;
    this.stock = stock;
    this.#ipv6Text = range.family === "ipv6" ? splitText(range) : undefined;
    this.tally.free = size - reservedOffsets.size;
    // What is reserved of a node CIDR changes, also of one of a single address.
    if (size === 1 && block.kind !== "node-cidr") return;
    this.#states = new Uint8Array(size);
    this.#queue = new FreeQueue(size);
    for (let offset = 0; offset < size; offset++) {
      if (reservedOffsets.has(offset)) this.#states[offset] = RESERVED;
      else this.#queue.append(offset);
    }
  }

  /** May a pod get an address of this block now? */
  get offered(): boolean {
    return this.usable && !this.releasing && this.tally.free > 0;
  }

  get inUse(): boolean {
    return this.tally.leased + this.tally.cooling > 0;
  }

  get counts(): BlockCounts {
    const { block, usable, kept, tally } = this;
    const { free, leased, cooling, releasing } = tally;
    const counts = { block, usable, total: tally.total, free, leased, cooling, releasing };
    return kept ? { ...counts, kept } : counts;
  }

  /** Is every address of it free? */
  get whole(): boolean {
    return this.tally.free === this.tally.total;
  }

  /** The offset that is free the longest. Only while an address is free. */
  get longestFree(): number {
    return this.#queue === undefined ? 0 : this.#queue.first;
  }

  /** Canonical text of an address. */
  text(offset: number): string {
    if (this.#ipv6Text === undefined) return formatAddress((this.base + offset) | 0);
    const { head, firstTail } = this.#ipv6Text;
    if (offset === 0) return this.block.cidr.slice(0, this.block.cidr.indexOf("/"));
    return head + (firstTail + offset).toString(16);
  }

  /** Undefined for a reserved address. */
  state(offset: number): AddressState | undefined {
    const code = this.#code(offset);
    if (code === LEASED) return "leased";
    if (code === COOLING) return "cooling";
    if (code === RESERVED) return undefined;
    return this.releasing ? "releasing" : "free";
  }

  /**
   * May a lease or a cooling time of earlier be entered for the address? Also for the first one of an IPv6 block: the VPC
   * CNI gives it to a pod, and a pod that is taken over keeps its address. So does a pod whose address was withheld later.
   */
  restorable(offset: number): boolean {
    return (
      this.state(offset) === "free" || (!this.releasing && this.#isWithheld(offset) && this.#code(offset) === RESERVED)
    );
  }

  /** These offsets, and no others, are for no pod from now on. Of a node CIDR, which alone is never released. */
  reserve(offsets: ReadonlySet<number>): void {
    const states = this.#states;
    const queue = this.#queue;
    if (states === undefined || queue === undefined) return;
    this.#withheld ??= new Uint8Array(this.size);
    for (let offset = 0; offset < this.size; offset++) {
      const isWithheld = offsets.has(offset);
      this.#withheld[offset] = isWithheld ? 1 : 0;
      const code = states[offset];
      if (isWithheld && code === FREE) {
        queue.remove(offset);
        this.#enter(offset, FREE, RESERVED);
      } else if (!isWithheld && code === RESERVED && !this.#isAnycast(offset)) {
        queue.append(offset);
        this.#enter(offset, RESERVED, FREE);
      }
    }
  }

  /**
   * The one place where an address changes its state, so that queue and counters follow. A freed address goes to the end
   * of the queue, unless `toFront`.
   */
  change(offset: number, from: StateCode, to: StateCode, toFront = false): void {
    if (this.#states !== undefined && this.#queue !== undefined) {
      // Nobody gets what is withheld anew, so where others are free it is reserved.
      if (this.#isWithheld(offset)) {
        this.#enter(offset, from === FREE ? RESERVED : from, to === FREE ? RESERVED : to);
        return;
      }
      this.#states[offset] = to;
      if (from === FREE) this.#queue.remove(offset);
      if (to === FREE && toFront) this.#queue.prepend(offset);
      else if (to === FREE) this.#queue.append(offset);
    }
    this.tally.move(from, to);
    this.stock.addressMoved(this, from, to, toFront);
  }

  /** Answers whether that changes anything. */
  offer(to: Offer): boolean {
    return this.stock.offer(this, to);
  }

  setReleasing(releasing: boolean): void {
    if (this.releasing === releasing) return;
    const { free, releasing: held } = this.tally;
    this.releasing = releasing;
    this.tally.moveReleasing(releasing ? free : -held);
    this.stock.releasingMoved(this, releasing ? free : -held);
  }

  /** Whether its counters and its queue say what its states say: all of it in one pass, for the self-check. */
  addsUp(): boolean {
    const states = this.#states;
    if (states === undefined || this.#queue === undefined) return false;
    let [free, leased, cooling] = [0, 0, 0];
    for (let offset = 0; offset < states.length; offset++) {
      const code = states[offset];
      if (code === FREE) free++;
      else if (code === LEASED) leased++;
      else if (code === COOLING) cooling++;
    }
    const { tally, releasing } = this;
    if (tally.leased !== leased || tally.cooling !== cooling) return false;
    if (tally.free !== (releasing ? 0 : free) || tally.releasing !== (releasing ? free : 0)) return false;
    return this.#queue.isMadeOf(states, FREE, free);
  }

  /** Offsets in the order of the free queue, for the self-check. */
  *freeOrder(): Iterable<number> {
    if (this.#queue !== undefined) yield* this.#queue;
    else if (this.tally.free + this.tally.releasing === 1) yield 0;
  }

  #isAnycast(offset: number): boolean {
    return offset === 0 && this.#ipv6Text !== undefined;
  }

  #isWithheld(offset: number): boolean {
    return this.#isAnycast(offset) || this.#withheld?.[offset] === 1;
  }

  #enter(offset: number, from: StateCode, to: StateCode): void {
    if (this.#states !== undefined) this.#states[offset] = to;
    this.tally.move(from, to);
    this.stock.addressMoved(this, from, to, false);
  }

  #code(offset: number): number {
    if (this.#states !== undefined) return this.#states[offset] ?? RESERVED;
    if (this.tally.leased === 1) return LEASED;
    return this.tally.cooling === 1 ? COOLING : FREE;
  }
}

/**
 * What the texts of all addresses in the window but the first begin with, and the last group that offsets are added to.
 * They differ in the last group only, which is 0 for none of them, so the same zeros are shortened in all.
 */
function splitText({ base }: Ipv6Range): { head: string; firstTail: number } {
  const second = formatIpv6Address(base + 1n);
  return { head: second.slice(0, second.lastIndexOf(":") + 1), firstTail: Number(base & 0xffffn) };
}
