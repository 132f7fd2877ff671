export { createMemoryStore, type MemoryStoreOptions } from "./memory-store.ts";
export type { Migration } from "./sqlite/migrations/index.ts";
export { openSqliteStore, type SqliteStore, type SqliteStoreOptions, type StoreOpening } from "./sqlite/open.ts";
export type { WriteFailure, WriteFailureReason } from "./write-failure.ts";
