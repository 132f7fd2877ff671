import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type BoundSettings,
  callsFor,
  callsOf,
  type NodeCalls,
  podLimitOf,
  readyBoundSeconds,
  type StartingNodes,
  settingsOf,
  spreadOf,
} from "../../src/simulator/scenario/index.ts";

/** Calls take no time: only the token buckets count. */
const INSTANT: BoundSettings = {
  throttling: true,
  buckets: {},
  latencyMs: { "*": 0 },
  attachMs: { minMs: 0, maxMs: 0 },
};

function settings(eni: Record<string, unknown> = {}, ipam: Record<string, unknown> = {}) {
  return settingsOf({ eni, ipam }, "test");
}

function group(count: number, calls: NodeCalls, more: Partial<StartingNodes> = {}): StartingNodes {
  return { count, startSeconds: 0, spreadSeconds: 0, calls, ...more };
}

const ASSIGN: NodeCalls = { AssignPrivateIpAddresses: 1, CreateNetworkInterface: 0, AttachNetworkInterface: 0 };
const INTERFACE: NodeCalls = { AssignPrivateIpAddresses: 0, CreateNetworkInterface: 1, AttachNetworkInterface: 1 };

describe("the calls that a node cannot be ready without", () => {
  it.each([
    // m5.xlarge: 4 interfaces of 15 addresses, so 14 slots beside each primary address.
    ["14 on the primary interface of m5.xlarge", "m5.xlarge", {}, { "min-allocate": 14 }, 1, 0],
    ["none asked for: one is needed", "m5.xlarge", {}, {}, 1, 0],
    ["15 need a second interface", "m5.xlarge", {}, { "min-allocate": 15 }, 1, 1],
    ["29 need a third", "m5.xlarge", {}, { "min-allocate": 29 }, 1, 2],
    ["more than the instance holds: all of it", "m5.xlarge", {}, { "min-allocate": 500 }, 1, 3],
    ["max-allocate caps it", "m5.xlarge", {}, { "min-allocate": 14, "max-allocate": 14 }, 1, 0],
    [
      "the primary interface left to the host",
      "m5.xlarge",
      { "first-interface-index": 1 },
      { "min-allocate": 14 },
      0,
      1,
    ],
    [
      "its own address counts",
      "m5.xlarge",
      { "first-interface-index": 1, "use-primary-address": true },
      { "min-allocate": 15 },
      0,
      1,
    ],
    ["prefixes: 14 slots hold 224", "m5.xlarge", { "prefix-delegation": "preferred" }, { "min-allocate": 224 }, 1, 0],
    ["prefixes: 225 need one more", "m5.xlarge", { "prefix-delegation": "preferred" }, { "min-allocate": 225 }, 1, 1],
    ["no prefixes on Xen", "t2.micro", { "prefix-delegation": "preferred" }, { "min-allocate": 2 }, 1, 1],
  ] as const)("%s", (_, type, eni, ipam, assigns, interfaces) => {
    expect(callsOf(type, settings(eni, ipam))).toEqual({
      AssignPrivateIpAddresses: assigns,
      CreateNetworkInterface: interfaces,
      AttachNetworkInterface: interfaces,
    });
  });

  it("always bring the addresses, and never one call more", () => {
    const capacities = fc.record({
      slots: fc.integer({ min: 1, max: 50 }),
      perSlot: fc.constantFrom(1, 16),
      usesPrimary: fc.boolean(),
      further: fc.constant(15),
      ownAddress: fc.constantFrom(0 as const, 1 as const),
    });
    fc.assert(
      fc.property(capacities, fc.integer({ min: 1, max: 700 }), (capacity, addresses) => {
        const calls = callsFor(addresses, capacity);
        const perInterface = capacity.slots * capacity.perSlot + capacity.ownAddress;
        const brought = (interfaces: number) =>
          calls.AssignPrivateIpAddresses * capacity.slots * capacity.perSlot + interfaces * perInterface;
        expect(brought(calls.CreateNetworkInterface)).toBeGreaterThanOrEqual(addresses);
        if (calls.CreateNetworkInterface > 0) {
          expect(brought(calls.CreateNetworkInterface - 1)).toBeLessThan(addresses);
        }
      }),
    );
  });
});

