import { renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { EnidError } from "../../errors.ts";
import { makePrivateFile, syncToDisk } from "./files.ts";
import { APPLICATION_ID } from "./inspect.ts";
import type { Migration } from "./migrations/index.ts";
import { messageOf } from "./sqlite-error.ts";

/** Makes the schema of a fresh file. Killed before its commit, the file is still fresh. */
export function createSchema(database: DatabaseSync, migrations: readonly Migration[]): void {
  runAll(database, migrations, migrations.length);
}

/**
 * Brings the file from an older schema version to the newest, all or nothing, after a copy of it was made beside it.
 *
 * @returns the path of the copy: `<file>.v<version>.backup`
 * @throws EnidError ENID_STATE_MIGRATION_FAILED; the file holds what it held then
 */
export function migrate(
  database: DatabaseSync,
  file: string,
  fromVersion: number,
  migrations: readonly Migration[],
): string {
  const due = migrations.slice(fromVersion);
  try {
    const backupFile = backUp(database, file, fromVersion);
    runAll(database, due, migrations.length);
    return backupFile;
  } catch (thrown) {
    const values = { file, found: fromVersion, known: migrations.length, detail: messageOf(thrown) };
    throw new EnidError("ENID_STATE_MIGRATION_FAILED", values, { cause: thrown });
  }
}

/** A complete copy under its final name, or none: written aside, brought to disk, then renamed. */
function backUp(database: DatabaseSync, file: string, version: number): string {
  const backupFile = `${file}.v${version}.backup`;
  const partialFile = `${backupFile}.partial`;
  rmSync(partialFile, { force: true });
  try {
    makePrivateFile(partialFile);
    database.prepare("VACUUM INTO ?").run(partialFile);
    syncToDisk(partialFile);
    renameSync(partialFile, backupFile);
    syncToDisk(dirname(file));
  } finally {
    rmSync(partialFile, { force: true });
  }
  return backupFile;
}

function runAll(database: DatabaseSync, due: readonly Migration[], toVersion: number): void {
  database.exec("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE");
  try {
    for (const migration of due) migration.apply(database);
    if (database.prepare("PRAGMA foreign_key_check").get() !== undefined) {
      throw new Error("the migrated tables refer to rows that are not there");
    }
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${toVersion}; COMMIT`);
  } catch (thrown) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw thrown;
  } finally {
    database.exec("PRAGMA foreign_keys = ON");
  }
}
