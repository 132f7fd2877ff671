import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/adapters/index.ts";
import { openSqliteStore } from "../../src/state/index.ts";
import { lease } from "../contracts/store-records.ts";
import { type TemporaryState, temporaryState, thrownBy } from "./temporary-state.ts";

describe("a new state", () => {
  test("is made with its folder, for its owner alone, and says so", async () => {
    const state = temporaryState();
    const folder = join(state.folder, "var", "enid");
    const file = join(folder, "state.db");
    const store = openSqliteStore({ file, clock: systemClock });
    expect(store.opening).toEqual({ created: true });
    for (const name of readdirSync(folder)) expect([name, modeOf(join(folder, name))]).toEqual([name, 0o600]);
    expect(modeOf(folder)).toBe(0o700);
    expect(modeOf(join(state.folder, "var"))).toBe(0o700);
    expect(store.facts()).toMatchObject({ location: file, schemaVersion: 5 });
    await store.close();
    expect(readdirSync(folder).toSorted()).toEqual(["state.db", "state.db.lock"]);
  });

  test("is not new when it is opened again, and a readable file is closed to others", async () => {
    const state = temporaryState();
    await state.open().close();
    chmodSync(state.file, 0o644);
    expect(state.open().opening).toEqual({ created: false });
    expect(modeOf(state.file)).toBe(0o600);
  });

  test("is made where a process died before it had written anything", () => {
    const empty = temporaryState();
    writeFileSync(empty.file, "");
    expect(empty.open().opening.created).toBe(true);

    const headed = temporaryState();
    const database = new DatabaseSync(headed.file);
    database.exec("PRAGMA journal_mode = WAL");
    database.close();
    expect(headed.open().opening.created).toBe(true);
  });

  test("cannot be made where the folder may not be made or the name is taken by something else", () => {
    const state = temporaryState();
    writeFileSync(join(state.folder, "file"), "");
    for (const file of [join(state.folder, "file", "state.db"), "/proc/enid/state.db"]) {
      expect(thrownBy(() => openSqliteStore({ file, clock: systemClock }))).toMatchObject({
        code: "ENID_STATE_UNAVAILABLE",
      });
    }
    mkdirSync(state.file);
    expect(thrownBy(() => state.open())).toMatchObject({ code: "ENID_STATE_UNAVAILABLE" });
    rmSync(state.file, { recursive: true });
    symlinkSync("/etc/passwd", state.file);
    expect(thrownBy(() => state.open())).toMatchObject({ code: "ENID_STATE_UNAVAILABLE" });
  });
});

describe("a state from a newer enid", () => {
  test("is refused, byte for byte unchanged", async () => {
    const state = await stateWithLeases(10);
    const database = new DatabaseSync(state.file);
    database.exec("PRAGMA user_version = 7; PRAGMA journal_mode = DELETE");
    database.close();
    expectRefusedUnchanged(state, { code: "ENID_STATE_NEWER", values: { found: 7, known: 5 } });
  });

  test("is refused with what its log says, and neither is changed", async () => {
    const state = await stateWithLeases(10);
    await killedWith(state, "database.exec('PRAGMA user_version = 7')");
    expect(statSync(`${state.file}-wal`).size).toBeGreaterThan(0);
    expectRefusedUnchanged(state, { code: "ENID_STATE_NEWER", values: { found: 7, known: 5 } });
  });
});

describe("a state that cannot be used", () => {
  test.each<[string, (state: TemporaryState) => void, string]>([
    ["that is no database", ({ file }) => writeFileSync(file, "leases: []\n"), "file is not a database"],
    ["of zeros", ({ file }) => writeFileSync(file, new Uint8Array(8192)), "file is not a database"],
    ["that was cut", ({ file }) => truncateSync(file, 8192), "database disk image is malformed"],
    ["with a page overwritten", overwritePages, ""],
    ["that is empty beside its log", emptyBesideLog, "it is empty, but"],
    ["that is missing beside its log", missingBesideLog, "it is missing, but"],
    ["of another program", otherProgram, "it is an SQLite database, but not a state of enid"],
    ["with a table missing", ({ file }) => alter(file, "DROP TABLE intents"), "no such table: intents"],
    ["with an index that lacks the leases", swapIndexes, "missing from index"],
  ])("%s is refused and stays as it is", async (_what, damage, detail) => {
    const state = await stateWithLeases(300);
    damage(state);
    expectRefusedUnchanged(state, { code: "ENID_STATE_CORRUPT", message: expect.stringContaining(detail) });
  });

  test("but a log that ends in the middle of a transaction is what a crash leaves, and is fine", async () => {
    const state = await stateWithLeases(5);
    await killedWith(
      state,
      `database.exec("PRAGMA wal_autocheckpoint = 0; UPDATE meta SET boot_id = 'kept'");
       database.exec("UPDATE meta SET boot_id = 'torn'")`,
    );
    truncateSync(`${state.file}-wal`, statSync(`${state.file}-wal`).size - 100);
    const { bootId, leases } = state.open().load();
    expect(bootId).toBe("kept");
    expect(leases).toHaveLength(5);
  });
});

