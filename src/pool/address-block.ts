import type { Carrier } from "./carrier.ts";
import { FreeQueue } from "./free-queue.ts";
import type { Range } from "./ipv4.ts";
import { COOLING, FREE, LEASED, RESERVED, type StateCode, Tally } from "./tally.ts";
import type { AddressState, Block } from "./types.ts";

/**
 * A block with the state of each of its addresses. An address is its offset from the first one. A block of one address
 * (there are hundreds on a node) has no arrays: its counters tell its state.
 */
export class AddressBlock {
  readonly block: Block;
  readonly range: Range;
  readonly carrier: Carrier;
  readonly tally = new Tally();
  /** False: its leases stay, but no pod gets an address of it. */
  usable = true;
  /** True: it goes back to the cloud, whole. No address of it is leased or cooling then. */
  releasing = false;

  /** Place in the carrier's Packing, which alone writes these three. */
  level = -1;
  next: AddressBlock | undefined = undefined;
  previous: AddressBlock | undefined = undefined;

  readonly #states: Uint8Array | undefined;
  readonly #queue: FreeQueue | undefined;

  constructor(block: Block, range: Range, carrier: Carrier, reservedOffsets: ReadonlySet<number>) {
    this.block = block;
    this.range = range;
    this.carrier = carrier;
    this.tally.free = range.size - reservedOffsets.size;
    if (range.size === 1) return;
    this.#states = new Uint8Array(range.size);
    this.#queue = new FreeQueue(range.size);
    for (let offset = 0; offset < range.size; offset++) {
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

  /** The offset that is free the longest. Only while an address is free. */
  get longestFree(): number {
    return this.#queue === undefined ? 0 : this.#queue.first;
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
   * The one place where an address changes its state, so that queue and counters follow. A freed address goes to the end
   * of the queue, unless `toFront`.
   */
  change(offset: number, from: StateCode, to: StateCode, toFront = false): void {
    if (this.#states !== undefined && this.#queue !== undefined) {
      this.#states[offset] = to;
      if (from === FREE) this.#queue.remove(offset);
      if (to === FREE && toFront) this.#queue.prepend(offset);
      else if (to === FREE) this.#queue.append(offset);
    }
    this.tally.move(from, to);
    this.carrier.addressMoved(this, from, to, toFront);
  }

  setReleasing(releasing: boolean): void {
    if (this.releasing === releasing) return;
    const { free, releasing: held } = this.tally;
    this.releasing = releasing;
    this.tally.moveReleasing(releasing ? free : -held);
    this.carrier.releasingMoved(this, releasing ? free : -held);
  }

  /** Offsets in the order of the free queue, for the self-check. */
  *freeOrder(): Iterable<number> {
    if (this.#queue !== undefined) yield* this.#queue;
    else if (this.tally.free + this.tally.releasing === 1) yield 0;
  }

  #code(offset: number): number {
    if (this.#states !== undefined) return this.#states[offset] ?? RESERVED;
    if (this.tally.leased === 1) return LEASED;
    return this.tally.cooling === 1 ? COOLING : FREE;
  }
}
