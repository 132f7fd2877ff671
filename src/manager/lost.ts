import { EnidError } from "../errors.ts";
import type { Lease } from "../pool/index.ts";
import { fixedLostBy } from "./fixed-held.ts";
import type { NodeState } from "./node.ts";

/** ENID_FIXED_LOST when another node has the address by now, ENID_ADDRESS_LOST when EC2 denied twice that the node has an address of the lease. */
export function lostBy(node: NodeState, lease: Lease): EnidError | undefined {
  const { pool, lostSinceMs } = node;
  const { address, ipv6Address } = lease;
  const moved = fixedLostBy(node, lease);
  if (moved !== undefined) return moved;
  if (lostSinceMs.size === 0) return undefined;
  for (const each of ipv6Address === undefined ? [address] : [address, ipv6Address]) {
    const block = pool.blockOf(each);
    if (block === undefined || !lostSinceMs.has(block.cidr)) continue;
    return new EnidError("ENID_ADDRESS_LOST", { cidr: block.cidr, interfaceId: block.interfaceId });
  }
  return undefined;
}
