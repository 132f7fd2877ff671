import { AddressBlock } from "./address-block.ts";
import { BlockIndex } from "./block-index.ts";
import { parseBlock, sameBlock } from "./block-rules.ts";
import { Carrier } from "./carrier.ts";
import { CoolingQueue } from "./cooling-queue.ts";
import { comesBefore, FillingOrder } from "./filling-order.ts";
import { formatAddress, parseAddress } from "./ipv4.ts";
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
  InterfaceCounts,
  Lease,
  LeaseResult,
  Pod,
  PoolInterface,
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
 * many addresses there are. A method that cannot do what is asked throws a PoolError and has changed nothing. An address
 * is given in turn (the one that is free the longest) from the fullest block of the fullest interface, so that other
 * blocks become empty and can be given back.
 */
export class Pool {
  readonly #carriers = new Map<string, Carrier>();
  readonly #order = new FillingOrder();
  readonly #blocks = new Map<string, AddressBlock>();
  readonly #index = new BlockIndex();
  readonly #leases = new LeaseTable();
  readonly #cooling = new CoolingQueue();

  // Interfaces and blocks

  /** Adds the interface, or replaces what is known of it; its blocks and leases stay. */
  upsertInterface(poolInterface: PoolInterface): void {
    const carrier = this.#carriers.get(poolInterface.id);
    if (carrier === undefined) this.#carriers.set(poolInterface.id, new Carrier(poolInterface, this.#order));
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
    return true;
  }

  interface(id: string): PoolInterface | undefined {
    return this.#carriers.get(id)?.interface;
  }

  /**
   * Adds a block with all of its addresses free. A pod may get any address of a block, the first and the last one too
   * (pod addresses are routed one by one, there is no broadcast), but not the `reserved` ones of a node CIDR. False if the
   * identical block is there already. Throws `unknown-interface`, `not-canonical`, `wrong-size`, `bad-reservation`,
   * `overlap`.
   */
  addBlock(block: Block): boolean {
    const { range, reservedOffsets } = parseBlock(block);
    const carrier = this.#carriers.get(block.interfaceId);
    if (carrier === undefined) {
      throw new PoolError("unknown-interface", `block ${block.cidr} is on the unknown interface ${block.interfaceId}`);
    }
    const other = this.#index.overlapping(range);
    if (other !== undefined) {
      if (sameBlock(other.block, block)) return false;
      const { cidr, interfaceId, kind } = other.block;
      throw new PoolError(
        "overlap",
        `block ${block.cidr} (${block.kind} on ${block.interfaceId}) overlaps ${cidr} (${kind} on ${interfaceId})`,
      );
    }
    const added = new AddressBlock(block, range, carrier, reservedOffsets);
    this.#blocks.set(block.cidr, added);
    this.#index.add(added);
    carrier.attach(added);
    return true;
  }

  /** False if the block is unknown. Throws `block-in-use` while an address of it is leased or cooling. */
  removeBlock(cidr: string): boolean {
    const block = this.#blocks.get(cidr);
    if (block === undefined) return false;
    refuseInUse(block, "removed");
    this.#blocks.delete(cidr);
    this.#index.remove(block);
    block.carrier.detach(block);
    return true;
  }

  /** A block that is not usable keeps its leases, and no pod gets an address of it. Throws `unknown-block`. */
  setBlockUsable(cidr: string, usable: boolean): void {
    const block = this.#known(cidr);
    block.carrier.setBlockUsable(block, usable);
  }

