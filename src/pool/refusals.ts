import type { AddressBlock } from "./address-block.ts";
import { PoolError } from "./pool-error.ts";
import type { Lease } from "./types.ts";

/** Throws `block-in-use` while an address of the block is leased or cooling. */
export function refuseInUse(block: AddressBlock, what: string): void {
  if (!block.inUse) return;
  const { leased, cooling } = block.tally;
  throw new PoolError(
    "block-in-use",
    `block ${block.block.cidr} cannot be ${what}: ${leased} of its addresses are leased, ${cooling} cooling`,
  );
}

/** Throws `block-in-use` also while the block is kept for a pod. */
export function refuseToGiveBack(block: AddressBlock): void {
  refuseInUse(block, "given back");
  if (block.kept) throw new PoolError("block-in-use", `block ${block.block.cidr} is the fixed address of a pod`);
}

/** Throws `attachment-leased` unless the attachment has just the addresses of the lease. */
export function refuseOther(lease: Lease, held: Lease): void {
  if (held.address === lease.address && held.ipv6Address === lease.ipv6Address) return;
  const { namespace, name } = lease.pod;
  throw new PoolError(
    "attachment-leased",
    `${addressesOf(lease)} cannot be leased to ${namespace}/${name}, which has ${addressesOf(held)}`,
  );
}

function addressesOf({ address, ipv6Address }: Lease): string {
  return ipv6Address === undefined ? address : `${address} and ${ipv6Address}`;
}
