import { EnidError } from "../errors.ts";
import type { Ledger } from "./ledger.ts";
import type { NodeState } from "./node.ts";
import { type FixedRecord, NODE_INTERFACE, NODE_RECORD } from "./ports/index.ts";

/** On-premises the address is wherever its pod is: it becomes a block of this node. Rejects with ENID_FIXED_MOVE_FAILED. */
export async function enterFixed(node: NodeState, ledger: Ledger, { pod, address }: FixedRecord): Promise<void> {
  const device = node.ownAddresses.get(address);
  const other = node.pool.blockOf(address);
  if (device !== undefined || other !== undefined) {
    const detail = device === undefined ? `it is part of ${other?.cidr} of this node` : `device ${device} has it`;
    throw new EnidError("ENID_FIXED_MOVE_FAILED", { pod, address, detail });
  }
  const block = { cidr: `${address}/32`, interfaceId: NODE_INTERFACE, kind: "address" } as const;
  const known = node.interfaces.get(NODE_INTERFACE);
  await ledger.must([
    { kind: "interface-put", interface: known ?? NODE_RECORD },
    { kind: "blocks-put", blocks: [block] },
  ]);
  if (known === undefined) node.interfaces.set(NODE_INTERFACE, NODE_RECORD);
  node.refreshUsability();
  node.enter(block);
}
