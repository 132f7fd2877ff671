import { readdirSync, readFileSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import type { StoredState } from "../../src/manager/ports/index.ts";
import type { Migration } from "../../src/state/index.ts";
import { createSchema } from "../../src/state/sqlite/migrate.ts";
import { MIGRATIONS } from "../../src/state/sqlite/migrations/index.ts";
import { block, dualLease, eni, fixedRecord, intent, lease, PROFILE, SANDBOX } from "../contracts/store-records.ts";
import { type TemporaryState, temporaryState, thrownBy } from "./temporary-state.ts";

/** Adds a table, then rebuilds one that others refer to: what a later version will have to do. */
const LATEST = MIGRATIONS.length;
const later: readonly Migration[] = [
  ...MIGRATIONS,
  { version: LATEST + 1, apply: (database) => database.exec("CREATE TABLE notes (text TEXT NOT NULL) STRICT") },
  {
    version: LATEST + 2,
    apply: (database) =>
      database.exec(`
        CREATE TABLE interfaces_new AS SELECT * FROM interfaces;
        DROP TABLE interfaces;
        CREATE TABLE interfaces (
          id TEXT PRIMARY KEY, mac TEXT NOT NULL, device_index INTEGER NOT NULL, network_card INTEGER NOT NULL,
          subnet_id TEXT NOT NULL, subnet_cidr TEXT NOT NULL, primary_address TEXT NOT NULL,
          security_groups TEXT NOT NULL, attachment_id TEXT NOT NULL, made_by TEXT NOT NULL,
          is_foreign INTEGER NOT NULL, foreign_because TEXT, speed INTEGER NOT NULL DEFAULT 25
        ) STRICT, WITHOUT ROWID;
        INSERT INTO interfaces SELECT *, 25 FROM interfaces_new;
        DROP TABLE interfaces_new`),
  },
];

describe("the list of migrations", () => {
  test("counts the versions without a gap", () => {
    expect(MIGRATIONS.map((migration) => migration.version)).toEqual(MIGRATIONS.map((_, index) => index + 1));
  });

  test.each([1, 2, 3, 4])("makes version %i as it was released", (version) => {
    const made = temporaryState();
    const database = new DatabaseSync(made.file);
    createSchema(database, MIGRATIONS.slice(0, version));
    database.close();
    expect(schemaOf(made.file)).toEqual(schemaOf(fixture(`version-${version}.sql`).file));
  });
});

describe("a state of an older version", () => {
  const kept = {
    bootId: "boot-1",
    instanceId: "i-1",
    leases: [lease("10.0.0.5", "a")],
    cooling: [{ address: "10.0.0.6", untilMs: 1790000030000 }],
    interfaces: [eni("eni-1")],
    blocks: [block("10.0.0.5/32"), block("10.0.0.6/32")],
    intents: [intent("intent-1")],
    overrides: { "pre-allocate": { value: 0, setAtMs: 3 } },
    configuration: { file: "/etc/enid/eni.conf", text: '{"ipam":{}}', readAtMs: 4 },
  };
  const resolution = { selection: '{"subnetIds":[]}', subnetIds: ["subnet-1", "subnet-2"] };

  test.each<[number, StoredState]>([
    [1, kept],
    [2, { ...kept, resolution }],
    [3, { ...kept, leases: [...kept.leases, dualLease("10.0.0.6", "2001:db8::6", "c")], cooling: [], resolution }],
    [
      4,
      {
        ...kept,
        leases: [{ ...lease("10.0.0.5", "a"), sandbox: SANDBOX }, dualLease("10.0.0.6", "2001:db8::6", "c")],
        cooling: [],
        resolution,
      },
    ],
  ])("of version %i is read as it was written, and takes what the newest knows", async (version, written) => {
    const state = fixture(`version-${version}.sql`);
    const store = state.open();
    expect(store.opening.migrated).toMatchObject({ fromVersion: version, toVersion: LATEST });
    expect(store.load()).toEqual(written);
    const dual = { ...lease("10.0.0.7", "b"), ipv6Address: "2001:db8::7", sandbox: SANDBOX };
    const foreign = eni("eni-2", { foreign: true, foreignBecause: "of type trunk" });
    const tagged = { ...intent("intent-2"), tags: { "enid.io/cluster": "shop" } };
    await store.commit([
      { kind: "lease-put", lease: dual },
      { kind: "interface-put", interface: foreign },
      { kind: "intent-put", intent: tagged },
      { kind: "fixed-put", record: fixedRecord("shop/db-0", "10.0.0.8") },
      { kind: "profiles-put", profiles: [PROFILE] },
    ]);
    await store.close();
    expect(state.open().load()).toEqual({
      ...written,
      leases: [...written.leases, dual],
      interfaces: [...written.interfaces, foreign],
      intents: [...written.intents, tagged],
      fixed: [fixedRecord("shop/db-0", "10.0.0.8")],
      profiles: [PROFILE],
    });
  });

  test("lets the schema itself refuse a second holder of an IPv6 address, in whichever column", async () => {
    const state = fixture("version-2.sql");
    await state.open().close();
    const database = new DatabaseSync(state.file);
    const put = (address: string, ipv6: string | null, container: string) => () =>
      database
        .prepare("INSERT INTO leases VALUES (?, 'cilium', ?, 'eth0', '', 'p', '', 1, ?, NULL, NULL, NULL)")
        .run(address, container, ipv6);
    put("10.0.0.7", "2001:db8::7", "b")();
    put("2001:db8::9", null, "c")();
    expect(put("10.0.0.8", "2001:db8::7", "d")).toThrow("UNIQUE constraint failed: leases.ipv6_address");
    expect(put("2001:db8::7", null, "d")).toThrow("an address of the lease is leased already");
    expect(put("10.0.0.8", "2001:db8::9", "d")).toThrow("an address of the lease is leased already");
    expect(put("2001:db8::8", "2001:db8::8", "d")).toThrow("CHECK constraint failed");
    database.close();
  });

  test("lets the schema itself refuse a sandbox of which not all is known", async () => {
    const state = fixture("version-3.sql");
    await state.open().close();
    const database = new DatabaseSync(state.file);
    const set = (column: string) => () => database.prepare(`UPDATE leases SET ${column} = 'x'`).run();
    for (const column of ["sandbox_path", "sandbox_identity", "sandbox_folder"]) {
      expect(set(column)).toThrow("CHECK constraint failed");
    }
    database.close();
  });

  test("is brought to the newest one, keeps everything, and is copied before", async () => {
    const state = fixture("version-1.sql");
    const before = dump(state.file);
    const store = state.open({ migrations: later });
    const backupFile = `${state.file}.v1.backup`;
    expect(store.opening).toEqual({ created: false, migrated: { fromVersion: 1, toVersion: LATEST + 2, backupFile } });
    expect(store.facts().schemaVersion).toBe(LATEST + 2);
    expect(store.load()).toMatchObject({ leases: [lease("10.0.0.5", "a")], interfaces: [eni("eni-1")] });
    expect(store.load().blocks).toHaveLength(2);
    expect(dump(backupFile)).toEqual(before);
    expect(statSync(backupFile).mode & 0o777).toBe(0o600);
    await store.commit([{ kind: "interface-remove", interfaceId: "eni-1" }]);
    expect(store.load()).toMatchObject({ interfaces: [], blocks: [] });
    await store.close();
    expect(state.open({ migrations: later }).opening).toEqual({ created: false });
  });

  test("of a state that an earlier attempt left a copy of is copied anew", async () => {
    const state = fixture("version-1.sql");
    await state.open().close();
    const failing: Migration = { version: LATEST + 1, apply: () => fail() };
    expect(thrownBy(() => state.open({ migrations: [...MIGRATIONS, failing] }))).toBeDefined();
    const store = state.open();
    await store.commit([{ kind: "boot-started", bootId: "boot-2" }]);
    await store.close();
    await state.open({ migrations: later }).close();
    const backup = new DatabaseSync(`${state.file}.v${LATEST}.backup`, { readOnly: true });
    expect(backup.prepare("SELECT boot_id FROM meta").get()).toMatchObject({ boot_id: "boot-2" });
    backup.close();
  });

  test.each<[string, Migration["apply"], string]>([
    ["fails", () => fail(), "the migration failed"],
    ["has a fault in its SQL", (database) => database.exec("INSERT INTO absent VALUES (1)"), "no such table: absent"],
    [
      "loses rows that others refer to",
      (database) => database.exec("DELETE FROM interfaces"),
      "the migrated tables refer to rows that are not there",
    ],
  ])("stays what it was when a migration in the middle %s", (_what, apply, detail) => {
    const state = fixture("version-1.sql");
    const before = dump(state.file);
    const bytes = readFileSync(state.file);
    const migrations = [
      ...later.slice(0, LATEST + 1),
      { version: LATEST + 2, apply },
      { version: LATEST + 3, apply: () => {} },
    ];
    expect(thrownBy(() => state.open({ migrations }))).toMatchObject({
      code: "ENID_STATE_MIGRATION_FAILED",
      message: `the state ${state.file} could not be brought from schema version 1 to ${LATEST + 3}: ${detail}`,
    });
    expect(readFileSync(state.file).equals(bytes)).toBe(true);
    expect(dump(state.file)).toEqual(before);
    expect(readdirSync(state.folder).filter((name) => name.endsWith(".partial"))).toEqual([]);
    expect(state.open().load().leases).toHaveLength(1);
  });
});

function fail(): never {
  throw new Error("the migration failed");
}

/** The state that the fixture describes, written by SQLite itself. */
function fixture(name: string): TemporaryState {
  const state = temporaryState();
  const database = new DatabaseSync(state.file);
  database.exec(readFileSync(new URL(`./fixtures/${name}`, import.meta.url), "utf8"));
  database.close();
  return state;
}

function schemaOf(file: string): unknown[] {
  const database = new DatabaseSync(file, { readOnly: true });
  const rows = database.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").all();
  const pragmas = ["application_id", "user_version"].map((name) => database.prepare(`PRAGMA ${name}`).get());
  database.close();
  return [...rows.map((row) => `${row.name}: ${String(row.sql).replace(/\s+/g, " ")}`), ...pragmas];
}

/** Version, schema and rows. */
function dump(file: string): unknown[] {
  const schema = schemaOf(file);
  const database = new DatabaseSync(file, { readOnly: true });
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all();
  const rows = tables.map(({ name }) => [name, database.prepare(`SELECT * FROM ${name}`).all()]);
  database.close();
  return [schema, rows];
}
