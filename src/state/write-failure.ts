import { EnidError } from "../errors.ts";

/** Why a commit was refused; carried as `details` of ENID_STATE_WRITE_FAILED. */
export interface WriteFailure {
  readonly reason: WriteFailureReason;
  /** Extended result code of SQLite (https://sqlite.org/rescode.html), when SQLite refused. */
  readonly sqliteCode?: number;
}

/**
 * `conflict`: it would break a promise (one lease per address, one per attachment, a block lies on a known interface).
 * `invalid`: a value that cannot be kept (a time that is no number, a value that JSON cannot hold).
 * `full`: no room on the disk or below the size limit. `storage`: the disk failed otherwise. `closed`: after close().
 * Only `full` and `storage` are worth another try.
 */
export type WriteFailureReason = "conflict" | "invalid" | "full" | "storage" | "closed";

export function writeFailed(detail: string, failure: WriteFailure, cause?: unknown): EnidError {
  return new EnidError("ENID_STATE_WRITE_FAILED", { detail }, { details: failure, cause });
}

/** The failure that an error of this room carries; undefined for any other error. */
export function writeFailureOf(error: unknown): WriteFailure | undefined {
  if (!(error instanceof EnidError) || error.code !== "ENID_STATE_WRITE_FAILED") return undefined;
  return error.details as WriteFailure;
}
