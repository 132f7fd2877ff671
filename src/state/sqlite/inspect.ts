import { lstatSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { EnidError } from "../../errors.ts";
import { sizeOf } from "./files.ts";
import { messageOf, primaryCode, SQLITE_CORRUPT, SQLITE_NOTADB } from "./sqlite-error.ts";

/** "enid" in ASCII: tells a state of enid from any other SQLite database. */
export const APPLICATION_ID = 0x656e6964;

export type Inspection = { readonly kind: "fresh" } | { readonly kind: "existing"; readonly version: number };

/**
 * Looks at the state file without changing it: whether there is one, whether it is sound, and its schema version.
 * A write-ahead log that ends in the middle of a transaction is sound: it is what a crash leaves.
 *
 * @throws EnidError ENID_STATE_CORRUPT, ENID_STATE_NEWER, ENID_STATE_UNAVAILABLE
 */
export function inspect(file: string, knownVersion: number): Inspection {
  const entry = lstatSync(file, { throwIfNoEntry: false });
  if (entry !== undefined && !entry.isFile()) {
    throw new EnidError("ENID_STATE_UNAVAILABLE", { file, detail: "it is not a regular file" });
  }
  const walBytes = sizeOf(`${file}-wal`);
  if (entry === undefined || entry.size === 0) {
    if (walBytes === 0) return { kind: "fresh" };
    // SQLite would delete the log of a missing file: leases would be lost without a word.
    throw corrupt(file, `it is ${entry === undefined ? "missing" : "empty"}, but ${file}-wal holds changes of it`);
  }
  let database: DatabaseSync | undefined;
  try {
    database = openReadOnly(file, walBytes > 0);
    return inspectDatabase(database, file, knownVersion);
  } catch (thrown) {
    throw openFailed(file, thrown);
  } finally {
    database?.close();
  }
}

/** What an error while the state file is opened means. */
export function openFailed(file: string, thrown: unknown): EnidError {
  if (thrown instanceof EnidError) return thrown;
  const code = primaryCode(thrown);
  if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) return corrupt(file, messageOf(thrown), thrown);
  return new EnidError("ENID_STATE_UNAVAILABLE", { file, detail: messageOf(thrown) }, { cause: thrown });
}

export function corrupt(file: string, detail: string, cause?: unknown): EnidError {
  return new EnidError("ENID_STATE_CORRUPT", { file, detail }, { cause });
}

/**
 * With a log, it is read through the log and closing does not write it back. Without one, `immutable` keeps SQLite from
 * making an empty log beside the file; nobody else can write, since the caller owns the state.
 */
function openReadOnly(file: string, hasLog: boolean): DatabaseSync {
  if (hasLog) return new DatabaseSync(file, { readOnly: true });
  const url = pathToFileURL(file);
  url.searchParams.set("immutable", "1");
  return new DatabaseSync(url, { readOnly: true });
}

function inspectDatabase(database: DatabaseSync, file: string, knownVersion: number): Inspection {
  const applicationId = pragmaNumber(database, "application_id");
  const version = pragmaNumber(database, "user_version");
  const { tables } = database.prepare("SELECT count(*) AS tables FROM sqlite_schema").get() ?? {};
  // Killed after the file was made and before its schema was committed.
  if (applicationId === 0 && version === 0 && tables === 0) return { kind: "fresh" };
  if (applicationId !== APPLICATION_ID || version < 1) {
    throw corrupt(file, "it is an SQLite database, but not a state of enid");
  }
  if (version > knownVersion) {
    throw new EnidError("ENID_STATE_NEWER", { file, found: version, known: knownVersion });
  }
  // The full check, not quick_check: it also compares each table with its indexes, which are what keeps leases unique.
  const problems = database.prepare("PRAGMA integrity_check(3)").all();
  const texts = problems.map((row) => String(row.integrity_check));
  if (texts.join() !== "ok") throw corrupt(file, texts.join("; "));
  if (database.prepare("PRAGMA foreign_key_check").get() !== undefined) {
    throw corrupt(file, "a block refers to an interface that is not there");
  }
  return { kind: "existing", version };
}

export function pragmaNumber(database: DatabaseSync, name: string): number {
  const value = database.prepare(`PRAGMA ${name}`).get()?.[name];
  if (typeof value !== "number") throw new Error(`PRAGMA ${name} gave ${String(value)}`);
  return value;
}
