import fc from "fast-check";
import { expect, test } from "vitest";
import type { BlockCounts, Pool } from "../../src/pool/index.ts";
import { attachment, leased, makePool, NOW_MS, POD } from "./make-pool.ts";

/** Pods come and go at random on prefixes and single addresses of three interfaces. */

function makeMixedPool(): Pool {
  const singles = (interfaceNumber: number) => [40, 41].map((last) => `10.0.${interfaceNumber}.${last}/32`);
  return makePool({
    a: ["10.0.0.0/28", "10.0.0.16/28", ...singles(0)],
    b: ["10.0.1.0/28", "10.0.1.16/28", ...singles(1)],
    c: ["10.0.2.0/28", ...singles(2)],
  });
}

const seldom = fc.record({ kind: fc.constant("usable" as const), block: fc.nat(10), usable: fc.boolean() });
const step = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("lease" as const) }) },
  { weight: 9, arbitrary: fc.record({ kind: fc.constant("release" as const), pod: fc.nat(1000) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("cool" as const), passedMs: fc.nat(60) }) },
  { weight: 1, arbitrary: seldom },
);

test("no address comes from a whole prefix, nor from a nearly empty one, while there is room before", () => {
  let fromWhole = 0;
  let fromNearlyEmpty = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 50, maxLength: 400, size: "max" }), (steps) => {
      const pool = makeMixedPool();
      const pods: string[] = [];
      let nowMs = NOW_MS;
      for (const [number, one] of steps.entries()) {
        nowMs++;
        if (one.kind === "cool") {
          nowMs += one.passedMs;
          pool.cool(nowMs);
        } else if (one.kind === "release") {
          const [pod] = pods.splice(one.pod % Math.max(1, pods.length), 1);
          if (pod !== undefined) pool.release(attachment(pod), nowMs, 30);
        } else if (one.kind === "usable") {
          const block = [...pool.blocks()][one.block];
          if (block !== undefined) pool.setBlockUsable(block.block.cidr, one.usable);
        } else {
          const before = new Map([...pool.blocks()].map((block) => [block.block.cidr, block]));
          const result = pool.lease(attachment(`c${number}`), POD, nowMs);
          const rooms = [...before.values()].filter(({ usable, free }) => usable && free > 0);
          if (result.kind !== "leased") {
            expect(rooms).toEqual([]);
            continue;
          }
          pods.push(`c${number}`);
          const from = before.get(pool.blockOf(result.lease.address)?.cidr ?? "");
          if (from === undefined) throw new Error(`${result.lease.address} is of no block`);
          if (isWhole(from)) {
            fromWhole++;
            expect(rooms.filter((room) => !isWhole(room))).toEqual([]);
          } else if (isNearlyEmpty(from)) {
            fromNearlyEmpty++;
            expect(rooms.filter((room) => !isWhole(room) && !isNearlyEmpty(room))).toEqual([]);
          }
          if (isPrefix(from)) {
            const fuller = rooms.filter((room) => isPrefix(room) && room.leased > from.leased);
            expect(fuller).toEqual([]);
          }
        }
      }
      expect(pool.problems()).toEqual([]);
    }),
    { numRuns: 60 },
  );
  expect(Math.min(fromWhole, fromNearlyEmpty)).toBeGreaterThan(50);
});

function isPrefix({ block }: BlockCounts): boolean {
  return block.kind === "prefix";
}

/** Single addresses can be given back one by one, so a free one is nothing to be kept whole. */
function isWhole(block: BlockCounts): boolean {
  return isPrefix(block) && block.free === block.total;
}

function isNearlyEmpty(block: BlockCounts): boolean {
  return isPrefix(block) && !isWhole(block) && block.leased <= 2;
}

test("after a burst, prefixes become empty although pods keep coming and going", () => {
  const cidrs = Array.from({ length: 8 }, (_, index) => `10.0.0.${16 * index}/28`);
  const pool = makePool({ a: cidrs.slice(0, 4), b: cidrs.slice(4) });
  const pods = Array.from({ length: 128 }, (_, pod) => `burst${pod}`);
  for (const pod of pods) leased(pool, pod);
  let nowMs = NOW_MS;
  const end = (pod: string | undefined) => {
    nowMs += 1000;
    if (pod !== undefined) pool.release(attachment(pod), nowMs, 0);
    pool.cool(nowMs);
  };
  // One pod in four stays, spread over all prefixes; then each of these is replaced once.
  for (const [number, pod] of pods.entries()) if (number % 4 !== 0) end(pod);
  expect(pool.freeBlocksOn("a").length + pool.freeBlocksOn("b").length).toBe(0);
  for (const [number, pod] of pods.entries()) {
    if (number % 4 !== 0) continue;
    end(pod);
    leased(pool, `next${number}`);
  }
  expect(pool.counts().leased).toBe(32);
  expect(pool.freeBlocksOn("a").length + pool.freeBlocksOn("b").length).toBeGreaterThanOrEqual(5);
});
