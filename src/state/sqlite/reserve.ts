import type { DatabaseSync } from "node:sqlite";
import { sizeOf } from "./files.ts";
import { pragmaNumber } from "./inspect.ts";

/** Free pages kept inside the file: about a thousand leases. */
const FREE_PAGES = 128;
/** The log is written back at this length; with FREE_PAGES it is what a full disk cannot take away. */
export const CHECKPOINT_PAGES = 1000;
/** The log may pass CHECKPOINT_PAGES by one transaction. */
const LOG_PAGES = CHECKPOINT_PAGES + 128;

/**
 * Takes room on the disk before it is needed. Nodes do run full (images, logs), and just then kubelet evicts pods: with
 * this room their ends are still written, and so are new leases until it is used up.
 *
 * Best effort: on a disk that is full already there is less room or none. Called before the size limit is set, which is
 * for the file and not for the log.
 */
export function reserveRoom(database: DatabaseSync, file: string, maxPages: number): void {
  try {
    // Left over when the process was killed in between.
    database.exec("DROP TABLE IF EXISTS reserve");
    if (pragmaNumber(database, "freelist_count") < FREE_PAGES / 2) growFile(database, maxPages);
    growLog(database, file);
  } catch {
    if (database.isTransaction) database.exec("ROLLBACK");
  }
}

function growFile(database: DatabaseSync, maxPages: number): void {
  if (pragmaNumber(database, "page_count") + FREE_PAGES > maxPages) return;
  // Written back before the table goes: pages that are freed in the log are never written, and would be holes.
  database.exec(`
    BEGIN IMMEDIATE; ${fillReserve(database, FREE_PAGES)}; COMMIT;
    PRAGMA wal_checkpoint(TRUNCATE);
    DROP TABLE reserve;
    PRAGMA wal_checkpoint(RESTART)`);
}

function growLog(database: DatabaseSync, file: string): void {
  if (sizeOf(`${file}-wal`) >= LOG_PAGES * pragmaNumber(database, "page_size")) return;
  // What does not fit the cache goes to the log at once; taken back, it leaves the log at its length.
  const cacheSize = pragmaNumber(database, "cache_size");
  database.exec(`
    PRAGMA cache_size = 16;
    BEGIN IMMEDIATE; ${fillReserve(database, LOG_PAGES)}; ROLLBACK;
    PRAGMA cache_size = ${cacheSize}`);
}

function fillReserve(database: DatabaseSync, pages: number): string {
  const sizeBytes = pages * pragmaNumber(database, "page_size");
  return `CREATE TABLE reserve (room BLOB) STRICT; INSERT INTO reserve VALUES (zeroblob(${sizeBytes}))`;
}
