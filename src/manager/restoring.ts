import type { NodeState } from "./node.ts";
import type { StoredState, Telemetry } from "./ports/index.ts";

/** Interface of leases whose block the state does not hold; carries them and is given to nobody. */
const UNKNOWN_INTERFACE = "unknown";

/** Fills the pool from the state. No lease is ever dropped: one without a block keeps its address out of use. */
export function restorePool(node: NodeState, state: StoredState, nowMs: number, telemetry: Telemetry): void {
  for (const record of state.interfaces) node.interfaces.set(record.id, record);
  node.refreshUsability();
  for (const block of state.blocks) {
    if (!node.interfaces.has(block.interfaceId)) {
      node.pool.upsertInterface({ id: block.interfaceId, index: Number.MAX_SAFE_INTEGER, usable: false });
    }
    node.pool.addBlock(block);
  }
  for (const lease of state.leases) {
    if (node.pool.stateOf(lease.address) === undefined) {
      node.pool.upsertInterface({ id: UNKNOWN_INTERFACE, index: Number.MAX_SAFE_INTEGER, usable: false });
      node.pool.addBlock({ cidr: `${lease.address}/32`, interfaceId: UNKNOWN_INTERFACE, kind: "address" });
      telemetry.event({
        name: "lease-without-block",
        level: "error",
        message: `the state leases ${lease.address} but does not hold its block; the lease stays`,
        fields: { address: lease.address, pod: `${lease.pod.namespace}/${lease.pod.name}` },
      });
    }
    node.pool.restoreLease(lease);
  }
  // A wall clock that was set back meanwhile must not keep addresses cooling for longer than the setting says.
  const latestMs = nowMs + node.settings.values["cooling-seconds"] * 1_000;
  for (const cooling of state.cooling) {
    if (cooling.untilMs <= nowMs || node.pool.stateOf(cooling.address) === undefined) continue;
    node.pool.restoreCooling({ ...cooling, untilMs: Math.min(cooling.untilMs, latestMs) });
  }
}
