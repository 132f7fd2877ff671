import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Change } from "../../src/manager/ports/index.ts";
import { Dice, Scheduler } from "../../src/simulator/engine/index.ts";
import {
  createMemoryDisk,
  createSqliteDisk,
  type DiskProcess,
  type ProcessStore,
  type WorldDisk,
  type WorldDiskOptions,
} from "../../src/simulator/world/disk/index.ts";
import { block, end, eni, intent, lease } from "../contracts/store-records.ts";

const FULL = {
  code: "ENID_STATE_WRITE_FAILED",
  message: "the change could not be made durable: database or disk is full",
  details: { reason: "full", sqliteCode: 13 },
};

describe.each([
  { kind: "memory", make: createMemoryDisk },
  { kind: "SQLite", make: diskInFolder },
])("the $kind disk", ({ make }) => {
  test("that is full refuses every write in the words of the real one, and still reads", async () => {
    const { disk, store, commit } = opened(make());
    await commit(put("10.0.0.5"));
    disk.fill();
    await expect(commit(put("10.0.0.6"))).rejects.toMatchObject(FULL);
    await expect(commit(end("10.0.0.5", "10.0.0.5", 1))).rejects.toMatchObject(FULL);
    expect(store.load().leases).toEqual([lease("10.0.0.5", "10.0.0.5")]);
    expect(disk.load()).toEqual(store.load());
    disk.free();
    await commit(put("10.0.0.6"));
    expect(store.load().leases).toHaveLength(2);
    expect(store.facts()).toMatchObject({ transactions: 2, changes: 2, failures: 2 });
  });

  test("that has room for endings only refuses the new leases of a group and no other call", async () => {
    const { disk, store, commit } = opened(make());
    await commit(put("10.0.0.5"));
    disk.fill("for-endings");
    const outcomes = await Promise.allSettled([
      commit(put("10.0.0.6")),
      commit(end("10.0.0.5", "10.0.0.5", 7)),
      commit({ kind: "intent-close", id: "intent-1" }, put("10.0.0.7")),
      commit({ kind: "blocks-put", blocks: [block("10.0.0.8/32", "eni-unknown")] }),
    ]);
    expect(outcomes).toMatchObject([
      { status: "rejected", reason: FULL },
      { status: "fulfilled" },
      { status: "rejected", reason: FULL },
      { status: "rejected", reason: { details: { reason: "conflict" } } },
    ]);
    expect(store.load()).toMatchObject({ leases: [], cooling: [{ address: "10.0.0.5", untilMs: 7 }] });
  });

  test("that refuses does so to whole groups, as often as it is told, until it is healed", async () => {
    const { disk, commit } = opened(make());
    disk.refuse(0.5);
    let refusals = 0;
    for (let group = 0; group < 60; group++) {
      const outcomes = await Promise.allSettled([commit(put(`10.0.${group}.1`)), commit(put(`10.0.${group}.2`))]);
      expect(outcomes[0]?.status).toBe(outcomes[1]?.status);
      if (outcomes[0]?.status !== "rejected") continue;
      refusals += 1;
      expect(outcomes[0].reason).toMatchObject({
        message: "the change could not be made durable: disk I/O error",
        details: { reason: "storage", sqliteCode: 778 },
      });
    }
    expect(refusals).toBeGreaterThan(15);
    expect(refusals).toBeLessThan(45);
    expect(disk.load().leases).toHaveLength(2 * (60 - refusals));
    disk.heal();
    for (let group = 60; group < 80; group++) await commit(put(`10.0.${group}.1`));
  });

  test("that is slow takes its time once for a group, and none before", async () => {
    const { disk, scheduler, store } = opened(make({ latency: { minMs: 0, maxMs: 0 } }));
    const times: number[] = [];
    const say = (change: Change) => void store.commit([change]).then(() => times.push(scheduler.elapsedMs()));
    say(put("10.0.0.1"));
    await scheduler.settle();
    expect(times).toEqual([0]);
    disk.slow(10, 40);
    say(put("10.0.0.2"));
    say(put("10.0.0.3"));
    await scheduler.run(scheduler.nowMs() + 9);
    say(put("10.0.0.4"));
    expect(disk.load().leases).toHaveLength(1);
    await scheduler.run(scheduler.nowMs() + 31);
    expect(times).toHaveLength(4);
    expect(new Set(times.slice(1)).size).toBe(1);
    expect(times[3]).toBeGreaterThanOrEqual(10);
    disk.heal();
    const before = scheduler.elapsedMs();
    say(put("10.0.0.5"));
    await scheduler.settle();
    expect(times[4]).toBe(before);
  });

  test("takes 0 to 6 ms when nothing is said", async () => {
    const { scheduler, store } = opened(make());
    const tookMs = new Set<number>();
    for (let n = 0; n < 100; n++) {
      const begun = scheduler.elapsedMs();
      let over = false;
      void store.commit([put(`10.0.0.${n}`)]).then(() => {
        over = true;
        tookMs.add(scheduler.elapsedMs() - begun);
      });
      await scheduler.run(scheduler.nowMs() + 6, () => over);
      expect(over).toBe(true);
    }
    expect([...tookMs].toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  test("is of one life at a time, and a life that is over hears and reads nothing", async () => {
    const { disk, process, store, commit, scheduler } = opened(make());
    expect(() => disk.open(process)).toThrow(expect.objectContaining({ code: "ENID_STATE_LOCKED" }));
    await commit(put("10.0.0.5"));
    const versionBefore = disk.version;
    let heard = false;
    const hear = () => {
      heard = true;
    };
    void store.commit([put("10.0.0.6")]).then(hear, hear);
    store.cut("crash");
    expect(disk.version).toBeGreaterThan(versionBefore);
    void store.commit([put("10.0.0.7")]).then(hear, hear);
    await store.close();
    await scheduler.run(scheduler.nowMs() + 1_000);
    expect(heard).toBe(false);
    expect(() => store.load()).toThrow(expect.objectContaining({ code: "ENID_STATE_UNAVAILABLE" }));
    expect(store.cut("power-loss")).toEqual({ inFlight: 0, written: 0 });
    const next = disk.open(process);
    expect(next.load().leases.map(({ address }) => address)).not.toContain("10.0.0.7");
    expect(next.load()).toEqual(disk.load());
    await next.close();
  });

  test("lets a life end just before its group is written and just after", async () => {
    const endings: string[] = [];
    for (const at of ["before", "after"]) {
      const disk = make({ latency: { minMs: 0, maxMs: 0 } });
      let moments = 0;
      const dies = at === "before" ? 1 : 2;
      const moment = () => {
        moments += 1;
        if (moments === dies) endings.push(`${at}: ${JSON.stringify(store.cut("crash").inFlight)}`);
      };
      const { store, scheduler } = opened(disk, { moment });
      let heard = false;
      void store.commit([put("10.0.0.5")]).then(() => {
        heard = true;
      });
      await scheduler.settle();
      expect(heard).toBe(false);
      if (at === "after") expect(disk.load().leases).toHaveLength(1);
    }
    expect(endings).toEqual(["before: 1", "after: 0"]);
  });

  test("on which replies come early loses what it acknowledged", async () => {
    const losses: number[] = [];
    for (let seed = 1; seed <= 8; seed++) {
      const { disk, store } = opened(make(), { weakness: "early-reply", dice: new Dice(seed) });
      await Promise.all([1, 2, 3, 4].map((n) => store.commit([put(`10.0.0.${n}`)])));
      expect(disk.load().leases).toEqual([]);
      store.cut("power-loss");
      losses.push(4 - disk.load().leases.length);
    }
    expect(losses).toContain(4);
  });

  test("that keeps no intents acknowledges them and has none", async () => {
    const { disk, commit } = opened(make(), { weakness: "no-intents" });
    await commit({ kind: "intent-put", intent: intent("intent-1") }, put("10.0.0.5"));
    expect(disk.intent("intent-1")).toBeUndefined();
    expect(disk.load()).toMatchObject({ intents: [], leases: [{ address: "10.0.0.5" }] });
  });

  test("answers what it holds without reading all of it", async () => {
    const { disk, commit, store } = opened(make());
    const loaded = disk.load();
    expect(disk.load()).toBe(loaded);
    const held = lease("10.0.0.5", "a");
    await commit(
      { kind: "lease-put", lease: held },
      { kind: "interface-put", interface: eni("eni-1") },
      { kind: "interface-put", interface: eni("eni-2") },
      { kind: "blocks-put", blocks: [block("10.0.1.0/28"), block("10.0.2.0/28"), block("10.0.3.0/28", "eni-2")] },
    );
    expect(disk.load()).not.toBe(loaded);
    expect(disk.leaseOf(held.attachment)).toEqual(held);
    expect(disk.leaseOfAddress("10.0.0.5")).toEqual(held);
    const releasing = () => ["10.0.1.0/28", "10.0.2.0/28", "10.0.3.0/28"].map((cidr) => disk.isReleasing(cidr));
    expect(releasing()).toEqual([false, false, false]);
    const step = { kind: "release-blocks", interfaceId: "eni-1", cidrs: ["10.0.1.0/28"], reason: "spare" } as const;
    await commit({ kind: "intent-put", intent: { ...intent("intent-1"), step } });
    expect(releasing()).toEqual([true, false, false]);
    const removal = { kind: "remove-interface", interfaceId: "eni-2", reason: "empty" } as const;
    await commit({ kind: "intent-put", intent: { ...intent("intent-2"), before: [], step: removal } });
    expect(releasing()).toEqual([true, false, true]);
    await commit({ kind: "intent-close", id: "intent-1" });
    expect(releasing()).toEqual([false, false, true]);
    store.cut("power-loss");
    expect(releasing()).toEqual([false, false, true]);
    expect(disk.intent("intent-2")?.step).toEqual(removal);
    expect(disk.leaseOfAddress("10.0.0.5")).toEqual(held);
  });
});

test("the speed of both disks", async () => {
  const figures: string[] = [];
  for (const { kind, disk, count } of [
    { kind: "memory", disk: createMemoryDisk(), count: 60_000 },
    { kind: "SQLite", disk: diskInFolder(), count: 4_000 },
  ]) {
    const { scheduler, store } = opened(disk);
    const begunMs = performance.now();
    let durable = 0;
    for (let n = 0; n < count; n++) {
      // An address is leased and given back, eight calls at a time.
      const address = `10.0.0.${(n >> 1) & 63}`;
      const change = n % 2 === 0 ? put(address) : end(address, address, n);
      void store.commit([change]).then(() => {
        durable += 1;
      });
      if (n % 8 === 7) await scheduler.run(scheduler.nowMs() + 6);
    }
    await scheduler.run(scheduler.nowMs() + 6);
    expect(durable).toBe(count);
    figures.push(`${kind}: ${Math.round(count / ((performance.now() - begunMs) / 1_000))} commits/s`);
    store.cut("power-loss");
  }
  console.log(figures.join("; "));
}, 60_000);

interface Opened {
  readonly disk: WorldDisk;
  readonly process: DiskProcess;
  readonly store: ProcessStore;
  readonly scheduler: Scheduler;
  /** Commits and lets the time pass that it takes. */
  readonly commit: (...changes: Change[]) => Promise<void>;
}

function opened(disk: WorldDisk, differing: Partial<DiskProcess> = {}): Opened {
  const dice = new Dice(1);
  const scheduler = new Scheduler({ startMs: 0, dice: dice.fork("scheduler") });
  const process: DiskProcess = { clock: scheduler, dice, ...differing };
  const store = disk.open(process);
  onTestFinished(() => void store.cut("crash"));
  const commit = async (...changes: Change[]) => {
    const done = store.commit(changes);
    done.catch(() => {});
    await scheduler.run(scheduler.nowMs() + 40);
    await done;
  };
  return { disk, process, store, scheduler, commit };
}

function diskInFolder(options: WorldDiskOptions = {}): WorldDisk {
  const folder = mkdtempSync(join(tmpdir(), "enid-disk-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return createSqliteDisk({ folder, ...options });
}

function put(address: string): Change {
  return { kind: "lease-put", lease: lease(address, address) };
}
