import { blockHere, hasLeft, isOwn, leaseOfFixed } from "./fixed-held.ts";
import { namesPod } from "./history.ts";
import type { NodeState } from "./node.ts";
import type { FixedRecord } from "./ports/index.ts";
import type { FixedReport } from "./reports.ts";

/** What the status tells of fixed addresses; undefined = the node knows of none. */
export function fixedReports(node: NodeState): readonly FixedReport[] | undefined {
  const records = [...node.fixed.values()].filter((record) => !hasLeft(node, record));
  if (records.length === 0) return undefined;
  return records
    .sort((one, other) => (one.pod < other.pod ? -1 : 1))
    .map((record) => ({
      pod: record.pod,
      address: record.address,
      epoch: record.epoch,
      state: stateOf(node, record),
      ...(isOwn(record) ? {} : { holder: record.holderName }),
      ...(record.expiresAtMs === undefined ? {} : { expiresAtMs: record.expiresAtMs }),
    }));
}

function stateOf(node: NodeState, record: FixedRecord): FixedReport["state"] {
  const isLeased = leaseOfFixed(node, record) !== undefined;
  if (!isOwn(record)) return isLeased ? "lost" : "leaving";
  if (isLeased) return "bound";
  return blockHere(node, record) === undefined ? "coming" : "parked";
}

/** What is said of the fixed address of a pod, or of an address that is one. */
export function fixedReasons(node: NodeState, subject: string): string[] {
  const record = [...node.fixed.values()].find(({ pod, address }) => address === subject || namesPod(subject, pod));
  if (record === undefined) return [];
  const { pod, address, epoch, holderName, expiresAtMs, subnetId } = record;
  const of = subnetId === "" ? "" : ` of ${subnetId}`;
  const said = {
    bound: "is its pod's now",
    parked: `waits here for its pod${expiresAtMs === undefined ? "" : `, until ${new Date(expiresAtMs).toISOString()}`}`,
    coming: "is on its way here",
    lost: `is with ${holderName || "another node"} by now: the pod that has it here cannot be reached`,
    leaving: `is with ${holderName || "nobody"} by now: no pod here gets it`,
  }[stateOf(node, record)];
  return [`${address}${of} is the address of ${pod} for life (epoch ${epoch}); it ${said}`];
}
