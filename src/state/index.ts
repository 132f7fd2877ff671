export { type Call, createGroupCommit, type GroupCommit, type WriteGroup } from "./group-commit.ts";
export { createMemoryStore, type MemoryStoreOptions } from "./memory-store.ts";
export { MemoryTables } from "./memory-tables.ts";
export { LATEST_VERSION, type Migration } from "./sqlite/migrations/index.ts";
export {
  openSqliteStore,
  openSqliteTables,
  type SqliteStore,
  type SqliteStoreOptions,
  type SqliteTables,
  type StoreOpening,
} from "./sqlite/open.ts";
export { type WriteFailure, type WriteFailureReason, writeFailed } from "./write-failure.ts";
