import { EnidError } from "../errors.ts";
import type { BlockCounts, Lease } from "../pool/index.ts";
import { podName } from "./history.ts";
import type { NodeState } from "./node.ts";
import type { FixedRecord } from "./ports/index.ts";

type Held = Pick<NodeState, "fixed" | "pool">;

/**
 * Whether the record is this node's. One that is not is kept here without a holder while the address may still be on the
 * node, so that no pod gets it.
 */
export function isOwn({ holder }: Pick<FixedRecord, "holder">): boolean {
  return holder !== "";
}

/** What the node knows of the address; undefined = it is no fixed one, as far as this node knows. */
export function fixedAt({ fixed }: Pick<NodeState, "fixed">, address: string): FixedRecord | undefined {
  if (fixed.size === 0) return undefined;
  for (const record of fixed.values()) if (record.address === address) return record;
  return undefined;
}

/** The same for a block. */
export function fixedBlock(node: Pick<NodeState, "fixed">, cidr: string): FixedRecord | undefined {
  return cidr.endsWith("/32") ? fixedAt(node, cidr.slice(0, -"/32".length)) : undefined;
}

/** Whether the block is the fixed address of a pod that another node has by now, or nobody. */
export function isElsewhere(node: Pick<NodeState, "fixed">, cidr: string): boolean {
  const record = fixedBlock(node, cidr);
  return record !== undefined && !isOwn(record);
}

/** The block of the address, if it is on this node and does not go back. */
export function blockHere({ pool }: Held, { address }: Pick<FixedRecord, "address">): BlockCounts | undefined {
  const block = pool.block(`${address}/32`);
  return block === undefined || block.releasing > 0 ? undefined : block;
}

/** Whether it is another node's, and not here any more, alone or in a prefix. */
export function hasLeft(node: Held, record: Pick<FixedRecord, "address" | "holder">): boolean {
  return !isOwn(record) && node.pool.blockOf(record.address) === undefined;
}

/** The lease of its pod, if that has it. */
export function leaseOfFixed({ pool }: Held, { pod, address }: FixedRecord): Lease | undefined {
  const lease = pool.leaseAt(address);
  return lease !== undefined && podName(lease.pod) === pod ? lease : undefined;
}

/** Why the pod of the lease has its fixed address no more: another node has it. */
export function fixedLostBy(node: Held, { address }: Pick<Lease, "address">): EnidError | undefined {
  const record = fixedAt(node, address);
  if (record === undefined || isOwn(record)) return undefined;
  const { pod, holderName } = record;
  return new EnidError("ENID_FIXED_LOST", { address, pod, holder: holderName || "another node" });
}

/** Half a sentence: what answering with this lease would break of promise 12; undefined = nothing. */
export function fixedBreach(node: Held, { address, pod }: Lease): string | undefined {
  const record = fixedAt(node, address);
  if (record === undefined) {
    return node.pool.block(`${address}/32`)?.kept === true ? `${address} is kept for nobody that is known` : undefined;
  }
  if (!isOwn(record)) return `${address} is with ${record.holderName || "another node"} by now`;
  if (record.pod !== podName(pod)) return `${address} is the fixed address of ${record.pod}, not of ${podName(pod)}`;
  return record.epoch === 0 ? `${address} is not recorded as that of ${record.pod} yet` : undefined;
}
