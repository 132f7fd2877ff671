import { parseAddress, parseCidr, type Range } from "./ipv4.ts";
import { PoolError } from "./pool-error.ts";
import type { Block } from "./types.ts";

/**
 * A block as the pool takes it: its range and the offsets of its reserved addresses. Throws a PoolError for a block that
 * is not canonical, or does not fit its kind.
 */
export function parseBlock(block: Block): { range: Range; reservedOffsets: ReadonlySet<number> } {
  const range = parseCidr(block.cidr);
  if (range === undefined) {
    throw new PoolError("not-canonical", `block ${JSON.stringify(block.cidr)} is not a canonical IPv4 CIDR`);
  }
  const [shortest, longest] = PREFIX_LENGTHS[block.kind];
  if (range.prefixLength < shortest || range.prefixLength > longest) {
    const allowed = shortest === longest ? `/${shortest}` : `between /${shortest} and /${longest}`;
    throw new PoolError("wrong-size", `block ${block.cidr} of kind ${block.kind} must be ${allowed}`);
  }
  return { range, reservedOffsets: parseReserved(block, range) };
}

/**
 * Prefix lengths by kind. EC2 delegates IPv4 prefixes as /28 only. A node CIDR has at most 2^20 addresses, so that a
 * mistyped length costs no gigabytes.
 */
const PREFIX_LENGTHS = {
  address: [32, 32],
  prefix: [28, 28],
  "node-cidr": [12, 32],
} as const satisfies Record<Block["kind"], readonly [number, number]>;

function parseReserved(block: Block, range: Range): ReadonlySet<number> {
  const reserved = block.reserved ?? [];
  if (reserved.length > 0 && block.kind !== "node-cidr") {
    throw new PoolError("bad-reservation", `block ${block.cidr} of kind ${block.kind} cannot reserve addresses`);
  }
  const offsets = new Set<number>();
  for (const text of reserved) {
    const address = parseAddress(text);
    const offset = address === undefined ? range.size : (address - range.base) >>> 0;
    if (offset >= range.size) {
      throw new PoolError("bad-reservation", `block ${block.cidr} has no address ${JSON.stringify(text)} to reserve`);
    }
    offsets.add(offset);
  }
  if (offsets.size === range.size) {
    throw new PoolError("bad-reservation", `block ${block.cidr} reserves all of its addresses`);
  }
  return offsets;
}

/** The same block said twice? The order of reserved addresses means nothing. */
export function sameBlock(left: Block, right: Block): boolean {
  if (left.cidr !== right.cidr || left.interfaceId !== right.interfaceId || left.kind !== right.kind) return false;
  const leftReserved = new Set(left.reserved);
  const rightReserved = new Set(right.reserved);
  return leftReserved.size === rightReserved.size && [...leftReserved].every((address) => rightReserved.has(address));
}
