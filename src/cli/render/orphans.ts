import type { OrphansReport } from "../../manager/index.ts";
import type { Output } from "../output.ts";
import { duration, indent, plural, table } from "./text.ts";

/** More would push what matters off the screen; `--json` has all. */
const SHOWN = 10;

const BECAUSE = {
  "sandbox-gone": "its sandbox is gone",
  "not-listed": "the runtime does not list it",
} as const;

export function orphanSummary(orphans: OrphansReport | undefined): string[][] {
  if (orphans === undefined || orphans.released === 0) return [];
  return [["orphans", `${plural(orphans.released, "lease", "leases")} ended without a DEL since the start`]];
}

/** Leases whose DEL never came. */
export function orphanedLeases(
  orphans: OrphansReport | undefined,
  graceSeconds: number,
  nowMs: number,
  style: Output["style"],
): string[] {
  const leases = orphans?.leases ?? [];
  if (leases.length === 0) return [];
  const rows = leases
    .slice(0, SHOWN)
    .map(({ address, pod, because, sinceMs }) => [
      address,
      `${pod.namespace}/${pod.name}`,
      `${BECAUSE[because]}, for ${duration(nowMs - sinceMs)}`,
    ]);
  const more = leases.length - rows.length;
  return [
    "",
    style("bold", `LEFT BEHIND: ${plural(leases.length, "lease", "leases")} without a DEL`),
    ...indent(table(rows)),
    ...(more > 0 ? [`  and ${more} more`] : []),
    graceSeconds === 0
      ? "  orphan-grace-seconds is 0: they stay until DEL comes or the node reboots."
      : "  They end by themselves once their sandboxes were gone for orphan-grace-seconds.",
  ];
}
