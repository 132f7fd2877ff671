import { EnidError } from "../errors.ts";
import type { Lease } from "../pool/index.ts";
import type { NodeState } from "./node.ts";

/** ENID_ADDRESS_LOST when EC2 denied twice that the node has an address of the lease. */
export function lostBy({ pool, lostSinceMs }: NodeState, { address, ipv6Address }: Lease): EnidError | undefined {
  if (lostSinceMs.size === 0) return undefined;
  for (const each of ipv6Address === undefined ? [address] : [address, ipv6Address]) {
    const block = pool.blockOf(each);
    if (block === undefined || !lostSinceMs.has(block.cidr)) continue;
    return new EnidError("ENID_ADDRESS_LOST", { cidr: block.cidr, interfaceId: block.interfaceId });
  }
  return undefined;
}