describe("the one owner", () => {
  test("in this process is told from a second one, which learns its process id", async () => {
    const state = temporaryState();
    const first = state.open();
    expect(thrownBy(() => state.open())).toMatchObject({
      code: "ENID_STATE_LOCKED",
      message: `the state ${state.file} is in use by another enid (process ${process.pid})`,
    });
    // The refused one must not have loosened the lock of the first.
    expect(thrownBy(() => state.open())).toMatchObject({ code: "ENID_STATE_LOCKED" });
    await first.commit([{ kind: "boot-started", bootId: "b" }]);
    await first.close();
    expect(state.open().load().bootId).toBe("b");
  });

  test("in another process holds it until kill -9, and then it is free at once", async () => {
    const state = temporaryState();
    for (let round = 0; round < 3; round += 1) {
      const writer = fileURLToPath(new URL("./lease-writer.ts", import.meta.url));
      const owner = spawn(process.execPath, [writer, state.file, String(round)], {
        stdio: ["ignore", "pipe", "ignore"],
      });
      const ended = once(owner, "exit");
      await once(owner.stdout, "data");
      owner.stdout.resume();
      expect(thrownBy(() => state.open())).toMatchObject({
        code: "ENID_STATE_LOCKED",
        values: { pid: String(owner.pid) },
      });
      owner.kill("SIGKILL");
      await ended;
      const store = state.open();
      expect(store.load().leases.length).toBeGreaterThan(0);
      await store.close();
    }
  });

  test("does not keep an operator from reading the file", async () => {
    const state = temporaryState();
    const store = state.open();
    await store.commit([{ kind: "lease-put", lease: lease("10.0.0.5", "a") }]);
    const reader = new DatabaseSync(state.file, { readOnly: true });
    expect(reader.prepare("SELECT address FROM leases").all()).toMatchObject([{ address: "10.0.0.5" }]);
    reader.close();
    await store.commit([{ kind: "lease-put", lease: lease("10.0.0.6", "b") }]);
    expect(thrownBy(() => state.open())).toMatchObject({ code: "ENID_STATE_LOCKED" });
  });

  test("is unknown when its file with the process id is gone", () => {
    const state = temporaryState();
    state.open();
    rmSync(`${state.file}.pid`);
    expect(thrownBy(() => state.open())).toMatchObject({ code: "ENID_STATE_LOCKED", values: { pid: "unknown" } });
  });
});

async function stateWithLeases(count: number): Promise<TemporaryState> {
  const state = temporaryState();
  const store = state.open({ maxSizeBytes: 1024 * 1024 });
  const calls = Array.from({ length: count }, (_, index) =>
    store.commit([{ kind: "lease-put", lease: lease(`10.0.${index >> 8}.${index & 255}`, `container-${index}`) }]),
  );
  await Promise.all(calls);
  await store.close();
  return state;
}

/** Runs statements on the file in a process that then dies by kill -9, so that the log stays. */
async function killedWith({ file }: TemporaryState, statements: string): Promise<void> {
  const script = `
    const database = new (require("node:sqlite").DatabaseSync)(${JSON.stringify(file)});
    ${statements};
    process.kill(process.pid, "SIGKILL");`;
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "-e", script], { stdio: "inherit" });
  const [, signal] = await once(child, "exit");
  expect(signal).toBe("SIGKILL");
}

function expectRefusedUnchanged(state: TemporaryState, error: object): void {
  const before = contents(state);
  expect(thrownBy(() => state.open())).toMatchObject(error);
  expect(contents(state)).toEqual(before);
  // Refusing frees the lock again.
  expect(thrownBy(() => state.open())).toMatchObject(error);
}

function contents({ file }: TemporaryState): (string | undefined)[] {
  return [file, `${file}-wal`].map((path) => (existsSync(path) ? readFileSync(path).toString("base64") : undefined));
}

function overwritePages({ file }: TemporaryState): void {
  const bytes = readFileSync(file);
  bytes.fill(0x5a, 4096 * 5, 4096 * 9);
  writeFileSync(file, bytes);
}

function emptyBesideLog({ file }: TemporaryState): void {
  copyFileSync(file, `${file}-wal`);
  truncateSync(file, 0);
}

function missingBesideLog({ file }: TemporaryState): void {
  copyFileSync(file, `${file}-wal`);
  rmSync(file);
}

function otherProgram({ file }: TemporaryState): void {
  rmSync(file);
  alter(file, "CREATE TABLE places (url TEXT)");
}

/** Swaps the index that keeps attachments unique with another one: each table and each page is sound in itself. */
function swapIndexes({ file }: TemporaryState): void {
  const rootOf = (condition: string) => `(SELECT rootpage FROM sqlite_schema WHERE ${condition})`;
  const leases = "name LIKE 'sqlite_autoindex_leases_%'";
  const blocks = "name = 'blocks_by_interface'";
  alter(
    file,
    `CREATE TEMP TABLE roots AS SELECT ${rootOf(leases)} AS leases, ${rootOf(blocks)} AS blocks;
     PRAGMA writable_schema = ON;
     UPDATE sqlite_schema SET rootpage = (SELECT blocks FROM roots) WHERE ${leases};
     UPDATE sqlite_schema SET rootpage = (SELECT leases FROM roots) WHERE ${blocks}`,
  );
}

function alter(file: string, statements: string): void {
  const database = new DatabaseSync(file, { defensive: false });
  database.exec(statements);
  database.close();
}

function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}