describe("the least time until all nodes are ready", () => {
  it("is 980 s for 5,000 nodes that need one AssignPrivateIpAddresses each", () => {
    const calls = callsOf("m5.xlarge", settings({}, { "min-allocate": 14 }));
    expect(readyBoundSeconds([group(5_000, calls)], INSTANT)).toBeCloseTo(980, 6);
  });

  it("adds the least latency of the call: 70 % of 294 ms", () => {
    const cloud = { ...INSTANT, latencyMs: { AssignPrivateIpAddresses: 294 } };
    expect(readyBoundSeconds([group(5_000, ASSIGN)], cloud)).toBeCloseTo(980.2058, 6);
    expect(readyBoundSeconds([group(1, ASSIGN)], cloud)).toBeCloseTo(0.2058, 6);
  });

  it("is that of AttachNetworkInterface, whose bucket holds half as much: (1,000 - 50) / 5", () => {
    expect(readyBoundSeconds([group(1_000, INTERFACE)], INSTANT)).toBeCloseTo(190, 6);
  });

  it("adds what follows the call: attaching takes a second at least", () => {
    const cloud = {
      ...INSTANT,
      latencyMs: { CreateNetworkInterface: 100, AttachNetworkInterface: 200 },
      attachMs: { minMs: 1_000, maxMs: 5_000 },
    };
    // Alone: 0.07 + 0.14 + 1. With 1,000: the attach bucket's 190 s, 0.14 and 1.
    expect(readyBoundSeconds([group(1, INTERFACE)], cloud)).toBeCloseTo(1.21, 6);
    expect(readyBoundSeconds([group(1_000, INTERFACE)], cloud)).toBeCloseTo(191.14, 6);
  });

  it("counts the calls of all groups together", () => {
    expect(readyBoundSeconds([group(300, ASSIGN), group(300, ASSIGN)], INSTANT)).toBeCloseTo(100, 6);
  });

  it("takes the account's own buckets, and no time without throttling", () => {
    const buckets = { AssignPrivateIpAddresses: { capacity: 10, refillPerSecond: 90 } };
    expect(readyBoundSeconds([group(1_000, ASSIGN)], { ...INSTANT, buckets })).toBeCloseTo(11, 6);
    expect(readyBoundSeconds([group(1_000, ASSIGN)], { ...INSTANT, throttling: false })).toBe(0);
  });

  it("is less when the starts are spread, and nothing when they come slower than the bucket fills", () => {
    // 600 calls, 100 held, 5 a second: the last node starts at 50 s * 599/600 and is served at 100 s.
    const spread = readyBoundSeconds([group(600, ASSIGN, { spreadSeconds: 50 })], INSTANT);
    expect(spread).toBeCloseTo(100 - (50 * 599) / 600, 6);
    expect(readyBoundSeconds([group(600, ASSIGN, { spreadSeconds: 600 })], INSTANT)).toBe(0);
  });

  it("does not spend what a full bucket lets run over before a late group starts", () => {
    const late = [group(1, ASSIGN), group(600, ASSIGN, { startSeconds: 3_600 })];
    expect(readyBoundSeconds(late, INSTANT)).toBeCloseTo(100, 6);
  });

  it("is never above what a bucket that is used without delay gives, whatever the starts", () => {
    const groups = fc.array(
      fc.record({
        count: fc.integer({ min: 1, max: 40 }),
        startSeconds: fc.integer({ min: 0, max: 60 }),
        spreadSeconds: fc.integer({ min: 0, max: 30 }),
        calls: fc.constant(ASSIGN),
      }),
      { minLength: 1, maxLength: 4 },
    );
    const bucket = { capacity: 7, refillPerSecond: 3 };
    fc.assert(
      fc.property(groups, (all) => {
        const bound = readyBoundSeconds(all, { ...INSTANT, buckets: { AssignPrivateIpAddresses: bucket } });
        // First come, first served is the best that the slowest node can have here.
        expect(bound).toBeCloseTo(slowestServed(all, bucket), 6);
      }),
    );
  });
});

/** The longest wait when every node takes its token as soon as there is one, in the order of the starts. */
function slowestServed(
  groups: readonly StartingNodes[],
  bucket: { capacity: number; refillPerSecond: number },
): number {
  const starts = groups
    .flatMap(({ count, startSeconds, spreadSeconds }) =>
      Array.from({ length: count }, (_, at) => startSeconds + (spreadSeconds * at) / count),
    )
    .sort((one, other) => one - other);
  let tokens = bucket.capacity;
  let atSeconds = 0;
  let longest = 0;
  for (const start of starts) {
    const from = Math.max(start, atSeconds);
    tokens = Math.min(bucket.capacity, tokens + (from - atSeconds) * bucket.refillPerSecond);
    const served = tokens >= 1 ? from : from + (1 - tokens) / bucket.refillPerSecond;
    tokens = tokens >= 1 ? tokens - 1 : 0;
    atSeconds = served;
    longest = Math.max(longest, served - start);
  }
  return longest;
}

describe("the pod limit of a node", () => {
  it("is what its interfaces carry, at most 250", () => {
    expect(podLimitOf("m5.xlarge", settings())).toBe(56);
    expect(podLimitOf("m5.xlarge", settings({ "first-interface-index": 1 }))).toBe(42);
    expect(podLimitOf("m5.xlarge", settings({ "prefix-delegation": "required" }))).toBe(250);
  });
});

describe("percentiles", () => {
  it("are of the nearest rank", () => {
    expect(spreadOf([])).toEqual({ p50: 0, p99: 0, max: 0 });
    expect(spreadOf([3])).toEqual({ p50: 3, p99: 3, max: 3 });
    expect(spreadOf([4, 1, 3, 2])).toEqual({ p50: 2, p99: 4, max: 4 });
    expect(spreadOf(Array.from({ length: 200 }, (_, at) => 200 - at))).toEqual({ p50: 100, p99: 198, max: 200 });
  });

  it("are values that occurred, which at least that share does not exceed", () => {
    const values = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(values, (all) => {
        const { p50, p99, max } = spreadOf(all);
        const shareUpTo = (limit: number) => all.filter((value) => value <= limit).length / all.length;
        const shareBelow = (limit: number) => all.filter((value) => value < limit).length / all.length;
        expect(all).toContain(p50);
        expect(all).toContain(p99);
        expect(shareUpTo(p50)).toBeGreaterThanOrEqual(0.5);
        expect(shareBelow(p50)).toBeLessThan(0.5);
        expect(shareUpTo(p99)).toBeGreaterThanOrEqual(0.99);
        expect(shareBelow(p99)).toBeLessThan(0.99);
        expect(max).toBe(Math.max(...all));
      }),
    );
  });
});
