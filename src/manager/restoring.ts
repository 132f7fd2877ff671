import { type Block, ipv6PrefixOf } from "../pool/index.ts";
import type { NodeState } from "./node.ts";
import type { StoredState, Telemetry } from "./ports/index.ts";

/** Interface of leases whose block the state does not hold; carries them and is given to nobody. */
const UNKNOWN_INTERFACE = "unknown";

/** The smallest block that holds the address: of an IPv6 one, the /80 that it was taken of. */
function ownBlock(address: string): Block {
  const interfaceId = UNKNOWN_INTERFACE;
  const prefix = ipv6PrefixOf(address);
  if (prefix !== undefined) return { cidr: prefix, interfaceId, kind: "prefix" };
  return { cidr: `${address}/32`, interfaceId, kind: "address" };
}

/** Fills the pool from the state. No lease is ever dropped: one without a block keeps its address out of use. */
export function restorePool(node: NodeState, state: StoredState, nowMs: number, telemetry: Telemetry): void {
  for (const record of state.interfaces) node.interfaces.set(record.id, record);
  node.refreshUsability();
  for (const block of state.blocks) {
    if (!node.interfaces.has(block.interfaceId)) {
      node.pool.upsertInterface({ id: block.interfaceId, index: Number.MAX_SAFE_INTEGER, usable: false });
    }
    node.pool.addBlock(block);
    if (block.lost !== true) continue;
    node.pool.setBlockUsable(block.cidr, false);
    node.lostSinceMs.set(block.cidr, nowMs);
  }
  for (const lease of state.leases) {
    for (const address of [lease.address, lease.ipv6Address]) {
      if (address === undefined || node.pool.blockOf(address) !== undefined) continue;
      node.pool.upsertInterface({ id: UNKNOWN_INTERFACE, index: Number.MAX_SAFE_INTEGER, usable: false });
      node.pool.addBlock(ownBlock(address));
      telemetry.event({
        name: "lease-without-block",
        level: "error",
        message: `the state leases ${address} but does not hold its block; the lease stays`,
        fields: { address, pod: `${lease.pod.namespace}/${lease.pod.name}` },
      });
    }
    node.pool.restoreLease(lease);
  }
  // A wall clock that was set back meanwhile must not keep addresses cooling for longer than the setting says.
  const latestMs = nowMs + node.settings.values["cooling-seconds"] * 1_000;
  for (const cooling of state.cooling) {
    if (cooling.untilMs <= nowMs || node.pool.blockOf(cooling.address) === undefined) continue;
    node.pool.restoreCooling({ ...cooling, untilMs: Math.min(cooling.untilMs, latestMs) });
  }
}
