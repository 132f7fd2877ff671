import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { EnidError } from "../../../errors.ts";
import type { StoredState } from "../../../manager/ports/index.ts";
import { type Call, MemoryTables, openSqliteTables, type SqliteTables, type WriteGroup } from "../../../state/index.ts";
import type { Dice } from "../../engine/index.ts";
import type { Life, Medium } from "./medium.ts";
import { tearLog } from "./torn-log.ts";
import type { Cut, CutReport } from "./types.ts";

/** Where the daemon of the simulated machine has its state. Not the path of the test's folder: runs must be alike. */
const LOCATION = "/var/lib/enid/state.db";

/**
 * Keeps the real state file in a folder of the real disk. A cut leaves what a real one leaves, in a new folder: the file as
 * it is, and its log with the interrupted write as far as it came. What finds its way through that is SQLite's own recovery.
 */
export function sqliteMedium(folder: string): Medium {
  let lives = 1;
  let file = fileOfLife();
  /** What the file holds, in memory; undefined after a cut, until somebody looks. */
  let twin: MemoryTables | undefined = new MemoryTables();

  function fileOfLife(): string {
    return join(folder, `life-${lives}`, "state.db");
  }

  function start(): Life {
    const tables = openSqliteTables({ file });
    twin = twinOf(tables.load());
    return {
      load: () => tables.load(),
      write: (calls) => write(tables, calls),
      facts: () => ({ location: LOCATION, schemaVersion: tables.schemaVersion, sizeBytes: tables.sizeBytes() }),
      stop: () => tables.close(),
      cut: (how, inFlight, dice) => cut(tables, how, inFlight, dice),
    };
  }

  function write(tables: SqliteTables, calls: readonly Call[]): ReturnType<WriteGroup> {
    const result = tables.writeGroup(calls);
    const written = calls.filter((_, index) => result.outcomes[index] === undefined);
    const refusal = twin?.writeGroup(written).outcomes.find((outcome) => outcome !== undefined);
    if (refusal !== undefined) {
      const detail = `the state file took a change that its twin in memory refuses: ${refusal.message}`;
      throw new EnidError("ENID_INTERNAL", { detail }, { cause: refusal });
    }
    return result;
  }

  function cut(tables: SqliteTables, how: Cut, inFlight: readonly Call[], dice: Dice): CutReport {
    const done = how === "crash" ? dice.between(0, inFlight.length) : 0;
    if (done > 0) tables.writeGroup(inFlight.slice(0, done));
    const interrupted = inFlight.slice(done);
    const cutFile = file;
    lives += 1;
    file = fileOfLife();
    mkdirSync(dirname(file), { recursive: true });
    // Closing what copies the file drops SQLite's locks on it. Nobody else is there to miss them.
    copyFileSync(cutFile, file);
    const synced = logOf(cutFile);
    const { transactions } = interrupted.length === 0 ? { transactions: 0 } : tables.writeGroup(interrupted);
    const target = logOf(cutFile);
    tables.close();
    rmSync(dirname(cutFile), { recursive: true });
    twin = undefined;
    if (transactions === 0 || (transactions > 1 && !isOneRun(synced, target))) {
      writeFileSync(logFileOf(file), synced);
      return { inFlight: inFlight.length, written: done };
    }
    const torn = tearLog(synced, target, how === "crash" ? "prefix" : "sectors", dice);
    writeFileSync(logFileOf(file), torn.bytes);
    return { inFlight: inFlight.length, written: torn.whole ? inFlight.length : done, torn: torn.write };
  }

  /** Reads the file without a trace: on a copy, since opening it would mend what the next life is to find. */
  function look(): MemoryTables {
    const copy = join(folder, "look", "state.db");
    mkdirSync(dirname(copy), { recursive: true });
    try {
      copyFileSync(file, copy);
      copyFileSync(logFileOf(file), logFileOf(copy));
      const tables = openSqliteTables({ file: copy });
      try {
        return twinOf(tables.load());
      } finally {
        tables.close();
      }
    } finally {
      rmSync(dirname(copy), { recursive: true });
    }
  }

  return {
    durable() {
      twin ??= look();
      return twin;
    },
    start,
  };
}

function twinOf(state: StoredState): MemoryTables {
  const tables = new MemoryTables();
  tables.restore(state);
  return tables;
}

function logFileOf(file: string): string {
  return `${file}-wal`;
}

function logOf(file: string): Buffer {
  const log = logFileOf(file);
  return existsSync(log) ? readFileSync(log) : Buffer.alloc(0);
}

/** Whether the log was only appended to. Begun anew between two transactions, it lacks what the first of them synced. */
function isOneRun(before: Buffer, after: Buffer): boolean {
  return before.subarray(0, 32).equals(after.subarray(0, 32));
}
