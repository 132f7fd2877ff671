import type { Change, StoredState } from "./records.ts";

/**
 * Durable state of the node. Implementations: state/sqlite and its in-memory twin, both held by
 * test/contracts/store.ts.
 */
export interface Store {
  /** All that is durable. Synchronous: called at the start, before anything is served. */
  load(): StoredState;

  /**
   * Makes all changes durable together. Resolves after they reached the disk (fsync); rejects with
   * ENID_STATE_WRITE_FAILED when they did not, and then none of them did. Commits are applied in the order of the calls.
   * Calls of one turn of the loop share one transaction, yet one call that cannot be written fails alone where
   * possible.
   */
  commit(changes: readonly Change[]): Promise<void>;

  /** For status and metrics. */
  facts(): StoreFacts;

  /** Flushes what was committed and releases the file. Later calls reject. */
  close(): Promise<void>;
}

export interface StoreFacts {
  /** Path, or "memory". */
  readonly location: string;
  readonly schemaVersion: number;
  readonly sizeBytes: number;
  /** Transactions and changes since the store was opened. */
  readonly transactions: number;
  readonly changes: number;
  readonly failures: number;
}
