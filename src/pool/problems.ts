import type { AddressBlock } from "./address-block.ts";
import type { BlockIndex, Place } from "./block-index.ts";
import type { Carrier } from "./carrier.ts";
import { familyOf } from "./family.ts";
import { fuller } from "./filling-order.ts";
import type { Held, LeaseTable } from "./lease-table.ts";
import { levelOf } from "./packing.ts";
import type { Stock } from "./stock.ts";
import { Tally } from "./tally.ts";
import type { Family } from "./types.ts";

/** The inside of a pool as it keeps it. */
export interface PoolBooks {
  readonly carriers: ReadonlyMap<string, Carrier>;
  readonly orders: Readonly<Record<Family, Iterable<Stock>>>;
  readonly blocks: ReadonlyMap<string, AddressBlock>;
  readonly index: BlockIndex;
  readonly leases: LeaseTable;
  readonly cooling: Iterable<{ readonly address: number; readonly untilMs: number }>;
}

interface PoolInside {
  readonly carriers: readonly Carrier[];
  /** By family what has something to offer, in filling order. */
  readonly orders: Readonly<Record<Family, readonly Stock[]>>;
  readonly blocks: readonly AddressBlock[];
  readonly index: BlockIndex;
  readonly leases: LeaseTable;
  readonly cooling: readonly { readonly address: number; readonly untilMs: number }[];
}

/** Counts everything anew and compares: whatever differs is a bug of the pool. */
export function findProblems({ carriers, orders, blocks, cooling, ...books }: PoolBooks): string[] {
  return problemsOf({
    ...books,
    carriers: [...carriers.values()],
    orders: { ipv4: [...orders.ipv4], ipv6: [...orders.ipv6] },
    blocks: [...blocks.values()],
    cooling: [...cooling],
  });
}

function problemsOf(inside: PoolInside): string[] {
  const own = { ipv4: new Map<string, AddressBlock[]>(), ipv6: new Map<string, AddressBlock[]>() };
  const problems = inside.carriers.flatMap(carrierProblems);
  for (const block of inside.blocks) {
    const ofFamily = own[block.range.family];
    const others = ofFamily.get(block.block.interfaceId);
    if (others === undefined) ofFamily.set(block.block.interfaceId, [block]);
    else others.push(block);
    const found = blockProblems(block, inside.index);
    if (found.length > 0) problems.push(...found);
  }
  for (const family of FAMILIES) {
    for (const carrier of inside.carriers) {
      problems.push(...stockProblems(carrier, family, own[family].get(carrier.interface.id) ?? []));
    }
    problems.push(...orderProblems(inside, family));
  }
  return [...problems, ...leaseProblems(inside), ...coolingProblems(inside)];
}

const FAMILIES = ["ipv4", "ipv6"] as const satisfies readonly Family[];

const NONE: string[] = [];

/** A block of one address keeps its state in its counters alone, so there is nothing to count anew. */
function singleProblems({ block, tally, releasing, inUse }: AddressBlock): string[] {
  const { free, leased, cooling } = tally;
  if (free < 0 || leased < 0 || cooling < 0 || tally.releasing < 0 || tally.total !== 1) {
    return [`block ${block.cidr} counts ${tally}; it has one address`];
  }
  if (releasing && inUse) return [`block ${block.cidr} goes back while its addresses are ${tally}`];
  return tally.releasing === 1 && !releasing ? [`block ${block.cidr} counts ${tally} and does not go back`] : NONE;
}

