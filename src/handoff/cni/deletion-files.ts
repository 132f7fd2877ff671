import { constants } from "node:fs";
import { mkdir, open, opendir, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { coerceError, EnidError } from "../../errors.ts";
import { CALL_LIMIT_BYTES, type CniCall, readCall } from "./call.ts";

/** The files in the queue folder: written by native/del-queue.h, read and removed here. */

/** Files taken in one pass; the rest waits for the next. */
const FILES_PER_PASS = 10_000;
/** Files kept for a person to look at; further ones are dropped after their event. */
const REJECTED_LIMIT = 100;
/** A plugin that was killed while it wrote leaves a temporary file; its caller got no success and tries again. */
const ABANDONED_AFTER_MS = 60 * 60 * 1000;

/** `<hash>-<nanoseconds since the epoch>-<pid>.json` */
const NAME = /^[0-9a-f]{16}-(\d{10,20})-\d+\.json$/;

export interface QueuedFile {
  readonly name: string;
  /** Wall ms at which the plugin queued it; NaN when the name is not one the plugin gives. */
  readonly queuedAtMs: number;
}

/** The queue of the daemon whose socket is `socketPath`. */
export function deletionFolder(socketPath: string): string {
  return join(dirname(socketPath), "del-queue");
}

/** The whole files of the queue, oldest first; removes what killed plugins left. A missing folder is an empty queue. */
export async function listQueue(folder: string, nowMs: number): Promise<readonly QueuedFile[]> {
  const files: QueuedFile[] = [];
  try {
    for await (const entry of await opendir(folder)) {
      if (entry.name === "rejected") continue;
      if (entry.name.startsWith(".")) {
        await removeAbandoned(join(folder, entry.name), nowMs);
        continue;
      }
      files.push({ name: entry.name, queuedAtMs: queuedAtMs(entry.name) });
      if (files.length >= FILES_PER_PASS) break;
    }
  } catch (error) {
    if (isMissing(error)) return [];
    throw new EnidError("ENID_DELETION_QUEUE", { folder, detail: coerceError(error).message }, { cause: error });
  }
  return files.sort((a, b) => a.queuedAtMs - b.queuedAtMs || (a.name < b.name ? -1 : 1));
}

/** Undefined when the file has gone meanwhile; rejects with ENID_CNI_REQUEST when no plugin wrote it. */
export async function readQueued(folder: string, file: QueuedFile): Promise<CniCall | undefined> {
  if (Number.isNaN(file.queuedAtMs)) throw malformed("its name is not one that the plugin gives");
  const text = await readText(join(folder, file.name)).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw malformed("it is not JSON");
  }
  return readCall(body);
}

/** Removing a file twice is harmless: two passes may meet. */
export async function removeQueued(folder: string, file: QueuedFile): Promise<void> {
  await unlink(join(folder, file.name)).catch(ignoreMissing);
}

/** Moves the file to `rejected` beside it; false when that folder is full and the file was dropped. */
export async function rejectQueued(folder: string, file: QueuedFile): Promise<boolean> {
  const rejected = join(folder, "rejected");
  await mkdir(rejected, { recursive: true, mode: 0o700 });
  let kept = 0;
  for await (const _ of await opendir(rejected)) if (++kept >= REJECTED_LIMIT) break;
  if (kept >= REJECTED_LIMIT) {
    await removeQueued(folder, file);
    return false;
  }
  await rename(join(folder, file.name), join(rejected, file.name)).catch(ignoreMissing);
  return true;
}

async function readText(path: string): Promise<string> {
  // No link is followed and nothing can block: the folder is root's, but a mistake there must not stop the daemon.
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: NodeJS.ErrnoException) => {
      throw error.code === "ELOOP" ? malformed("it is a link") : error;
    },
  );
  try {
    const facts = await handle.stat();
    if (!facts.isFile()) throw malformed("it is not a regular file");
    if (facts.size > CALL_LIMIT_BYTES) throw malformed(`it has ${facts.size} bytes, more than ${CALL_LIMIT_BYTES}`);
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}

async function removeAbandoned(path: string, nowMs: number): Promise<void> {
  try {
    if ((await stat(path)).mtimeMs < nowMs - ABANDONED_AFTER_MS) await unlink(path);
  } catch (error) {
    ignoreMissing(error);
  }
}

function queuedAtMs(name: string): number {
  const nanoseconds = NAME.exec(name)?.[1];
  return nanoseconds === undefined ? Number.NaN : Number(BigInt(nanoseconds) / 1_000_000n);
}

function malformed(detail: string): EnidError {
  return new EnidError("ENID_CNI_REQUEST", { detail });
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
}
