import type { Clock } from "../adapters/index.ts";
import type { Store, StoredState } from "../manager/ports/index.ts";
import { createGroupCommit } from "./group-commit.ts";
import { MemoryTables } from "./memory-tables.ts";
import { LATEST_VERSION } from "./sqlite/migrations/index.ts";

export interface MemoryStoreOptions {
  readonly clock: Pick<Clock, "nextTurn">;
  /** What an earlier store held: a restart in the simulated world hands on `load()` of the store that died. */
  readonly initial?: StoredState;
}

/** The twin of the SQLite store for tests and the simulated world: the same promises, save that nothing outlives it. */
export function createMemoryStore({ clock, initial }: MemoryStoreOptions): Store {
  const tables = new MemoryTables();
  if (initial !== undefined) tables.restore(initial);

  const group = createGroupCommit(clock, tables.writeGroup);

  return {
    load: () => tables.state(),
    commit: (changes) => group.commit(changes),
    facts: () => ({ location: "memory", schemaVersion: LATEST_VERSION, sizeBytes: 0, ...group.counts() }),
    async close() {
      group.close();
    },
  };
}
