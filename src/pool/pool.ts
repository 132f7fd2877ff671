import { AddressBlock } from "./address-block.ts";
import { BlockIndex, type Place } from "./block-index.ts";
import { offsetsOf, parseBlock, sameBlock } from "./block-rules.ts";
import { Carrier } from "./carrier.ts";
import { CoolingQueue } from "./cooling-queue.ts";
import { FillingOrder } from "./filling-order.ts";
import { type Held, LeaseTable } from "./lease-table.ts";
import { PoolError } from "./pool-error.ts";
import { findProblems } from "./problems.ts";
import { refuseInUse, refuseOther, refuseToGiveBack } from "./refusals.ts";
import { restorablePlace } from "./restorable.ts";
import { countsOf, interfaceCountsOf, usableCountsOf, wholeBlocksOf } from "./sums.ts";
import { COOLING, FREE, LEASED } from "./tally.ts";
import type {
  AddressState,
  Attachment,
  Block,
  BlockCounts,
  Cooling,
  Counts,
  Families,
  Family,
  InterfaceCounts,
  Lease,
  LeaseExtras,
  LeaseResult,
  Pod,
  PoolInterface,
  Unavailable,
  WholeBlock,
} from "./types.ts";
import { findWished, NOTHING_WISHED } from "./wishes.ts";

/**
 * All interfaces, blocks, addresses and leases of the node.
 *
 *     free ──── lease ─────────► leased ──── release ───────────► cooling ──── cool ────► free
 *     free ◄─── undoLease ────── leased
 *     free ──── markReleasing ─► releasing ─ removeBlock ───────► gone
 *     free ◄─── unmarkReleasing─ releasing
 *
 * It has one writer, does no I/O and reads no clock: the caller passes wall time. Lease and release cost the same however
 * many addresses there are. A method that cannot do what is asked throws a PoolError and has changed nothing.
 *
 * Blocks are of either family; one lease has an address of one, or of each. An address is given in turn (the one that is
 * free the longest) of the block that should be filled first, so that other blocks and interfaces become empty and can be
 * given back: a prefix or node CIDR that is neither nearly empty nor full, the fullest one of the node; then a single
 * address, of the interface with the most leases; then a nearly empty prefix; last one that is wholly free (packing.ts
 * says why).
 */
export class Pool {
  /** How often something changed: interfaces, blocks and what they are for; and the states of addresses. Never goes back. */
  readonly changes = { blocks: 0, addresses: 0 };
  /** Most leases there may be at once; those that there are stay. */
  mostLeases = Number.POSITIVE_INFINITY;
  readonly #carriers = new Map<string, Carrier>();
  readonly #orders: Readonly<Record<Family, FillingOrder>> = { ipv4: new FillingOrder(), ipv6: new FillingOrder() };
  readonly #blocks = new Map<string, AddressBlock>();
  readonly #index = new BlockIndex();
  readonly #leases = new LeaseTable();
  readonly #cooling = new CoolingQueue();
  readonly #books = { index: this.#index, leases: this.#leases, cooling: this.#cooling };

  // Interfaces and blocks

  /** Adds the interface, or replaces what is known of it; its blocks and leases stay. */
  upsertInterface(poolInterface: PoolInterface): void {
    const carrier = this.#carriers.get(poolInterface.id);
    const { index, usable } = carrier?.interface ?? {};
    if (index === poolInterface.index && usable === poolInterface.usable) return;
    this.changes.blocks++;
    if (carrier === undefined) this.#carriers.set(poolInterface.id, new Carrier(poolInterface, this.#orders));
    else carrier.interface = poolInterface;
  }

  /** False if the interface is unknown. Throws `interface-has-blocks`. */
  removeInterface(id: string): boolean {
    const carrier = this.#carriers.get(id);
    if (carrier === undefined) return false;
    if (carrier.blocks > 0) {
      throw new PoolError("interface-has-blocks", `interface ${id} still has ${carrier.blocks} blocks`);
    }
    this.#carriers.delete(id);
    this.changes.blocks++;
    return true;
  }

  interface(id: string): PoolInterface | undefined {
    return this.#carriers.get(id)?.interface;
  }

