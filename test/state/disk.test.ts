import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import type { Change } from "../../src/manager/ports/index.ts";
import type { SqliteStore } from "../../src/state/index.ts";
import { end, lease } from "../contracts/store-records.ts";
import { temporaryState } from "./temporary-state.ts";

const SMALL_BYTES = 112 * 1024;

const FULL = {
  code: "ENID_STATE_WRITE_FAILED",
  message: "the change could not be made durable: database or disk is full",
  details: { reason: "full", sqliteCode: 13 },
};

describe("a state that is full", () => {
  test("refuses new leases with the reason and still ends those it holds", async () => {
    const store = temporaryState().open({ maxSizeBytes: SMALL_BYTES });
    const kept = await leaseUntilFull(store);
    expect(kept.length).toBeGreaterThan(50);
    expect(store.load().leases).toHaveLength(kept.length);

    await Promise.all(kept.map((number) => store.commit([end(address(number), `c${number}`, 1)])));
    expect(store.load()).toMatchObject({ leases: [], cooling: { length: kept.length } });
  });

  test("has room for ends beyond the limit, so that a pod can go even if its end takes a page", async () => {
    const store = temporaryState().open({ maxSizeBytes: SMALL_BYTES });
    const kept = await leaseUntilFull(store);
    const unknown = numbers(800).map((number) => 5_000 + number);
    await Promise.all(unknown.map((number) => store.commit([end(address(number), `c${number}`, 1)])));
    expect(store.load()).toMatchObject({ leases: { length: kept.length }, cooling: { length: unknown.length } });
    await expect(store.commit(numbers(100).map((number) => put(9_000 + number)))).rejects.toMatchObject(FULL);
  });

  test("in one turn refuses only the calls that there is no room for", async () => {
    const store = temporaryState().open({ maxSizeBytes: SMALL_BYTES });
    const [first = 0, ...rest] = await leaseUntilFull(store);
    const large: Change = { kind: "override-put", name: "x", value: "x".repeat(1_000_000), setAtMs: 1 };
    const outcomes = await Promise.allSettled([
      store.commit(numbers(100).map((number) => put(5_000 + number))),
      store.commit([end(address(first), `c${first}`, 1)]),
      store.commit([large]),
    ]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(["rejected", "fulfilled", "rejected"]);
    expect(outcomes[2]).toMatchObject({ reason: FULL });
    expect(store.load()).toMatchObject({ leases: { length: rest.length }, overrides: {} });
  });

  test("leases again once there is room, and has kept every lease that it acknowledged", async () => {
    const state = temporaryState();
    const store = state.open({ maxSizeBytes: SMALL_BYTES });
    const kept = await leaseUntilFull(store);
    await store.close();
    const roomy = state.open();
    expect(roomy.load().leases.map((each) => each.address)).toEqual(kept.map(address).toSorted());
    await roomy.commit([put(5_000)]);
    expect(roomy.load().leases).toHaveLength(kept.length + 1);
  });
});

describe("the room that is taken before it is needed", () => {
  test("carries the leases of a large node without another byte of the disk", async () => {
    const state = temporaryState();
    const store = state.open();
    const before = roomOf(state.file);
    for (const round of [0, 1, 2]) {
      const names = numbers(700).map((number) => number + round * 1_000);
      await Promise.all(names.map((number) => store.commit([put(number)])));
      for (const [index, number] of names.entries()) {
        const ended = store.commit([end(address(number), `c${number}`, 1)]);
        // The first ones one by one, so that the log is written to its end and anew.
        if (index < 250) await ended;
      }
      await store.commit([{ kind: "cooling-end", addresses: names.map(address) }]);
      expect(roomOf(state.file)).toEqual(before);
    }
  });

  test("does not grow from start to start", async () => {
    const state = temporaryState();
    const sizes: number[] = [];
    for (const number of numbers(4)) {
      const store = state.open();
      await store.commit([put(number)]);
      sizes.push(store.facts().sizeBytes);
      await store.close();
    }
    expect(new Set(sizes).size).toBe(1);
    expect(sizes[0]).toBeLessThan(6 * 1024 * 1024);
  });

  test("the log stays bounded under load", async () => {
    const state = temporaryState();
    const store = state.open();
    for (const round of numbers(40)) {
      await Promise.all(numbers(128).map((number) => store.commit([put(round * 128 + number)])));
    }
    expect(statSync(`${state.file}-wal`).size).toBeLessThan(8 * 1024 * 1024);
  });
});

test("a disk that does not take a transaction fails all its calls, and the store goes on afterwards", async () => {
  const state = temporaryState();
  const store = state.open();
  const intruder = new DatabaseSync(state.file);
  intruder.exec("BEGIN IMMEDIATE");
  const outcomes = await Promise.allSettled([store.commit([put(1)]), store.commit([put(2)]), store.commit([put(3)])]);
  for (const outcome of outcomes) {
    expect(outcome).toMatchObject({
      status: "rejected",
      reason: {
        code: "ENID_STATE_WRITE_FAILED",
        message: "the change could not be made durable: database is locked",
        details: { reason: "storage", sqliteCode: 5 },
      },
    });
  }
  expect(store.facts()).toMatchObject({ transactions: 0, changes: 0, failures: 3 });
  intruder.close();
  await store.commit([put(1)]);
  expect(store.load().leases).toHaveLength(1);
});

/** Leases, sixteen in a turn, until some are refused, which must be for want of room; the numbers of those made. */
async function leaseUntilFull(store: SqliteStore): Promise<number[]> {
  const made: number[] = [];
  for (let first = 0; first < 5_000; first += 16) {
    const outcomes = await Promise.allSettled(numbers(16).map((number) => store.commit([put(first + number)])));
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status === "fulfilled") made.push(first + index);
      else expect(outcome.reason).toMatchObject(FULL);
    }
    if (outcomes.some((outcome) => outcome.status === "rejected")) return made;
  }
  throw new Error("the state never became full");
}

function put(number: number): Change {
  return { kind: "lease-put", lease: lease(address(number), `c${number}`) };
}

function address(number: number): string {
  return `10.0.${number >> 8}.${number & 255}`;
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** Bytes that the state has on the disk. */
function roomOf(file: string): number[] {
  return [file, `${file}-wal`].map((path) => statSync(path).blocks * 512);
}
