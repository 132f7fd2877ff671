import type { Clock } from "../../adapters/index.ts";
import { coerceError, EnidError } from "../../errors.ts";
import type { Telemetry } from "../../manager/ports/index.ts";
import type { DeletionQueue, QueuedFile } from "./deletion-queue.ts";
import type { LeaseService } from "./port.ts";
import { type Deletion, readDeletion } from "./serve.ts";

export interface DeletionOptions {
  /** `deletionFiles(deletionFolder(socketPath))`. */
  readonly queue: DeletionQueue;
  readonly service: LeaseService;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
}

/** What one pass over the queue did, in files. */
export interface ReplayReport {
  /** Released durably, and removed. */
  readonly replayed: number;
  /** Not released; they stay for the next pass. */
  readonly failed: number;
  /** Not deletions; moved to `rejected`. */
  readonly rejected: number;
  /** Older than the lease of their attachment; removed without releasing it. */
  readonly outdated: number;
}

type Result = keyof ReplayReport;

/** Releases under way at once: enough for the store to make many durable in one commit. */
const IN_FLIGHT = 64;

/**
 * Ends the leases whose DEL came while no daemon answered. Call it before the socket is opened, so that a sandbox that
 * was deleted and made anew meets its old lease already ended. Safe to run twice, also at the same time: a file is
 * removed only after its release is durable, and releasing the unknown succeeds. Rejects with ENID_DELETION_QUEUE.
 */
export async function replayDeletions(options: DeletionOptions): Promise<ReplayReport> {
  const files = await options.queue.list(options.clock.nowMs());
  const report: Record<Result, number> = { replayed: 0, failed: 0, rejected: 0, outdated: 0 };
  let failure: EnidError | undefined;
  for (let start = 0; start < files.length; start += IN_FLIGHT) {
    const batch = files.slice(start, start + IN_FLIGHT).map(async (file) => {
      try {
        const result = await replay(file, options);
        if (result !== undefined) report[result] += 1;
      } catch (error) {
        report.failed += 1;
        failure ??= coerceError(error);
      }
    });
    await Promise.all(batch);
  }
  tell(report, failure, options);
  return report;
}

/** One file. Undefined: another pass took it. */
async function replay(file: QueuedFile, options: DeletionOptions): Promise<Result | undefined> {
  const { queue, service, telemetry } = options;
  let deletion: Deletion;
  try {
    const call = await queue.read(file);
    if (call === undefined) return undefined;
    deletion = readDeletion(call);
  } catch (error) {
    if (!(error instanceof EnidError)) throw error;
    const kept = await queue.reject(file);
    telemetry.event({
      name: "deletion-rejected",
      level: "warn",
      message: `queued deletion ${file.name} is not usable and was ${kept ? "moved to" : "dropped, for lack of room in"} ${queue.folder}/rejected: ${error.message}`,
      fields: { file: file.name, code: error.code },
    });
    return "rejected";
  }
  const { attachment, pod } = deletion;
  const lease = service.lookup(attachment);
  if (lease !== undefined && lease.leasedAtMs > file.queuedAtMs) {
    // Container ids of sandboxes are never used again, but Cilium's own (cilium-ingress-<node>) are.
    await queue.remove(file);
    telemetry.event({
      name: "deletion-outdated",
      level: "info",
      message: `queued deletion ${file.name} is older than the lease of ${lease.address} to ${attachment.containerId}; the lease stays`,
      fields: { file: file.name, address: lease.address, ...attachment },
    });
    return "outdated";
  }
  await service.remove(attachment, pod);
  await queue.remove(file);
  return "replayed";
}

function tell(report: ReplayReport, failure: EnidError | undefined, options: DeletionOptions): void {
  const { queue, telemetry } = options;
  if (report.replayed > 0) {
    telemetry.event({
      name: "deletions-replayed",
      level: "info",
      message: `queued deletions replayed: ${report.replayed}, from ${queue.folder}`,
      fields: { ...report },
    });
  }
  if (failure !== undefined) {
    telemetry.event({
      name: "deletions-deferred",
      level: "warn",
      message: `queued deletions that wait for the next pass: ${report.failed}, in ${queue.folder}: ${failure.code}: ${failure.message}`,
      fields: { ...report, code: failure.code },
    });
  }
}
