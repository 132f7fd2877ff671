import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/adapters/index.ts";
import { Dice } from "../../src/simulator/engine/index.ts";
import {
  createMemoryDisk,
  createSqliteDisk,
  type DiskLatency,
  type WorldDisk,
} from "../../src/simulator/world/disk/index.ts";
import { type StorePlace, storeContract } from "../contracts/store.ts";
import { type History, type HistoryOptions, liveThrough } from "./disk-history.ts";

const AT_ONCE: DiskLatency = { minMs: 0, maxMs: 0 };

function placeOn(disk: WorldDisk, dispose: () => void): StorePlace {
  return { open: () => disk.open({ clock: systemClock, dice: new Dice(1) }), dispose };
}

storeContract("the memory disk", () => placeOn(createMemoryDisk({ latency: AT_ONCE }), () => {}));

storeContract("the memory disk that takes its time", () => placeOn(createMemoryDisk(), () => {}));

storeContract("the SQLite disk", () => {
  const folder = temporaryFolder();
  return placeOn(createSqliteDisk({ folder, latency: AT_ONCE }), () => rmSync(folder, { recursive: true }));
});

const MEMORY_HISTORY: HistoryOptions = { lives: 12, callsPerLife: 30 };
const SQLITE_HISTORY: HistoryOptions = { lives: 8, callsPerLife: 20 };

function onMemory(seed: number, options = MEMORY_HISTORY): Promise<History> {
  return liveThrough(createMemoryDisk(), seed, options);
}

async function onSqlite(seed: number, options = SQLITE_HISTORY): Promise<History> {
  const folder = temporaryFolder();
  try {
    return await liveThrough(createSqliteDisk({ folder }), seed, options);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.each([
  { kind: "memory", run: onMemory, seeds: 60 },
  { kind: "SQLite", run: onSqlite, seeds: 10 },
])("the $kind disk through crashes, power losses and faults", ({ run, seeds }) => {
  test("holds what was acknowledged, and of what was in flight only what may be", async () => {
    const histories: History[] = [];
    for (let seed = 1; seed <= seeds; seed++) histories.push(await run(seed));
    const cuts = histories.flatMap((history) => history.cuts).filter(({ inFlight }) => inFlight > 1);
    // The histories would show nothing if ends came between the writes only.
    for (const how of ["crash", "power-loss"] as const) {
      const ofKind = cuts.filter((cut) => cut.how === how);
      expect(ofKind.filter(({ survived }) => survived === 0).length).toBeGreaterThan(seeds / 5);
      expect(ofKind.filter(({ survived, inFlight }) => survived === inFlight).length).toBeGreaterThan(seeds / 5);
    }
    expect(cuts.filter((cut) => cut.how === "crash" && cut.survived > 0 && cut.survived < cut.inFlight)).not.toEqual(
      [],
    );
    expect(histories.reduce((sum, { refused }) => sum + refused, 0)).toBeGreaterThan(seeds);
  }, 120_000);

  test("has the same story for the same seed, and another one for another", async () => {
    for (const seed of [3, 5]) {
      const first = await run(seed);
      expect(await run(seed)).toEqual(first);
      expect((await run(seed + 100)).story).not.toEqual(first.story);
    }
  }, 60_000);

  test("that replies before it writes is found out", async () => {
    await expect(firstFailure(run, { weakness: "early-reply" })).resolves.toMatch(
      /^after (crash|power-loss) the state is not that of/,
    );
  }, 60_000);

  test("that keeps no intents is found out", async () => {
    await expect(firstFailure(run, { weakness: "no-intents" })).resolves.toMatch(
      /^after (crash|power-loss|close) the state is not that of/,
    );
  }, 60_000);
});

async function firstFailure(
  run: (seed: number, options: HistoryOptions) => Promise<History>,
  weakness: Partial<HistoryOptions>,
): Promise<string> {
  for (let seed = 1; seed <= 20; seed++) {
    try {
      await run(seed, { lives: 4, callsPerLife: 20, ...weakness });
    } catch (thrown) {
      return thrown instanceof Error ? thrown.message : String(thrown);
    }
  }
  return "nothing was found";
}

test("the SQLite disk leaves nothing beside the folder of its last life", async () => {
  const folder = temporaryFolder();
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const history = await liveThrough(createSqliteDisk({ folder }), 1, SQLITE_HISTORY);
  expect(readdirSync(folder)).toEqual([`life-${history.cuts.length + 1}`]);
});

function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "enid-disk-"));
}
