import { type BlockCounts, cidrHolds } from "../pool/index.ts";
import type { Actor } from "./acting.ts";
import type { NodeState } from "./node.ts";

/**
 * Prefixes that hold a fixed address. The cloud gives one away when the node that had the address is gone. It cannot move out
 * of the prefix, so no new pod gets an address of it, and it goes back as soon as the address is asked for.
 */

type Held = Pick<NodeState, "fixed" | "pool">;

/** The prefix of this node that holds the address. */
export function prefixOf({ pool }: Pick<Held, "pool">, address: string): BlockCounts | undefined {
  const block = pool.blockOf(address);
  return block?.kind === "prefix" ? pool.block(block.cidr) : undefined;
}

/** Whether it is a prefix that holds a fixed address which this node knows of. */
export function isFencedPrefix({ fixed }: Pick<Held, "fixed">, cidr: string): boolean {
  if (fixed.size === 0 || cidr.endsWith("/32") || cidr.includes(":")) return false;
  for (const { address } of fixed.values()) if (cidrHolds(cidr, `${address}/32`)) return true;
  return false;
}

/** Gives the prefix back so that the address is free. What that waits for; undefined = it is in no prefix here. */
export function freePrefixOf(
  node: NodeState,
  actor: Pick<Actor, "begin">,
  address: string,
  pod: string,
): string | undefined {
  const held = prefixOf(node, address);
  if (held === undefined) return undefined;
  const { cidr } = held.block;
  if (held.releasing > 0) return `the end of giving ${cidr} back`;
  if (held.leased + held.cooling > 0) return `the pods that have addresses of ${cidr}`;
  releaseKept(node, actor, held, `${address} of ${pod} is one of its addresses`);
  return `${cidr} to be given back, of which it is one`;
}

/** Gives a block back that was kept from ordinary pods; where that cannot begin now, it stays kept. */
export function releaseKept(
  { pool }: Pick<Held, "pool">,
  actor: Pick<Actor, "begin">,
  { block: { cidr, interfaceId } }: BlockCounts,
  reason: string,
): void {
  pool.keep(cidr, false);
  if (!actor.begin({ kind: "release-blocks", interfaceId, cidrs: [cidr], reason })) pool.keep(cidr, true);
}

/** The single addresses that a block of IPv4 is made of; none of a larger one than a prefix. */
export function addressesOf(cidr: string): string[] {
  const [base = "", length = "32"] = cidr.split("/");
  const parts = base.split(".").map(Number);
  const [a, b, c, d] = parts;
  if (parts.length !== 4 || a === undefined || b === undefined || c === undefined || d === undefined) return [];
  if (length === "32") return [base];
  // A /28 never crosses the last part.
  return length === "28" ? Array.from({ length: 16 }, (_, n) => `${a}.${b}.${c}.${d + n}`) : [];
}
