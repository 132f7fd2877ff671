import { type BlockCounts, cidrDifference, cidrHolds, cidrsOverlap } from "../pool/index.ts";

/** Which blocks a node with these ranges should have, beside those that it has. CIDRs. */
export interface RangeLayout {
  /** Stay, and give addresses to pods as far as a range holds them. */
  readonly serving: readonly string[];
  /** Stay for what of them is in use, and give no address to a pod. */
  readonly draining: readonly string[];
  readonly removed: readonly string[];
  readonly added: readonly string[];
}

/**
 * Each range is one block. Where a block that is in use is in the way (a range was made larger or smaller, or cut in
 * two), it stays until it is idle, and what it leaves of the range becomes blocks of their own; once all of them are idle
 * the range is one block again. A fixed address is a block of its own, which comes and goes with its pod: should a range
 * hold it, the range is what is left beside it.
 */
export function layoutOf(ranges: readonly string[], all: readonly BlockCounts[]): RangeLayout {
  const blocks = all.filter(({ block }) => block.kind === "node-cidr");
  const fixed = all.filter(({ block }) => block.kind !== "node-cidr").map(({ block }) => block.cidr);
  const kept = blocks.filter(({ block, leased, cooling }) => leased + cooling > 0 || ranges.includes(block.cidr));
  const held = kept.map(({ block }) => block.cidr);
  const wanted = ranges.flatMap((range) => cidrDifference(range, [...held, ...fixed]));
  const others = blocks.map(({ block }) => block.cidr).filter((cidr) => !held.includes(cidr));
  const serves = (cidr: string) => ranges.some((range) => cidrsOverlap(range, cidr));
  return {
    serving: [...held, ...others.filter((cidr) => wanted.includes(cidr))].filter(serves),
    draining: held.filter((cidr) => !serves(cidr)),
    removed: others.filter((cidr) => !wanted.includes(cidr)),
    added: wanted.filter((cidr) => !others.includes(cidr)),
  };
}

/** The range that an address, or a block that is part of it, is of. */
export function rangeOf(ranges: readonly string[], cidrOrAddress: string): string | undefined {
  return ranges.find((range) => cidrHolds(range, cidrOrAddress));
}
