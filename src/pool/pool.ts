import { AddressBlock } from "./address-block.ts";
import { BlockIndex, type Place } from "./block-index.ts";
import { parseBlock, sameBlock } from "./block-rules.ts";
import { Carrier } from "./carrier.ts";
import { CoolingQueue } from "./cooling-queue.ts";
import { familyOf } from "./family.ts";
import { comesBefore, FillingOrder } from "./filling-order.ts";
import { type Held, LeaseTable } from "./lease-table.ts";
import { PoolError } from "./pool-error.ts";
import { findProblems } from "./problems.ts";
import { COOLING, FREE, LEASED, Tally } from "./tally.ts";
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
  LeaseResult,
  Pod,
  PoolInterface,
  WholeBlock,
} from "./types.ts";

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
  readonly #carriers = new Map<string, Carrier>();
  readonly #orders: Readonly<Record<Family, FillingOrder>> = { ipv4: new FillingOrder(), ipv6: new FillingOrder() };
  readonly #blocks = new Map<string, AddressBlock>();
  readonly #index = new BlockIndex();
  readonly #leases = new LeaseTable();
  readonly #cooling = new CoolingQueue();

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
    const block = this.#known(cidr);
    if (block.usable === usable) return;
    this.changes.blocks++;
    block.stock.setBlockUsable(block, usable);
  }

  /** All addresses of the blocks go back to the cloud. Throws `unknown-block`, `block-in-use`; then none of them does. */
  markReleasing(cidrs: readonly string[]): void {
    const blocks = cidrs.map((cidr) => this.#known(cidr));
    for (const block of blocks) refuseInUse(block, "given back");
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
   * The address of the attachment, or for "dual" its address of each family: what it has, whichever families that is, or
   * what is free. A lease that lacks one of two addresses is not made.
   */
  lease(attachment: Attachment, pod: Pod, nowMs: number, families: Families = "ipv4"): LeaseResult {
    const held = this.#leases.of(attachment);
    if (held !== undefined) return { kind: "existing", lease: held.lease };
    const block = families === "ipv6" ? this.#orders.ipv6.next() : this.#orders.ipv4.next();
    if (block === undefined) return { kind: "none", lacks: families === "ipv6" ? "ipv6" : "ipv4" };
    const offset = block.longestFree;
    const address = block.text(offset);
    if (families !== "dual") {
      const lease: Lease = { address, attachment, pod, leasedAtMs: nowMs };
      this.#hold(lease, block, offset, undefined);
      return { kind: "leased", lease };
    }
    const ipv6Block = this.#orders.ipv6.next();
    if (ipv6Block === undefined) return { kind: "none", lacks: "ipv6" };
    const ipv6Offset = ipv6Block.longestFree;
    const ipv6Address = ipv6Block.text(ipv6Offset);
    const lease: Lease = { address, ipv6Address, attachment, pod, leasedAtMs: nowMs };
    this.#hold(lease, block, offset, { block: ipv6Block, offset: ipv6Offset, address: ipv6Block.base + ipv6Offset });
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
    this.#cooling.push(held.address, untilMs);
    if (held.ipv6Place !== undefined) this.#cooling.push(held.ipv6Place.address, untilMs);
    return { lease: held.lease, cooling: { address: held.lease.address, untilMs } };
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
      if (held.address === lease.address && held.ipv6Address === lease.ipv6Address) return;
      const { namespace, name } = lease.pod;
      throw new PoolError(
        "attachment-leased",
        `${addressesOf(lease)} cannot be leased to ${namespace}/${name}, which has ${addressesOf(held)}`,
      );
    }
    const { address, ipv6Address } = lease;
    const { block, offset } = this.#restorablePlace(address, ipv6Address === undefined ? undefined : "ipv4");
    const ipv6Place = ipv6Address === undefined ? undefined : this.#restorablePlace(ipv6Address, "ipv6");
    this.#hold(lease, block, offset, ipv6Place);
  }

  /** Enters an address that cools since earlier. Throws `unknown-address`, `address-not-free`. */
  restoreCooling(cooling: Cooling): void {
    const { block, offset, address } = this.#restorablePlace(cooling.address);
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
    const sum = new Tally();
    for (const carrier of this.#carriers.values()) sum.add(carrier[family].tally);
    return sum.counts();
  }

  /** The addresses of usable blocks on usable interfaces: those that count for the watermarks. */
  usableCounts(family: Family = "ipv4"): Counts {
    const sum = new Tally();
    for (const carrier of this.#carriers.values()) {
      if (!carrier.interface.usable) continue;
      sum.add(carrier[family].tally);
      sum.add(carrier[family].denied, -1);
    }
    return sum.counts();
  }

  /** Addresses and blocks of the family, by index, among equals by id. */
  interfaceCounts(family: Family = "ipv4"): InterfaceCounts[] {
    const carriers = [...this.#carriers.values()].sort((left, right) => (comesBefore(left, right) ? -1 : 1));
    return carriers.map((carrier) => carrier.counts(family));
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
    const free: WholeBlock[] = [];
    for (const { whole, block } of this.#carriers.get(interfaceId)?.ipv4.blocks ?? []) {
      const { cidr, kind, found } = block;
      if (whole) free.push(found === true ? { cidr, kind, found } : { cidr, kind });
    }
    return free;
  }

  /** What is wrong inside the pool, a sentence each; empty unless enid has a bug. Looks at every address. */
  problems(): string[] {
    return findProblems({
      carriers: [...this.#carriers.values()],
      orders: { ipv4: [...this.#orders.ipv4], ipv6: [...this.#orders.ipv6] },
      blocks: [...this.#blocks.values()],
      index: this.#index,
      leases: this.#leases,
      cooling: [...this.#cooling],
    });
  }

  #hold(lease: Lease, block: AddressBlock, offset: number, ipv6Place: Place | undefined): void {
    this.changes.addresses++;
    block.change(offset, FREE, LEASED);
    ipv6Place?.block.change(ipv6Place.offset, FREE, LEASED);
    const address = (block.base + offset) | 0;
    this.#leases.add({ lease, block, offset, address, ipv6Place, sibling: undefined });
  }

  #drop(held: Held, to: typeof FREE | typeof COOLING, toFront = false): void {
    const { block, offset, ipv6Place } = held;
    this.changes.addresses++;
    this.#leases.remove(held);
    block.change(offset, LEASED, to, toFront);
    ipv6Place?.block.change(ipv6Place.offset, LEASED, to, toFront);
  }

  #known(cidr: string): AddressBlock {
    const block = this.#blocks.get(cidr);
    if (block === undefined) throw new PoolError("unknown-block", `the pool has no block ${JSON.stringify(cidr)}`);
    return block;
  }

  #restorablePlace(text: string, family?: Family): Place {
    const place = this.#index.place(text);
    if (place === undefined) {
      throw new PoolError("unknown-address", `no block of the pool lends ${JSON.stringify(text)}`);
    }
    if (family !== undefined && familyOf(text) !== family) {
      throw new PoolError(
        "unknown-address",
        `${text} stands where the ${FAMILY_NAMES[family]} address of a lease should`,
      );
    }
    if (!place.block.restorable(place.offset)) {
      const state = place.block.state(place.offset) ?? "reserved";
      throw new PoolError("address-not-free", `address ${text} is ${state}`);
    }
    return place;
  }
}

const FAMILY_NAMES = { ipv4: "IPv4", ipv6: "IPv6" } as const satisfies Record<Family, string>;

function addressesOf({ address, ipv6Address }: Lease): string {
  return ipv6Address === undefined ? address : `${address} and ${ipv6Address}`;
}

function refuseInUse(block: AddressBlock, what: string): void {
  if (!block.inUse) return;
  const { leased, cooling } = block.tally;
  throw new PoolError(
    "block-in-use",
    `block ${block.block.cidr} cannot be ${what}: ${leased} of its addresses are leased, ${cooling} cooling`,
  );
}