  /** All addresses of the blocks go back to the cloud. Throws `unknown-block`, `block-in-use`; then none of them does. */
  markReleasing(cidrs: readonly string[]): void {
    const blocks = cidrs.map((cidr) => this.#known(cidr));
    for (const block of blocks) refuseInUse(block, "given back");
    for (const block of blocks) block.setReleasing(true);
  }

  /** The blocks stay after all: their addresses are free again. Throws `unknown-block`. */
  unmarkReleasing(cidrs: readonly string[]): void {
    const blocks = cidrs.map((cidr) => this.#known(cidr));
    for (const block of blocks) block.setReleasing(false);
  }

  // Leases

  /** The address of the attachment: the one it has, or a free one. */
  lease(attachment: Attachment, pod: Pod, nowMs: number): LeaseResult {
    const held = this.#leases.of(attachment);
    if (held !== undefined) return { kind: "existing", lease: held.lease };
    const block = this.#order.first?.packing.fullest();
    if (block === undefined) return { kind: "none" };
    const offset = block.longestFree;
    const address = (block.range.base + offset) | 0;
    const lease: Lease = { address: formatAddress(address), attachment, pod, leasedAtMs: nowMs };
    this.#hold({ lease, block, offset, address, sibling: undefined });
    return { kind: "leased", lease };
  }

  /**
   * Ends the lease; its address is free again `coolingMs` from now, at the next `cool`. Undefined if the attachment has
   * none.
   */
  release(attachment: Attachment, nowMs: number, coolingMs: number): { lease: Lease; cooling: Cooling } | undefined {
    const held = this.#leases.of(attachment);
    if (held === undefined) return undefined;
    const untilMs = nowMs + coolingMs;
    this.#drop(held, COOLING);
    this.#cooling.push(held.address, untilMs);
    return { lease: held.lease, cooling: { address: held.lease.address, untilMs } };
  }

  /** The lease could not be made durable: no pod has seen its address, so it is the next one to be leased. */
  undoLease(attachment: Attachment): boolean {
    const held = this.#leases.of(attachment);
    if (held === undefined) return false;
    this.#drop(held, FREE, true);
    return true;
  }

  /**
   * Enters a lease that was made earlier, also on an interface or block that is not usable. Entering it twice is
   * harmless. Throws `unknown-address`, `address-not-free`, `attachment-leased`.
   */
  restoreLease(lease: Lease): void {
    const held = this.#leases.of(lease.attachment);
    if (held?.lease.address === lease.address) return;
    if (held !== undefined) {
      const { namespace, name } = lease.pod;
      throw new PoolError(
        "attachment-leased",
        `${lease.address} cannot be leased to ${namespace}/${name}, which has ${held.lease.address}`,
      );
    }
    this.#hold({ lease, ...this.#freePlace(lease.address), sibling: undefined });
  }

  /** Enters an address that cools since earlier. Throws `unknown-address`, `address-not-free`. */
  restoreCooling(cooling: Cooling): void {
    const { block, offset, address } = this.#freePlace(cooling.address);
    block.change(offset, FREE, COOLING);
    this.#cooling.push(address, cooling.untilMs);
  }

  /** Frees the addresses whose cooling time has ended, and names them in the order in which it ended. */
  cool(nowMs: number): string[] {
    const freed: string[] = [];
    for (let endMs = this.#cooling.nextEndMs; endMs !== undefined && endMs <= nowMs; endMs = this.#cooling.nextEndMs) {
      const address = this.#cooling.shift();
      const block = this.#index.find(address);
      block?.change(address - block.range.base, COOLING, FREE);
      freed.push(formatAddress(address));
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

  leaseAt(address: string): Lease | undefined {
    const number = parseAddress(address);
    return number === undefined ? undefined : this.#leases.at(number)?.lease;
  }

  /** Undefined for an address that is not the pool's, or reserved. */
  stateOf(address: string): AddressState | undefined {
    const place = this.#place(address);
    return place?.block.state(place.offset);
  }

  blockOf(address: string): Block | undefined {
    return this.#place(address)?.block.block;
  }

  /** The block with this CIDR and its counts. */
  block(cidr: string): BlockCounts | undefined {
    const block = this.#blocks.get(cidr);
    return block === undefined ? undefined : blockCounts(block);
  }

  *leases(): Iterable<Lease> {
    for (const held of this.#leases) yield held.lease;
  }

  /** In the order in which they end. */
  *coolings(): Iterable<Cooling> {
    for (const { address, untilMs } of this.#cooling) yield { address: formatAddress(address), untilMs };
  }

  /** In the order in which they were added. */
  *blocks(): Iterable<BlockCounts> {
    for (const block of this.#blocks.values()) yield blockCounts(block);
  }

  /** All addresses. */
  counts(): Counts {
    const sum = new Tally();
    for (const carrier of this.#carriers.values()) sum.add(carrier.tally);
    return sum.counts();
  }

  /** The addresses of usable blocks on usable interfaces: those that count for the watermarks. */
  usableCounts(): Counts {
    const sum = new Tally();
    for (const { interface: carrying, tally, denied } of this.#carriers.values()) {
      if (!carrying.usable) continue;
      sum.add(tally);
      sum.add(denied, -1);
    }
    return sum.counts();
  }

  /** By index, among equals by id. */
  interfaceCounts(): InterfaceCounts[] {
    const carriers = [...this.#carriers.values()].sort((left, right) => (comesBefore(left, right) ? -1 : 1));
    return carriers.map((carrier) => carrier.counts());
  }

  /** What is wrong inside the pool, a sentence each; empty unless enid has a bug. Looks at every address. */
  problems(): string[] {
    return findProblems({
      carriers: [...this.#carriers.values()],
      order: [...this.#order],
      blocks: [...this.#blocks.values()],
      leases: this.#leases,
      cooling: [...this.#cooling],
    });
  }

  #hold(held: Held): void {
    held.block.change(held.offset, FREE, LEASED);
    this.#leases.add(held);
  }

  #drop(held: Held, to: typeof FREE | typeof COOLING, toFront = false): void {
    this.#leases.remove(held);
    held.block.change(held.offset, LEASED, to, toFront);
  }

  #known(cidr: string): AddressBlock {
    const block = this.#blocks.get(cidr);
    if (block === undefined) throw new PoolError("unknown-block", `the pool has no block ${JSON.stringify(cidr)}`);
    return block;
  }

  #place(text: string): Pick<Held, "block" | "offset" | "address"> | undefined {
    const address = parseAddress(text);
    const block = address === undefined ? undefined : this.#index.find(address);
    if (address === undefined || block === undefined) return undefined;
    return { block, offset: address - block.range.base, address };
  }

  #freePlace(text: string): Pick<Held, "block" | "offset" | "address"> {
    const place = this.#place(text);
    if (place === undefined) {
      throw new PoolError("unknown-address", `no block of the pool holds ${JSON.stringify(text)}`);
    }
    const state = place.block.state(place.offset) ?? "reserved";
    if (state !== "free") throw new PoolError("address-not-free", `address ${text} is ${state}`);
    return place;
  }
}

function refuseInUse(block: AddressBlock, what: string): void {
  if (!block.inUse) return;
  const { leased, cooling } = block.tally;
  throw new PoolError(
    "block-in-use",
    `block ${block.block.cidr} cannot be ${what}: ${leased} of its addresses are leased, ${cooling} cooling`,
  );
}

function blockCounts({ block, usable, tally }: AddressBlock): BlockCounts {
  return { block, usable, ...tally.counts() };
}
