import { chmodSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Clock } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import type { Store, StoredState } from "../../manager/ports/index.ts";
import { createGroupCommit, type WriteGroup } from "../group-commit.ts";
import { makeFolder, makePrivateFile, sizeOf } from "./files.ts";
import { corrupt, inspect, openFailed, pragmaNumber } from "./inspect.ts";
import { loadState } from "./load.ts";
import { createSchema, migrate } from "./migrate.ts";
import { MIGRATIONS, type Migration } from "./migrations/index.ts";
import { type OwnerLock, takeOwnership } from "./owner-lock.ts";
import { CHECKPOINT_PAGES, reserveRoom } from "./reserve.ts";
import { messageOf } from "./sqlite-error.ts";
import { createWriteGroup, limitPages } from "./write-group.ts";

export interface SqliteStoreOptions {
  /** The folder is made when it is missing. */
  readonly file: string;
  readonly clock: Pick<Clock, "nextTurn">;
  /** How large the file may become; its log comes on top, a few MiB. Default 256 MiB: far more than a node can need. */
  readonly maxSizeBytes?: number;
  /** For tests of the machinery. */
  readonly migrations?: readonly Migration[];
}

export interface SqliteStore extends Store {
  /** What opening found and did. */
  readonly opening: StoreOpening;
}

/** The open file without the waiting: what is handed to `writeGroup` is durable, or refused, when the call returns. */
export interface SqliteTables {
  readonly opening: StoreOpening;
  readonly schemaVersion: number;
  /** @throws EnidError ENID_STATE_UNAVAILABLE after close(), ENID_STATE_CORRUPT */
  load(): StoredState;
  readonly writeGroup: WriteGroup;
  /** Of the file and its log. */
  sizeBytes(): number;
  /** Writes the log back and gives the file free. A second call does nothing. */
  close(): void;
}

export interface StoreOpening {
  /** There was no state. */
  readonly created: boolean;
  /** Present when the file had an older schema version. `backupFile` holds it as it was. */
  readonly migrated?: { readonly fromVersion: number; readonly toVersion: number; readonly backupFile: string };
}

const DEFAULT_MAX_SIZE_BYTES = 256 * 1024 * 1024;
/** How long an operator's `sqlite3` that writes to the file may hold up opening, and the loop in a commit. */
const OPEN_TIMEOUT_MS = 1_000;
const COMMIT_TIMEOUT_MS = 100;
/** Above the reserve: one large transaction must not keep the log long for ever. */
const LOG_LIMIT_BYTES = 8 * 1024 * 1024;

/**
 * Opens the durable state of the node and makes this process its one owner until close() or its death. Synchronous.
 *
 * @throws EnidError ENID_STATE_LOCKED, ENID_STATE_NEWER, ENID_STATE_CORRUPT, ENID_STATE_UNAVAILABLE,
 *   ENID_STATE_MIGRATION_FAILED. The state was not changed by any of them.
 */
export function openSqliteStore(options: SqliteStoreOptions): SqliteStore {
  const tables = openSqliteTables(options);
  const { opening, schemaVersion } = tables;
  const location = resolve(options.file);
  const group = createGroupCommit(options.clock, tables.writeGroup);
  return {
    opening,
    load: () => tables.load(),
    commit: (changes) => group.commit(changes),
    facts: () => ({
      location,
      schemaVersion,
      sizeBytes: tables.sizeBytes(),
      ...group.counts(),
    }),
    async close() {
      group.close();
      tables.close();
    },
  };
}

/** What openSqliteStore() stands on, for those that wait in their own way. Opens, and throws, as it does. */
export function openSqliteTables(options: Omit<SqliteStoreOptions, "clock">): SqliteTables {
  const file = resolve(options.file);
  try {
    makeFolder(dirname(file));
  } catch (cause) {
    throw new EnidError("ENID_STATE_UNAVAILABLE", { file, detail: messageOf(cause) }, { cause });
  }
  const ownership = takeOwnership(file);
  let database: DatabaseSync | undefined;
  try {
    const migrations = options.migrations ?? MIGRATIONS;
    const inspection = inspect(file, migrations.length);
    makePrivateFile(file);
    chmodSync(file, 0o600);
    database = new DatabaseSync(file, { timeout: OPEN_TIMEOUT_MS });
    configure(database);
    let opening: StoreOpening = { created: inspection.kind === "fresh" };
    if (inspection.kind === "fresh") {
      createSchema(database, migrations);
    } else if (inspection.version < migrations.length) {
      const backupFile = migrate(database, file, inspection.version, migrations);
      opening = {
        created: false,
        migrated: { fromVersion: inspection.version, toVersion: migrations.length, backupFile },
      };
    }
    return serve(database, file, ownership, opening, options);
  } catch (thrown) {
    database?.close();
    ownership.release();
    throw openFailed(file, thrown);
  }
}

function configure(database: DatabaseSync): void {
  const { journal_mode: mode } = database.prepare("PRAGMA journal_mode = WAL").get() ?? {};
  if (mode !== "wal")
    throw new Error(`the file system does not allow a write-ahead log (journal mode ${String(mode)})`);
  database.exec(`
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
    PRAGMA journal_size_limit = ${LOG_LIMIT_BYTES};
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF`);
}

function serve(
  database: DatabaseSync,
  file: string,
  ownership: OwnerLock,
  opening: StoreOpening,
  { maxSizeBytes = DEFAULT_MAX_SIZE_BYTES }: Pick<SqliteStoreOptions, "maxSizeBytes">,
): SqliteTables {
  const schemaVersion = pragmaNumber(database, "user_version");
  const maxPages = Math.max(1, Math.floor(maxSizeBytes / pragmaNumber(database, "page_size")));
  reserveRoom(database, file, maxPages);
  limitPages(database, maxPages);
  const writeGroup = writeGroupOf(database, file, maxPages);
  database.exec(`PRAGMA busy_timeout = ${COMMIT_TIMEOUT_MS}`);
  let open = true;

  return {
    opening,
    schemaVersion,
    load(): StoredState {
      if (!open) throw new EnidError("ENID_STATE_UNAVAILABLE", { file, detail: "it is closed" });
      try {
        return loadState(database);
      } catch (cause) {
        throw corrupt(file, messageOf(cause), cause);
      }
    },
    writeGroup,
    sizeBytes: () => sizeOf(file) + sizeOf(`${file}-wal`),
    close() {
      if (!open) return;
      open = false;
      try {
        writeBack(database);
        database.close();
      } finally {
        ownership.release();
      }
    },
  };
}

/** The statements are prepared here: a file of the right version that lacks a table or column is not a sound one. */
function writeGroupOf(database: DatabaseSync, file: string, maxPages: number): WriteGroup {
  try {
    return createWriteGroup(database, maxPages);
  } catch (cause) {
    throw corrupt(file, messageOf(cause), cause);
  }
}

/** Moves the log into the file. What a full disk refuses stays in the log, which the next open reads. */
function writeBack(database: DatabaseSync): void {
  try {
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  } catch {
    // Nothing is lost by it.
  }
}
