import { Counter, Gauge, type Registry } from "prom-client";
import type { StatusReport } from "../manager/index.ts";

/** Leases whose DEL never came. */
export function orphanMetrics(registry: Registry): (status: StatusReport) => void {
  const registers = [registry];
  const leases = new Gauge({
    name: "enid_orphaned_leases",
    help: "Leases whose sandbox is gone, or which the runtime no longer lists, and whose DEL did not come; they end after orphan-grace-seconds. Above 0 for an hour: `enid status` names the pods; the setting is 0, or ends fail.",
    registers,
  });
  const released = new Counter({
    name: "enid_orphaned_leases_released_total",
    help: "Leases that ended without a DEL since the start. Rising: the runtime loses deletions; look at its log at the time of the event lease-orphan-released.",
    registers,
  });
  return ({ orphans }) => {
    leases.set(orphans?.leases.length ?? 0);
    released.reset();
    released.inc(orphans?.released ?? 0);
  };
}