function blockProblems(block: AddressBlock, index: BlockIndex): string[] {
  const isSingle = block.size === 1 && block.block.kind !== "node-cidr";
  if (isSingle && index.at(block.base) === block) return singleProblems(block);
  const last = block.base + block.size - 1;
  const isFound = index.at(block.base) === block && index.at(last) === block;
  if (isFound && !(block.releasing && block.inUse) && block.addsUp()) return NONE;
  const problems: string[] = [];
  const { cidr } = block.block;
  const recount = new Tally();
  for (let offset = 0; offset < block.size; offset++) {
    const state = block.state(offset);
    if (state !== undefined) recount[state]++;
  }
  if (!recount.equals(block.tally)) problems.push(`block ${cidr} counts ${block.tally}; its addresses are ${recount}`);
  if (block.releasing && block.inUse) problems.push(`block ${cidr} goes back while its addresses are ${block.tally}`);
  if (!isFound) {
    problems.push(`block ${cidr} is not found by its first or its last address`);
  }
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

function carrierProblems({ interface: { id }, leased, ipv4, ipv6 }: Carrier): string[] {
  const counted = ipv4.tally.leased + ipv6.tally.leased;
  return leased === counted ? [] : [`interface ${id} counts ${leased} leased addresses of ${counted}`];
}

/** `own`: the blocks of the family that say they are on the interface. */
function stockProblems(carrier: Carrier, family: Family, own: readonly AddressBlock[]): string[] {
  const stock = carrier[family];
  if (own.length === 0 && isEmpty(stock)) return NONE;
  const problems: string[] = [];
  const name = `interface ${carrier.interface.id} (${family})`;
  if (own.length !== stock.blocks.size || own.some((block) => block.stock !== stock || !stock.blocks.has(block))) {
    problems.push(`${name} knows ${stock.blocks.size} blocks of ${own.length}, or others`);
  }
  const tally = sum(own);
  const denied = sum(own.filter((block) => !block.usable));
  for (const { block, usable, allowed, kept } of own) {
    if (usable !== (allowed && !kept)) problems.push(`${name} offers block ${block.cidr} to the wrong pods`);
  }
  if (!tally.equals(stock.tally)) problems.push(`${name} counts ${stock.tally}; its blocks have ${tally}`);
  if (!denied.equals(stock.denied)) {
    problems.push(`${name} counts ${stock.denied} as not usable; its blocks have ${denied}`);
  }
  const packed = new Set<AddressBlock>();
  for (const { level, block } of stock.packing) {
    if (!block.offered || packed.has(block) || block.level !== level || levelOf(block) !== level) {
      problems.push(`${name} packs block ${block.block.cidr} wrongly at level ${level}`);
    }
    packed.add(block);
  }
  for (const block of own) {
    if (block.offered && !packed.has(block)) problems.push(`${name} does not pack block ${block.block.cidr}`);
  }
  const topLevel = Math.max(-1, ...[...packed].map(levelOf));
  if (stock.packing.topLevel !== topLevel || packed.size > own.length) {
    problems.push(`${name} packs ${packed.size} blocks up to level ${stock.packing.topLevel}; it is ${topLevel}`);
  }
  return problems;
}

function isEmpty({ blocks, tally, denied, packing }: Stock): boolean {
  if (blocks.size > 0 || packing.topLevel !== -1 || !packing[Symbol.iterator]().next().done) return false;
  return tally.equals(EMPTY) && denied.equals(EMPTY);
}

const EMPTY: Tally = new Tally();

function orderProblems({ carriers, orders }: PoolInside, family: Family): string[] {
  const problems: string[] = [];
  const order = orders[family];
  const ordered = new Set(order);
  for (const carrier of carriers) {
    const stock = carrier[family];
    if (ordered.has(stock) !== stock.offered > 0) {
      problems.push(
        `interface ${carrier.interface.id} offers ${stock.offered} addresses of ${family} and is${ordered.has(stock) ? "" : " not"} filled`,
      );
    }
  }
  order.forEach((stock, position) => {
    const before = order[position - 1];
    if (stock.top !== stock.packing.topLevel) {
      problems.push(`interface ${stock.carrier.interface.id} is filled by level ${stock.top} of ${family}`);
    }
    if (stock.position !== position || (before !== undefined && !fuller(before, stock))) {
      problems.push(`interface ${stock.carrier.interface.id} is filled wrongly as number ${position} of ${family}`);
    }
  });
  if (ordered.size !== order.length || order.some((stock) => !carriers.includes(stock.carrier))) {
    problems.push(`interfaces are filled with ${family} that are not the pool's, or twice`);
  }
  return problems;
}

function leaseProblems({ blocks, leases }: PoolInside): string[] {
  const problems: string[] = [];
  let addresses = 0;
  for (const held of leases) {
    const { lease, ipv6Place } = held;
    if (leases.of(lease.attachment) !== held) problems.push(`${named(held)} has several leases for one attachment`);
    const found = heldProblems(held, held, lease.address, leases);
    if (found.length > 0) problems.push(...found);
    addresses++;
    if (lease.ipv6Address === undefined && ipv6Place === undefined) continue;
    if (lease.ipv6Address === undefined || ipv6Place === undefined || familyOf(lease.address) === "ipv6") {
      problems.push(`the lease of ${lease.address} is half of one of both families`);
      continue;
    }
    problems.push(...heldProblems(held, ipv6Place, lease.ipv6Address, leases));
    addresses++;
  }
  const { leased } = sum(blocks);
  if (addresses !== leased || leases.addresses !== leased) {
    problems.push(`leases have ${addresses} addresses and are found by ${leases.addresses}; ${leased} are leased`);
  }
  return problems;
}

/** Of one address of a lease. */
function heldProblems(held: Held, { block, offset, address }: Place, text: string, leases: LeaseTable): string[] {
  const other = leases.at(address);
  const isThere = ((block.base + offset) | 0) === address && block.text(offset) === text;
  if (other === held && isThere && familyOf(text) === block.range.family && block.state(offset) === "leased")
    return NONE;
  const problems: string[] = [];
  if (other !== held) problems.push(`${text} is leased to ${named(held)} and to ${named(other)}`);
  if (!isThere || familyOf(text) !== block.range.family) {
    problems.push(`the lease of ${text} points to offset ${offset} of ${block.block.cidr}`);
  }
  const state = block.state(offset);
  if (state !== "leased") problems.push(`${text} is leased to ${named(held)} and counts as ${state}`);
  return problems;
}

function coolingProblems({ blocks, index, cooling }: PoolInside): string[] {
  const problems: string[] = [];
  let previousMs = Number.NEGATIVE_INFINITY;
  for (const { address, untilMs } of cooling) {
    const block = index.at(address);
    const offset = address - (block?.base ?? 0);
    const text = block === undefined ? `an address of no block, number ${address},` : block.text(offset);
    const state = block?.state(offset);
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