  /**
   * Adds a block with all of its addresses free. A pod may get any address of an IPv4 block, the first and the last one
   * too (pod addresses are routed one by one, there is no broadcast), but not the `reserved` ones of a node CIDR. Of an
   * IPv6 block the first 4,096 are lent (fewer if it is smaller), but for the very first. False if the identical block is
   * there already. Throws `unknown-interface`, `not-canonical`, `wrong-size`, `bad-reservation`, `overlap`,
   * `too-many-blocks`.
   */
  addBlock(block: Block): boolean {
    const parsed = parseBlock(block);
    const carrier = this.#carriers.get(block.interfaceId);
    if (carrier === undefined) {
      throw new PoolError("unknown-interface", `block ${block.cidr} is on the unknown interface ${block.interfaceId}`);
    }
    const other = this.#index.overlapping(parsed.range);
    if (other !== undefined) {
      if (sameBlock(other.block, block)) return false;
      const { cidr, interfaceId, kind } = other.block;
      throw new PoolError(
        "overlap",
        `block ${block.cidr} (${block.kind} on ${block.interfaceId}) overlaps ${cidr} (${kind} on ${interfaceId})`,
      );
    }
    const stock = carrier[parsed.range.family];
    const added = new AddressBlock(block, parsed, this.#index.firstOf(parsed.range), stock);
    this.#blocks.set(block.cidr, added);
    this.#index.add(added);
    stock.attach(added);
    this.changes.blocks++;
    return true;
  }

  /** False if the block is unknown. Throws `block-in-use` while an address of it is leased or cooling. */
  removeBlock(cidr: string): boolean {
    const block = this.#blocks.get(cidr);
    if (block === undefined) return false;
    refuseInUse(block, "removed");
    this.#blocks.delete(cidr);
    this.#index.remove(block);
    block.stock.detach(block);
    this.changes.blocks++;
    return true;
  }

  /** A block that is not usable keeps its leases, and no pod gets an address of it. Throws `unknown-block`. */
  setBlockUsable(cidr: string, usable: boolean): void {
    if (this.#known(cidr).offer({ allowed: usable })) this.changes.blocks++;
  }

  /**
   * The block, of a single address, is for one pod alone, which asks for it as `isKept`: no other gets it, it does not cool,
   * is not given back and does not count as usable. Throws `unknown-block`.
   */
  keep(cidr: string, kept: boolean): void {
    if (this.#known(cidr).offer({ kept })) this.changes.blocks++;
  }

  /**
   * No pod gets these addresses and CIDRs of a node CIDR from now on, in place of those that were reserved before; what
   * is outside of the block says nothing. One that is leased or cools stays so, and is nobody's after that. Throws
   * `unknown-block`, `bad-reservation`.
   */
  reserve(cidr: string, reserved: readonly string[]): void {
    const block = this.#known(cidr);
    if (block.block.kind !== "node-cidr") {
      throw new PoolError("bad-reservation", `block ${cidr} of kind ${block.block.kind} cannot reserve addresses`);
    }
    block.reserve(offsetsOf(cidr, block.size, reserved));
    this.changes.blocks++;
  }

  /** All addresses of the blocks go back to the cloud. Throws `unknown-block`, `block-in-use`; then none of them does. */
  markReleasing(cidrs: readonly string[]): void {
    const blocks = cidrs.map((cidr) => this.#known(cidr));
    for (const block of blocks) refuseToGiveBack(block);
    for (const block of blocks) block.setReleasing(true);
    this.changes.blocks += blocks.length;
  }

  /** The blocks stay after all: their addresses are free again. Throws `unknown-block`. */
  unmarkReleasing(cidrs: readonly string[]): void {
    for (const block of cidrs.map((cidr) => this.#known(cidr))) block.setReleasing(false);
    this.changes.blocks += cidrs.length;
  }

  // Leases

  /**
   * The address of the attachment, or for "dual" its address of each family: what it has, whichever that is, or what is
   * free, which is the one wanted where one is. A lease that lacks one of its addresses is not made.
   */
  lease(
    attachment: Attachment,
    pod: Pod,
    nowMs: number,
    families: Families = "ipv4",
    { wanted, sandbox, isKept }: LeaseExtras = {},
  ): LeaseResult {
    const held = this.#leases.of(attachment);
    if (held !== undefined) return { kind: "existing", lease: held.lease };
    const wished = wanted === undefined ? NOTHING_WISHED : findWished(wanted, families, this.#books, isKept);
    if ("why" in wished) return { kind: "unavailable", ...wished };
    const family = families === "ipv6" ? "ipv6" : "ipv4";
    if (this.#leases.size >= this.mostLeases) return { kind: "none", lacks: family };
    const place = wished[family] ?? this.#orders[family].next();
    if (place === undefined) return { kind: "none", lacks: family };
    const ipv6Place = families === "dual" ? (wished.ipv6 ?? this.#orders.ipv6.next()) : undefined;
    if (families === "dual" && ipv6Place === undefined) return { kind: "none", lacks: "ipv6" };
    const lease: Lease = {
      address: place.block.text(place.offset),
      ...(ipv6Place === undefined ? undefined : { ipv6Address: ipv6Place.block.text(ipv6Place.offset) }),
      attachment,
      pod,
      leasedAtMs: nowMs,
      ...(sandbox === undefined ? undefined : { sandbox }),
    };
    this.#hold(lease, place, ipv6Place);
    return { kind: "leased", lease };
  }

  /**
   * Ends the lease; its addresses are free again `coolingMs` from now, at the next `cool`. `cooling` is that of
   * `lease.address`; the IPv6 address of a dual-stack lease cools as long. Undefined if the attachment has none.
   */
  release(attachment: Attachment, nowMs: number, coolingMs: number): { lease: Lease; cooling: Cooling } | undefined {
    const held = this.#leases.of(attachment);
    if (held === undefined) return undefined;
    const untilMs = nowMs + coolingMs;
    this.#drop(held, COOLING);
    if (!held.block.kept) this.#cooling.push(held.address, untilMs);
    if (held.ipv6Place !== undefined) this.#cooling.push(held.ipv6Place.address, untilMs);
    return { lease: held.lease, cooling: { address: held.lease.address, untilMs } };
  }

  /**
   * The attachment's lease is this one from now on: the same addresses, and what else is said of it anew. False if it has
   * no lease of these addresses.
   */
  renewLease(lease: Lease): boolean {
    const held = this.#leases.of(lease.attachment);
    if (held?.lease.address !== lease.address || held.lease.ipv6Address !== lease.ipv6Address) return false;
    held.lease = lease;
    return true;
  }

  /** The lease could not be made durable: no pod has seen its addresses, so they are the next ones to be leased. */
  undoLease(attachment: Attachment): boolean {
    const held = this.#leases.of(attachment);
    if (held === undefined) return false;
    this.#drop(held, FREE, true);
    return true;
  }

  /**
   * Enters a lease that was made earlier, with both of its addresses, also on an interface or block that is not usable.
   * Entering it twice is harmless. Throws `unknown-address`, `address-not-free`, `attachment-leased`.
   */
  restoreLease(lease: Lease): void {
    const held = this.#leases.of(lease.attachment)?.lease;
    if (held !== undefined) {
      refuseOther(lease, held);
      return;
    }
    const { address, ipv6Address } = lease;
    const place = restorablePlace(this.#index, address, ipv6Address === undefined ? undefined : "ipv4");
    const ipv6Place = ipv6Address === undefined ? undefined : restorablePlace(this.#index, ipv6Address, "ipv6");
    this.#hold(lease, place, ipv6Place);
  }

  /** Enters an address that cools since earlier. Throws `unknown-address`, `address-not-free`. */
  restoreCooling(cooling: Cooling): void {
    const { block, offset, address } = restorablePlace(this.#index, cooling.address);
    block.change(offset, FREE, COOLING);
    this.#cooling.push(address, cooling.untilMs);
    this.changes.addresses++;
  }

  /** Frees the addresses whose cooling time has ended, and names them in the order in which it ended. */
  cool(nowMs: number): string[] {
    const freed: string[] = [];
    for (let endMs = this.#cooling.nextEndMs; endMs !== undefined && endMs <= nowMs; endMs = this.#cooling.nextEndMs) {
      const address = this.#cooling.shift();
      // A block of which an address cools is not removed.
      const block = this.#index.at(address);
      if (block === undefined) continue;
      block.change(address - block.base, COOLING, FREE);
      this.changes.addresses++;
      freed.push(block.text(address - block.base));
    }
    return freed;
  }

  /** When the next address becomes free, wall ms; undefined when none cools. */
  nextCoolingEndMs(): number | undefined {
    return this.#cooling.nextEndMs;
  }

  // Questions

  /** The first of the addresses that a pod wants in particular that cannot be leased now, and why. */
  unavailable(wanted: readonly string[], families: Families): { address: string; why: Unavailable } | undefined {
    const wished = findWished(wanted, families, this.#books);
    return "why" in wished ? wished : undefined;
  }

  /** How many leases there are; each has one address, or one of each family. */
  get leaseCount(): number {
    return this.#leases.size;
  }

  leaseOf(attachment: Attachment): Lease | undefined {
    return this.#leases.of(attachment)?.lease;
  }

  /** The lease of which this is one address. */
  leaseAt(address: string): Lease | undefined {
    const place = this.#index.place(address);
    return place === undefined ? undefined : this.#leases.at(place.address)?.lease;
  }

  /** Undefined for an address that is not the pool's, not lent (IPv6) or reserved. */
  stateOf(address: string): AddressState | undefined {
    const place = this.#index.place(address);
    return place?.block.state(place.offset);
  }

  /** Undefined for an address that is not the pool's, or not lent (IPv6). */
  blockOf(address: string): Block | undefined {
    return this.#index.place(address)?.block.block;
  }

  /** The block with this CIDR and its counts. */
  block(cidr: string): BlockCounts | undefined {
    return this.#blocks.get(cidr)?.counts;
  }

  *leases(): Iterable<Lease> {
    for (const held of this.#leases) yield held.lease;
  }

  /** In the order in which they end; the two addresses of one lease one after the other. */
  *coolings(): Iterable<Cooling> {
    for (const { address, untilMs } of this.#cooling) {
      const block = this.#index.at(address);
      if (block !== undefined) yield { address: block.text(address - block.base), untilMs };
    }
  }

  /** Of both families, in the order in which they were added. */
  *blocks(): Iterable<BlockCounts> {
    for (const block of this.#blocks.values()) yield block.counts;
  }

  /** All addresses of the family. */
  counts(family: Family = "ipv4"): Counts {
    return countsOf(this.#carriers.values(), family);
  }

  /** The addresses of usable blocks on usable interfaces: those that count for the watermarks. */
  usableCounts(family: Family = "ipv4"): Counts {
    return usableCountsOf(this.#carriers.values(), family);
  }

  /** Addresses and blocks of the family, by index, among equals by id. */
  interfaceCounts(family: Family = "ipv4"): InterfaceCounts[] {
    return interfaceCountsOf(this.#carriers.values(), family);
  }

  /** Addresses of both families on the interface that are leased or cooling; 0 if the pool does not know it. */
  inUseOn(interfaceId: string): number {
    return this.#carriers.get(interfaceId)?.inUse ?? 0;
  }

  /**
   * The IPv4 blocks on the interface, usable or not, of which every address is free, in the order in which they were
   * added. What goes back already is not among them.
   */
  freeBlocksOn(interfaceId: string): WholeBlock[] {
    const carrier = this.#carriers.get(interfaceId);
    return carrier === undefined ? [] : wholeBlocksOf(carrier.ipv4);
  }

  /** What is wrong inside the pool, a sentence each; empty unless enid has a bug. Looks at every address. */
  problems(): string[] {
    return findProblems({ carriers: this.#carriers, orders: this.#orders, blocks: this.#blocks, ...this.#books });
  }

  #hold(lease: Lease, { block, offset, address }: Place, ipv6Place: Place | undefined): void {
    this.changes.addresses++;
    block.change(offset, FREE, LEASED);
    ipv6Place?.block.change(ipv6Place.offset, FREE, LEASED);
    this.#leases.add({ lease, block, offset, address, ipv6Place, sibling: undefined });
  }

  #drop(held: Held, to: typeof FREE | typeof COOLING, toFront = false): void {
    const { block, offset, ipv6Place } = held;
    this.changes.addresses++;
    this.#leases.remove(held);
    block.change(offset, LEASED, block.kept ? FREE : to, toFront);
    ipv6Place?.block.change(ipv6Place.offset, LEASED, to, toFront);
  }

  #known(cidr: string): AddressBlock {
    const block = this.#blocks.get(cidr);
    if (block === undefined) throw new PoolError("unknown-block", `the pool has no block ${JSON.stringify(cidr)}`);
    return block;
  }
}
