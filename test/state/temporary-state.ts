import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { systemClock } from "../../src/adapters/index.ts";
import { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from "../../src/state/index.ts";

export interface TemporaryState {
  readonly folder: string;
  readonly file: string;
  open(options?: Partial<SqliteStoreOptions>): SqliteStore;
}

const leftovers: (() => Promise<void> | void)[] = [];

/** A state file in a folder of its own. Stores opened through it are closed, and the folder goes, when the test ends. */
export function temporaryState(): TemporaryState {
  const folder = mkdtempSync(join(tmpdir(), "enid-state-"));
  const file = join(folder, "state.db");
  leftovers.push(() => rmSync(folder, { recursive: true, force: true }));
  return {
    folder,
    file,
    open(options = {}) {
      const store = openSqliteStore({ file, clock: systemClock, ...options });
      leftovers.push(() => store.close());
      return store;
    },
  };
}

afterEach(async () => {
  for (const clean of leftovers.splice(0).reverse()) await clean();
});

/** The error that `action` throws; fails when it throws none. */
export function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (thrown) {
    return thrown;
  }
  throw new Error("nothing was thrown");
}
