import { constants } from "node:fs";
import { mkdir, open, opendir, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { coerceError, EnidError } from "../../errors.ts";
import {
  type DeletionQueue,
  decodeQueued,
  FILES_PER_PASS,
  malformed,
  oldestFirst,
  type QueuedFile,
  queuedFile,
  REJECTED_LIMIT,
  requirePluginName,
  requireSize,
} from "./deletion-queue.ts";

/** The files in the queue folder: written by native/del-queue.h, read and removed here. */

/** A plugin that was killed while it wrote leaves a temporary file; its caller got no success and tries again. */
const ABANDONED_AFTER_MS = 60 * 60 * 1000;

/** The queue folder of the daemon whose socket is `socketPath`. */
export function deletionFolder(socketPath: string): string {
  return join(dirname(socketPath), "del-queue");
}

/** The queue in `folder`. A missing folder is an empty queue: the plugin makes it when it needs it. */
export function deletionFiles(folder: string): DeletionQueue {
  return {
    folder,
    list: (nowMs) => list(folder, nowMs),
    read: (file) => read(folder, file),
    remove: (file) => remove(folder, file),
    reject: (file) => reject(folder, file),
  };
}

async function list(folder: string, nowMs: number): Promise<readonly QueuedFile[]> {
  const files: QueuedFile[] = [];
  try {
    for await (const entry of await opendir(folder)) {
      if (entry.name === "rejected") continue;
      if (entry.name.startsWith(".")) {
        await removeAbandoned(join(folder, entry.name), nowMs);
        continue;
      }
      files.push(queuedFile(entry.name));
      if (files.length >= FILES_PER_PASS) break;
    }
  } catch (error) {
    if (isMissing(error)) return [];
    throw new EnidError("ENID_DELETION_QUEUE", { folder, detail: coerceError(error).message }, { cause: error });
  }
  return files.sort(oldestFirst);
}

async function read(folder: string, file: QueuedFile): ReturnType<DeletionQueue["read"]> {
  requirePluginName(file);
  const text = await readText(join(folder, file.name)).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  return text === undefined ? undefined : decodeQueued(text);
}

async function remove(folder: string, file: QueuedFile): Promise<void> {
  await unlink(join(folder, file.name)).catch(ignoreMissing);
}

/** Moves the file to `rejected` beside it. */
async function reject(folder: string, file: QueuedFile): Promise<boolean> {
  const rejected = join(folder, "rejected");
  await mkdir(rejected, { recursive: true, mode: 0o700 });
  let kept = 0;
  for await (const _ of await opendir(rejected)) if (++kept >= REJECTED_LIMIT) break;
  if (kept >= REJECTED_LIMIT) {
    await remove(folder, file);
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
    requireSize(facts.size);
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

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
}
