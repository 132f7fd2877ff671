import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/adapters/index.ts";
import type { Store } from "../../src/manager/ports/index.ts";
import { createMemoryStore, openSqliteStore } from "../../src/state/index.ts";
import { storeContract } from "../contracts/store.ts";

storeContract("the SQLite store", () => {
  const folder = mkdtempSync(join(tmpdir(), "enid-state-"));
  return {
    open: () => openSqliteStore({ file: join(folder, "state.db"), clock: systemClock }),
    dispose: () => rmSync(folder, { recursive: true }),
  };
});

storeContract("the memory store", () => {
  let last: Store | undefined;
  return {
    open() {
      last = createMemoryStore({ clock: systemClock, ...(last === undefined ? {} : { initial: last.load() }) });
      return last;
    },
    dispose() {},
  };
});
