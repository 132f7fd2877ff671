import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { EnidError } from "../../errors.ts";
import { makePrivateFile } from "./files.ts";
import { messageOf, primaryCode, SQLITE_BUSY } from "./sqlite-error.ts";

export interface OwnerLock {
  release(): void;
}

/**
 * Makes this process the one owner of the state file until `release` or its death, whatever way it dies.
 *
 * The lock is a POSIX lock that SQLite holds on `<file>.lock`, an empty database beside the state: the kernel frees it
 * with the process, so no stale lock can be left behind, and the state itself stays readable for the `sqlite3` tool.
 * `<file>.pid` only serves the message of the one who comes second.
 *
 * @throws EnidError ENID_STATE_LOCKED, ENID_STATE_UNAVAILABLE
 */
export function takeOwnership(file: string): OwnerLock {
  const lockFile = `${file}.lock`;
  const pidFile = `${file}.pid`;
  let lock: DatabaseSync | undefined;
  try {
    makePrivateFile(lockFile);
    lock = new DatabaseSync(lockFile, { timeout: 0 });
    // A journal in memory: nothing is ever written to the lock file, so it leaves nothing beside it either.
    lock.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (thrown) {
    lock?.close();
    if (primaryCode(thrown) === SQLITE_BUSY) {
      throw new EnidError("ENID_STATE_LOCKED", { file, pid: ownerOf(pidFile) }, { cause: thrown });
    }
    throw new EnidError("ENID_STATE_UNAVAILABLE", { file, detail: `lock: ${messageOf(thrown)}` }, { cause: thrown });
  }
  tellOwner(pidFile);
  const held = lock;
  return {
    release() {
      rmSync(pidFile, { force: true });
      held.close();
    },
  };
}

function tellOwner(pidFile: string): void {
  try {
    rmSync(pidFile, { force: true });
    writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  } catch {
    // On a full disk there is none: the lock holds all the same.
  }
}

function ownerOf(pidFile: string): string {
  try {
    const pid = readFileSync(pidFile, "utf8").slice(0, 20).trim();
    return /^\d+$/.test(pid) ? pid : "unknown";
  } catch {
    return "unknown";
  }
}
