import { cidrsOverlap } from "./cidrs.ts";
import { familyOf } from "./family.ts";
import { parseAddress, parseCidr, type Range } from "./ipv4.ts";
import { type Ipv6Range, parseIpv6Address, parseIpv6Cidr } from "./ipv6.ts";
import { WINDOW_SIZE } from "./ipv6-blocks.ts";
import { PoolError } from "./pool-error.ts";
import type { Block, Family } from "./types.ts";

/** A block as the pool takes it. */
export interface ParsedBlock {
  readonly range: Range | Ipv6Range;
  /** How many of its addresses the pool knows, the first ones. */
  readonly size: number;
  /** Offsets of those that no pod gets. */
  readonly reservedOffsets: ReadonlySet<number>;
}

/** Throws a PoolError for a block that is not canonical, or does not fit its kind. */
export function parseBlock(block: Block): ParsedBlock {
  const family = familyOf(block.cidr);
  const range = family === "ipv4" ? parseCidr(block.cidr) : parseIpv6Cidr(block.cidr);
  if (range === undefined) {
    throw new PoolError(
      "not-canonical",
      `block ${JSON.stringify(block.cidr)} is not a canonical CIDR of addresses that pods can have`,
    );
  }
  const allowed = PREFIX_LENGTHS[family][block.kind];
  if (allowed === undefined) {
    throw new PoolError("wrong-size", `block ${block.cidr} cannot be of kind ${block.kind}, which is IPv4 only`);
  }
  const [shortest, longest] = allowed;
  if (range.prefixLength < shortest || range.prefixLength > longest) {
    const lengths = shortest === longest ? `/${shortest}` : `between /${shortest} and /${longest}`;
    throw new PoolError("wrong-size", `block ${block.cidr} of kind ${block.kind} must be ${lengths}`);
  }
  const size = range.family === "ipv4" ? range.size : Math.min(WINDOW_SIZE, 2 ** (128 - range.prefixLength));
  return { range, size, reservedOffsets: parseReserved(block, range, size) };
}

/**
 * Prefix lengths by kind. EC2 delegates IPv4 prefixes as /28 and IPv6 prefixes as /80 only. An IPv4 node CIDR has at most
 * 2^20 addresses, so that a mistyped length costs no gigabytes. An IPv6 one has at least 2^8, so that the addresses of
 * its window differ in their last group only.
 */
const PREFIX_LENGTHS: Record<Family, Partial<Record<Block["kind"], readonly [number, number]>>> = {
  ipv4: { address: [32, 32], prefix: [28, 28], "node-cidr": [12, 32] },
  ipv6: { prefix: [80, 80], "node-cidr": [48, 120] },
};

function parseReserved(block: Block, range: Range | Ipv6Range, size: number): ReadonlySet<number> {
  const reserved = block.reserved ?? [];
  if (reserved.length > 0 && block.kind !== "node-cidr") {
    throw new PoolError("bad-reservation", `block ${block.cidr} of kind ${block.kind} cannot reserve addresses`);
  }
  // The first address of an IPv6 network is every router's on it (RFC 4291 2.6.1).
  const offsets = new Set<number>(range.family === "ipv6" ? [0] : []);
  for (const text of reserved) {
    const offset = offsetIn(range, text);
    if (offset === undefined) {
      throw new PoolError("bad-reservation", `block ${block.cidr} has no address ${JSON.stringify(text)} to reserve`);
    }
    // Beyond the window of an IPv6 block no address is lent anyway.
    if (offset < size) offsets.add(offset);
  }
  if (offsets.size === size) {
    throw new PoolError("bad-reservation", `block ${block.cidr} reserves all of its addresses`);
  }
  return offsets;
}

/**
 * Offsets of the addresses and CIDRs among those that the pool knows of a block; what is outside says nothing. Of an IPv6
 * block the first one always.
 */
export function offsetsOf(block: string, size: number, texts: readonly string[]): ReadonlySet<number> {
  const offsets = new Set<number>(familyOf(block) === "ipv6" ? [0] : []);
  const first = firstOf(block);
  for (const text of texts) {
    if (!cidrsOverlap(block, text)) continue;
    const from = Math.max(0, Number(firstOf(text) - first));
    const end = Math.min(size, Number(firstOf(text) + sizeOf(text) - first));
    for (let offset = from; offset < end; offset++) offsets.add(offset);
  }
  return offsets;
}

/** Of a canonical CIDR or address. */
function firstOf(text: string): bigint {
  const [address = ""] = text.split("/");
  if (familyOf(text) === "ipv6") return parseIpv6Address(address) ?? 0n;
  return BigInt((parseAddress(address) ?? 0) >>> 0);
}

function sizeOf(text: string): bigint {
  const bits = familyOf(text) === "ipv6" ? 128 : 32;
  const [, length = bits] = text.split("/");
  return 1n << BigInt(bits - Number(length));
}

/** Undefined unless the text is an address of the range. */
function offsetIn(range: Range | Ipv6Range, text: string): number | undefined {
  if (range.family === "ipv4") {
    const address = parseAddress(text);
    const offset = address === undefined ? range.size : (address - range.base) >>> 0;
    return offset < range.size ? offset : undefined;
  }
  const address = parseIpv6Address(text);
  if (address === undefined || address < range.base) return undefined;
  const offset = Number(address - range.base);
  return offset < 2 ** (128 - range.prefixLength) ? offset : undefined;
}

/** The same block said twice? The order of reserved addresses means nothing. */
export function sameBlock(left: Block, right: Block): boolean {
  if (left.cidr !== right.cidr || left.interfaceId !== right.interfaceId || left.kind !== right.kind) return false;
  const leftReserved = new Set(left.reserved);
  const rightReserved = new Set(right.reserved);
  return leftReserved.size === rightReserved.size && [...leftReserved].every((address) => rightReserved.has(address));
}
