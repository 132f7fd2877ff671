import type { Cancel } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import { CALL_LIMIT_BYTES, type CniCall, readCall } from "./call.ts";

/** What the plugin left behind for one DEL that no daemon answered. */
export interface QueuedFile {
  /** `<hash>-<nanoseconds since the epoch>-<pid>.json` */
  readonly name: string;
  /** Wall ms at which the plugin queued it; NaN when the name is not one the plugin gives. */
  readonly queuedAtMs: number;
}

/** The queue of deletions as the daemon uses it: the plugin adds to it, the daemon reads and removes. */
export interface DeletionQueue {
  /** Where it lies, for messages: the folder. */
  readonly folder: string;
  /**
   * The whole files, oldest first and at most 10,000; removes what killed plugins left. Rejects with
   * ENID_DELETION_QUEUE when the queue cannot be read.
   *
   * @param nowMs wall ms
   */
  list(nowMs: number): Promise<readonly QueuedFile[]>;
  /** Undefined when the file has gone meanwhile; rejects with ENID_CNI_REQUEST when no plugin wrote it. */
  read(file: QueuedFile): Promise<CniCall | undefined>;
  /** Removing a file twice is harmless: two passes may meet. */
  remove(file: QueuedFile): Promise<void>;
  /** Puts the file aside for a person to look at; false when there is no room for it and the file was dropped. */
  reject(file: QueuedFile): Promise<boolean>;
  /**
   * Only of a queue that can tell: calls back once as soon as it holds a file, before this returns if it does already.
   * Such a queue need not be looked at while it is empty.
   */
  whenFilled?(callback: () => void): Cancel;
}

/** Files taken in one pass; the rest waits for the next. */
export const FILES_PER_PASS = 10_000;
/** Files put aside; further ones are dropped after their event. */
export const REJECTED_LIMIT = 100;

const NAME = /^[0-9a-f]{16}-(\d{10,20})-\d+\.json$/;

export function queuedFile(name: string): QueuedFile {
  const nanoseconds = NAME.exec(name)?.[1];
  return { name, queuedAtMs: nanoseconds === undefined ? Number.NaN : Number(BigInt(nanoseconds) / 1_000_000n) };
}

/** Rejects what no plugin named, before anything is read. */
export function requirePluginName(file: QueuedFile): void {
  if (Number.isNaN(file.queuedAtMs)) throw malformed("its name is not one that the plugin gives");
}

export function requireSize(sizeBytes: number): void {
  if (sizeBytes > CALL_LIMIT_BYTES) throw malformed(`it has ${sizeBytes} bytes, more than ${CALL_LIMIT_BYTES}`);
}

/** The call in a file's text. */
export function decodeQueued(text: string): CniCall {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw malformed("it is not JSON");
  }
  return readCall(body);
}

export function oldestFirst(a: QueuedFile, b: QueuedFile): number {
  return a.queuedAtMs - b.queuedAtMs || (a.name < b.name ? -1 : 1);
}

export function malformed(detail: string): EnidError {
  return new EnidError("ENID_CNI_REQUEST", { detail });
}
