import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Dice, Scheduler } from "../../src/simulator/engine/index.ts";
import {
  type CutReport,
  createSqliteDisk,
  type ProcessStore,
  type TornWrite,
  type WorldDisk,
} from "../../src/simulator/world/disk/index.ts";
import { lease } from "../contracts/store-records.ts";

const LEASES_IN_FLIGHT = 60;

test("a power loss tears the write in flight, and half of it is never there", async () => {
  const { disk, scheduler } = diskInFolder();
  const torn: (TornWrite & { readonly survived: boolean })[] = [];
  for (let life = 1; life <= 40; life++) {
    const store = disk.open({ clock: scheduler, dice: new Dice(life) });
    const before = store.load().leases.length;
    expect(before).toBe(disk.load().leases.length);
    // A lease that is acknowledged before stands at the side of those in flight, on the same pages.
    await committed(scheduler, store, life, 0);
    for (let n = 1; n <= LEASES_IN_FLIGHT; n++) void store.commit([put(life, n)]);
    const report = store.cut("power-loss");
    const held = disk.load().leases.length - before - 1;
    expect([0, LEASES_IN_FLIGHT]).toContain(held);
    expect(disk.leaseOfAddress(`10.${life}.0.0`)).toBeDefined();
    if (report.torn !== undefined) torn.push({ ...report.torn, survived: held > 0 });
  }
  expect(torn).toHaveLength(40);
  for (const { bytes, arrivedBytes, staleBytes, zeroBytes } of torn) {
    expect(arrivedBytes + staleBytes + zeroBytes).toBe(bytes);
  }
  const half = torn.filter(({ bytes, arrivedBytes }) => arrivedBytes > 0 && arrivedBytes < bytes);
  expect(half.length).toBeGreaterThan(10);
  expect(half.filter(({ zeroBytes }) => zeroBytes > 0).length).toBeGreaterThan(3);
  expect(torn.filter(({ bytes, arrivedBytes }) => arrivedBytes === bytes).every(({ survived }) => survived)).toBe(true);
  expect(torn.filter(({ survived }) => survived).length).toBeGreaterThan(3);
  expect(torn.filter(({ survived }) => !survived).length).toBeGreaterThan(10);
}, 60_000);

test("a crash leaves the start of the write in flight in its order, without holes", async () => {
  const { disk, scheduler } = diskInFolder();
  const reports: CutReport[] = [];
  for (let life = 1; life <= 20; life++) {
    const store = disk.open({ clock: scheduler, dice: new Dice(life) });
    const before = store.load().leases.length;
    for (let n = 1; n <= LEASES_IN_FLIGHT; n++) void store.commit([put(life, n)]);
    const report = store.cut("crash");
    const held = disk.load().leases.length - before;
    expect(held).toBeGreaterThanOrEqual(report.written);
    expect(disk.load().leases.filter(({ address }) => address.startsWith(`10.${life}.`)).length).toBe(held);
    expect(disk.leaseOfAddress(`10.${life}.0.${held}`)).toEqual(held === 0 ? undefined : put(life, held).lease);
    reports.push(report);
  }
  expect(reports.filter(({ torn }) => torn !== undefined && torn.zeroBytes > 0)).toEqual([]);
  expect(reports.filter(({ torn }) => torn && torn.arrivedBytes > 0 && torn.staleBytes > 0)).not.toEqual([]);
}, 60_000);

test("a power loss while the log is begun anew loses nothing that was acknowledged", async () => {
  const first = diskInFolder();
  const anewAt = await commitsUntilLogIsAnew(first);
  const seen = { header: 0, frames: 0 };
  for (let trial = 1; trial <= 12; trial++) {
    const { disk, scheduler } = diskInFolder();
    const store = disk.open({ clock: scheduler, dice: new Dice(trial) });
    for (let n = 1; n < anewAt; n++) await committed(scheduler, store, 1, n);
    void store.commit([put(1, anewAt)]);
    const { torn, written } = store.cut("power-loss");
    seen[(torn?.bytes ?? 0) <= 32 ? "header" : "frames"] += 1;
    const held = disk.load().leases.length;
    expect(held).toBeGreaterThanOrEqual(anewAt - 1 + written);
    expect(held).toBeLessThanOrEqual(anewAt);
    // The next life finds the same through its own recovery, and goes on.
    const next = disk.open({ clock: scheduler, dice: new Dice(trial + 1_000) });
    expect(next.load().leases).toHaveLength(held);
    await committed(scheduler, next, 2, 1);
    await next.close();
    expect(disk.load().leases).toHaveLength(held + 1);
  }
  expect(seen.header).toBeGreaterThan(0);
  expect(seen.frames).toBeGreaterThan(0);
}, 60_000);

interface TestDisk {
  readonly disk: WorldDisk;
  readonly scheduler: Scheduler;
  readonly folder: string;
}

function diskInFolder(): TestDisk {
  const folder = mkdtempSync(join(tmpdir(), "enid-torn-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const scheduler = new Scheduler({ startMs: 0, dice: new Dice(1) });
  return { disk: createSqliteDisk({ folder, latency: { minMs: 0, maxMs: 0 } }), scheduler, folder };
}

function put(net: number, n: number) {
  const address = `10.${net}.${n >> 8}.${n & 255}`;
  return { kind: "lease-put", lease: lease(address, address) } as const;
}

async function committed(scheduler: Scheduler, store: ProcessStore, net: number, n: number): Promise<void> {
  const done = store.commit([put(net, n)]);
  await scheduler.settle();
  await done;
}

/** The number of the commit that starts the log over. */
async function commitsUntilLogIsAnew({ disk, scheduler, folder }: TestDisk): Promise<number> {
  const store = disk.open({ clock: scheduler, dice: new Dice(1) });
  const header = () => readFileSync(join(folder, ...readdirSync(folder), "state.db-wal")).subarray(0, 32);
  let before: Buffer | undefined;
  for (let n = 1; n < 2_000; n++) {
    await committed(scheduler, store, 1, n);
    const now = header();
    if (before !== undefined && !before.equals(now)) {
      await store.close();
      return n;
    }
    before = now;
  }
  throw new Error("the log was never begun anew");
}
