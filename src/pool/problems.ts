import type { AddressBlock } from "./address-block.ts";
import type { Carrier } from "./carrier.ts";
import { fuller } from "./filling-order.ts";
import { formatAddress } from "./ipv4.ts";
import type { Held, LeaseTable } from "./lease-table.ts";
import { levelOf } from "./packing.ts";
import { Tally } from "./tally.ts";

/** The inside of a pool. */
export interface PoolInside {
  readonly carriers: readonly Carrier[];
  /** Those that have something to offer, in filling order. */
  readonly order: readonly Carrier[];
  readonly blocks: readonly AddressBlock[];
  readonly leases: LeaseTable;
  readonly cooling: readonly { readonly address: number; readonly untilMs: number }[];
}

/** Counts everything anew and compares: whatever differs is a bug of the pool. */
export function findProblems(inside: PoolInside): string[] {
  return [
    ...inside.blocks.flatMap(blockProblems),
    ...inside.carriers.flatMap((carrier) => carrierProblems(carrier, inside.blocks)),
    ...orderProblems(inside),
    ...leaseProblems(inside),
    ...coolingProblems(inside),
  ];
}

function blockProblems(block: AddressBlock): string[] {
  const problems: string[] = [];
  const { cidr } = block.block;
  const recount = new Tally();
  for (let offset = 0; offset < block.range.size; offset++) {
    const state = block.state(offset);
    if (state !== undefined) recount[state]++;
  }
  if (!recount.equals(block.tally)) problems.push(`block ${cidr} counts ${block.tally}; its addresses are ${recount}`);
  if (block.releasing && block.inUse) problems.push(`block ${cidr} goes back while its addresses are ${block.tally}`);
  const queued = new Set<number>();
  for (const offset of block.freeOrder()) {
    const state = block.state(offset);
    if (queued.has(offset)) problems.push(`block ${cidr} queues offset ${offset} twice`);
    if (state !== "free" && state !== "releasing")
      problems.push(`block ${cidr} queues offset ${offset}, which is ${state}`);
    queued.add(offset);
  }
  const waiting = recount.free + recount.releasing;
  if (queued.size !== waiting) problems.push(`block ${cidr} queues ${queued.size} addresses of ${waiting}`);
  return problems;
}

function carrierProblems(carrier: Carrier, blocks: readonly AddressBlock[]): string[] {
  const problems: string[] = [];
  const { id } = carrier.interface;
  const own = blocks.filter((block) => block.carrier === carrier);
  if (own.length !== carrier.blocks) problems.push(`interface ${id} counts ${carrier.blocks} blocks of ${own.length}`);
  const tally = sum(own);
  const denied = sum(own.filter((block) => !block.usable));
  if (!tally.equals(carrier.tally)) problems.push(`interface ${id} counts ${carrier.tally}; its blocks have ${tally}`);
  if (!denied.equals(carrier.denied)) {
    problems.push(`interface ${id} counts ${carrier.denied} as not usable; its blocks have ${denied}`);
  }
  const packed = new Set<AddressBlock>();
  for (const { level, block } of carrier.packing) {
    if (!block.offered || packed.has(block) || block.level !== level || levelOf(block) !== level) {
      problems.push(`interface ${id} packs block ${block.block.cidr} wrongly at level ${level}`);
    }
    packed.add(block);
  }
  for (const block of own) {
    if (block.offered && !packed.has(block)) problems.push(`interface ${id} does not pack block ${block.block.cidr}`);
  }
  return problems;
}

function orderProblems({ carriers, order }: PoolInside): string[] {
  const problems: string[] = [];
  const ordered = new Set(order);
  for (const carrier of carriers) {
    const { id } = carrier.interface;
    if (ordered.has(carrier) !== carrier.offered > 0) {
      problems.push(
        `interface ${id} offers ${carrier.offered} addresses and is${ordered.has(carrier) ? "" : " not"} filled`,
      );
    }
  }
  order.forEach((carrier, position) => {
    const before = order[position - 1];
    if (carrier.position !== position || (before !== undefined && !fuller(before, carrier))) {
      problems.push(`interface ${carrier.interface.id} is filled wrongly as number ${position}`);
    }
  });
  if (ordered.size !== order.length || order.some((carrier) => !carriers.includes(carrier))) {
    problems.push("interfaces are filled that are not the pool's, or twice");
  }
  return problems;
}

function leaseProblems({ blocks, leases }: PoolInside): string[] {
  const problems: string[] = [];
  let attachments = 0;
  for (const held of leases) {
    attachments++;
    const { lease, block, offset, address } = held;
    const other = leases.at(address);
    if (other !== held) problems.push(`${lease.address} is leased to ${named(held)} and to ${named(other)}`);
    if (leases.of(lease.attachment) !== held) problems.push(`${named(held)} has several leases for one attachment`);
    if (((block.range.base + offset) | 0) !== address || formatAddress(address) !== lease.address) {
      problems.push(`the lease of ${lease.address} points to offset ${offset} of ${block.block.cidr}`);
    }
    const state = block.state(offset);
    if (state !== "leased") problems.push(`${lease.address} is leased to ${named(held)} and counts as ${state}`);
  }
  const { leased } = sum(blocks);
  if (attachments !== leased || leases.size !== leased) {
    problems.push(`${attachments} attachments have ${leases.size} addresses; ${leased} are leased`);
  }
  return problems;
}

function coolingProblems({ blocks, cooling }: PoolInside): string[] {
  const problems: string[] = [];
  let previousMs = Number.NEGATIVE_INFINITY;
  for (const { address, untilMs } of cooling) {
    const text = formatAddress(address);
    const block = blocks.find(({ range }) => (address - range.base) >>> 0 < range.size);
    const state = block?.state((address - block.range.base) >>> 0);
    if (state !== "cooling") problems.push(`${text} cools and counts as ${state}`);
    if (!(untilMs >= previousMs)) problems.push(`${text} cools until ${untilMs}, queued after ${previousMs}`);
    previousMs = untilMs;
  }
  const { cooling: counted } = sum(blocks);
  if (new Set(cooling.map(({ address }) => address)).size !== counted) {
    problems.push(`${cooling.length} addresses are queued to cool; ${counted} count as cooling`);
  }
  return problems;
}

function sum(blocks: readonly AddressBlock[]): Tally {
  const tally = new Tally();
  for (const block of blocks) tally.add(block.tally);
  return tally;
}

function named(held: Held | undefined): string {
  return held === undefined ? "nobody" : `container ${held.lease.attachment.containerId}`;
}
