import { describe, expect, test } from "vitest";
import { type PlanInput, type PlanInterface, plan } from "../../src/planning/index.ts";
import {
  brief,
  freePrefixes,
  freeSingles,
  M5_LARGE,
  makeInput,
  makeInterface,
  makePrefixInput,
  NOW_MS,
} from "./make-input.ts";

const IDLE_MS = 600_000;
const LONG_AGO = { idleSinceMs: NOW_MS - IDLE_MS };
const giveBack = (count: number) => ({ count, interfaceIdleMs: IDLE_MS });

/** Of nine single addresses, so many used; made by enid unless it is the primary one. */
function nine(index: number, used: number, changed: Partial<PlanInterface> = {}): PlanInterface {
  const freeBlocks = freeSingles(9 - used, `a${index}`);
  return makeInterface(index, { slotsTaken: 9, used, freeBlocks, removable: index > 0, ...changed });
}

function given(interfaces: PlanInterface[], count: number, changed: Partial<PlanInput> = {}, watermarks = {}) {
  const used = interfaces.reduce((sum, one) => sum + (one.usable ? (one.used ?? 0) : 0), 0);
  const available = interfaces.reduce((sum, one) => sum + (one.usable ? one.slotsTaken : 0), 0);
  return plan(makeInput({ interfaces, available, used, giveBack: giveBack(count), ...changed }, watermarks));
}

describe("an m5.large after 27 pods ended", () => {
  const ended = [nine(0, 0), nine(1, 0), nine(2, 0)];

  test("leaves two idle interfaces whole, and takes one address of the primary interface", () => {
    const result = given(ended, 19);
    expect(brief(result.steps)).toEqual(["eni-0 -1"]);
    expect(result).toMatchObject({ needed: 0, planned: 0, givenBack: 1 });
    expect(result.explanation.slice(-4)).toEqual([
      "1 of the 1 addresses to give back come from eni-0: 1 single address, 0 of its addresses are used",
      "9 addresses of eni-2 go with it: nothing on it is used, and it is removed when it is idle for 600 s more",
      "9 addresses of eni-1 go with it: nothing on it is used, and it is removed when it is idle for 600 s more",
      "19 addresses are beyond min-allocate 0, pre-allocate 8 and max-above-watermark 0; 19 may be given back now",
    ]);
  });

  test("removes them when they were idle for long enough, and then holds pre-allocate", () => {
    const idle = [nine(0, 0), nine(1, 0, LONG_AGO), nine(2, 0, { idleSinceMs: NOW_MS - IDLE_MS + 1 })];
    const result = given(idle, 19);
    expect(brief(result.steps)).toEqual(["eni-1 removed", "eni-0 -1"]);
    expect(result.givenBack).toBe(10);
    expect(result.steps[0]?.reason).toBe(
      "eni-1 is removed: nothing on it has been leased for 600 s, and its 9 addresses are to be given back",
    );
    const left = given([nine(0, 0, { slotsTaken: 8, freeBlocks: freeSingles(8) })], 0);
    expect(left).toMatchObject({ steps: [], needed: 0 });
    expect(left.givenBack).toBeUndefined();
  });

  test("keeps min-allocate", () => {
    expect(brief(given(ended, 27, {}, { minAllocate: 12 }).steps)).toEqual(["eni-1 -6"]);
    expect(brief(given(ended, 27, {}, { minAllocate: 25 }).steps)).toEqual(["eni-2 -2"]);
  });
});

describe("blocks to give back", () => {
  test("are those of the emptiest interface, and of the last one among equals", () => {
    expect(brief(given([nine(0, 1), nine(1, 5), nine(2, 5)], 8).steps)).toEqual(["eni-0 -8"]);
    expect(brief(given([nine(0, 6), nine(1, 3), nine(2, 3)], 7, {}, { preAllocate: 0 }).steps)).toEqual([
      "eni-2 -6",
      "eni-1 -1",
    ]);
  });

  test("are bled off an idle interface only when not all of it may go", () => {
    expect(brief(given([nine(0, 4), nine(1, 0, LONG_AGO)], 5, {}, { preAllocate: 0 }).steps)).toEqual(["eni-1 -5"]);
    // The primary interface of the instance stays, idle or not.
    expect(brief(given([nine(0, 0, LONG_AGO)], 9, {}, { preAllocate: 0 }).steps)).toEqual(["eni-0 -9"]);
  });

  test("are no more than are beyond the watermarks now, whatever lasted", () => {
    expect(brief(given([nine(0, 0)], 9).steps)).toEqual(["eni-0 -1"]);
    expect(given([nine(0, 1)], 9).steps).toEqual([]);
  });

  test("are not of an interface that a step changes, nor of one of which nothing is known", () => {
    const steps = (changed: Partial<PlanInterface>) => given([nine(0, 0, changed)], 9, {}, { preAllocate: 0 }).steps;
    expect(steps({ busy: true })).toEqual([]);
    expect(steps({ slotsPending: 1, slotsTaken: 8 })).toEqual([]);
    const { used: _, ...unknown } = nine(0, 0);
    expect(given([unknown], 9, { available: 9 }, { preAllocate: 0 }).steps).toEqual([]);
  });

  test("stay while pods wait, addresses are on their way, or EC2 is spared", () => {
    const interfaces = [nine(0, 0), nine(1, 0, LONG_AGO)];
    expect(given(interfaces, 10, { waiting: 1 }).steps).toEqual([]);
    expect(given(interfaces, 10, { pending: 1 }).steps).toEqual([]);
    const blocked = { untilMs: NOW_MS + 1, reason: "throttled" };
    expect(given(interfaces, 10, { blocked }).steps).toEqual([]);
    expect(given(interfaces, 10, { blocked: { ...blocked, untilMs: NOW_MS } }).steps).toHaveLength(2);
  });

  test("stay when nothing may be given back", () => {
    const input = makeInput({ interfaces: [nine(0, 0), nine(1, 0, LONG_AGO)], available: 18 });
    const result = plan(input);
    expect(result.steps).toEqual([]);
    expect(result.explanation.at(-1)).toContain("10 addresses are beyond");
    expect(given([nine(0, 0), nine(1, 0, LONG_AGO)], 0).steps).toEqual([]);
  });

  test("go from an empty subnet, and from one that is held back", () => {
    const subnets = [{ id: "subnet-a", freeAddresses: 0, blockedUntilMs: NOW_MS + 60_000 }];
    expect(brief(given([nine(0, 0)], 1, { subnets }).steps)).toEqual(["eni-0 -1"]);
  });
});

describe("prefixes to give back", () => {
  const mixed = makeInterface(0, { slotsTaken: 9, used: 0, freeBlocks: [...freePrefixes(3), ...freeSingles(6)] });
  const input = (count: number, available: number, of = mixed) =>
    makePrefixInput({ interfaces: [of], available, used: of.used ?? 0, giveBack: giveBack(count) });

  test("go whole, after the single addresses, and only if 16 fit", () => {
    expect(plan(input(22, 54)).steps).toMatchObject([{ cidrs: ["a-0", "a-1", "a-2", "a-3", "a-4", "a-5", "p-0"] }]);
    expect(plan(input(21, 54))).toMatchObject({
      steps: [{ cidrs: ["a-0", "a-1", "a-2", "a-3", "a-4", "a-5"] }],
      givenBack: 6,
    });
    const prefixes = makeInterface(0, { slotsTaken: 2, used: 0, freeBlocks: freePrefixes(2) });
    expect(plan(input(15, 32, prefixes)).steps).toEqual([]);
    expect(plan(input(24, 32, prefixes))).toMatchObject({ steps: [{ cidrs: ["p-0"] }], givenBack: 16 });
  });

  test("stay while free single addresses stay that cannot go: recovery would ask for the prefix again", () => {
    const busy = makeInterface(1, { slotsTaken: 8, used: 0, freeBlocks: freeSingles(8), busy: true });
    const one = makeInterface(0, { slotsTaken: 1, used: 0, freeBlocks: freePrefixes(1) });
    const both = { ...input(16, 24), interfaces: [one, busy] };
    expect(plan(both).steps).toEqual([]);
    expect(plan({ ...both, interfaces: [one, { ...busy, busy: false }] })).toMatchObject({ givenBack: 8 });
  });

  test("go before single addresses where prefixes are off", () => {
    expect(plan({ ...input(21, 54), prefixMode: "off" })).toMatchObject({
      steps: [{ cidrs: ["p-0", "a-0", "a-1", "a-2", "a-3", "a-4"] }],
      givenBack: 21,
    });
  });

  test("of an idle interface go with it", () => {
    const idle = makeInterface(1, {
      removable: true,
      slotsTaken: 2,
      used: 0,
      freeBlocks: freePrefixes(2),
      ...LONG_AGO,
    });
    const first = makeInterface(0, { slotsTaken: 1, used: 3 });
    const node = { ...input(37, 48), interfaces: [first, idle], used: 3 };
    expect(brief(plan(node).steps)).toEqual(["eni-1 removed"]);
    expect(plan(node).givenBack).toBe(32);
  });
});

describe("an idle interface", () => {
  const primary = nine(0, 1);
  const removed = (one: PlanInterface, changed: Partial<PlanInput> = {}) =>
    brief(given([primary, one], 9, changed).steps).filter((step) => step.endsWith("removed"));
  const empty = { slotsTaken: 0, freeBlocks: [], ...LONG_AGO };

  test("without blocks is removed too, when nothing else is to be given back", () => {
    expect(brief(given([primary, nine(1, 0, empty)], 0).steps)).toEqual(["eni-1 removed"]);
    expect(brief(given([primary, nine(1, 0, { ...empty, idleSinceMs: NOW_MS })], 0).steps)).toEqual([]);
  });

  test("that may carry no pods any more is removed whatever the watermarks say", () => {
    const interfaces = [nine(0, 9), nine(1, 0, { usable: false, ...LONG_AGO })];
    const result = given(interfaces, 0, {}, { preAllocate: 0 });
    expect(brief(result.steps)).toEqual(["eni-1 removed"]);
    expect(result.givenBack).toBeUndefined();
  });

  test("stays if it is not enid's, is changed by a step, is in use, or holds what is not known to be free", () => {
    expect(removed(nine(1, 0, LONG_AGO))).toEqual(["eni-1 removed"]);
    expect(removed(nine(1, 0, { ...LONG_AGO, removable: false }))).toEqual([]);
    expect(removed(nine(1, 0, { ...LONG_AGO, busy: true }))).toEqual([]);
    expect(removed(nine(1, 1, LONG_AGO))).toEqual([]);
    expect(removed(nine(1, 0, { ...LONG_AGO, freeBlocks: freeSingles(8) }))).toEqual([]);
    expect(removed(nine(1, 0))).toEqual([]);
    expect(removed(nine(1, 0, { ...LONG_AGO, usable: false, slotsPending: 1 }))).toEqual([]);
  });

  test("keeps the IPv6 prefix that pods need", () => {
    const subnets = [{ id: "subnet-a", freeAddresses: 100, ipv6: true }];
    const holder = nine(1, 0, { ...LONG_AGO, ipv6Prefixes: 1 });
    expect(removed(holder)).toEqual(["eni-1 removed"]);
    expect(brief(given([primary, holder], 9, { subnets, families: "dual" }).steps)).toEqual(["eni-1 -9"]);
  });

  test("takes its primary address with it where that is for pods", () => {
    const limits = { ...M5_LARGE, usePrimaryAddress: true };
    const idle = nine(1, 0, LONG_AGO);
    const input = { limits, available: 19, used: 1 };
    expect(brief(given([primary, idle], 10, input).steps)).toEqual(["eni-1 removed"]);
    expect(given([primary, idle], 10, input).givenBack).toBe(10);
    // Nine may go, and it brings ten: it is bled.
    expect(brief(given([primary, idle], 9, input).steps)).toEqual(["eni-1 -9"]);
  });
});

describe("security groups", () => {
  const wanted = ["sg-1", "sg-2"];
  const steps = (changed: Partial<PlanInterface>, more: Partial<PlanInput> = {}) =>
    brief(given([nine(0, 1), nine(1, 1, changed)], 0, { securityGroups: wanted, ...more }).steps);

  test("are replaced on interfaces made by enid where they differ as sets", () => {
    expect(steps({ securityGroups: ["sg-1"] })).toEqual(["eni-1 sg-1 sg-2"]);
    expect(steps({ securityGroups: ["sg-2", "sg-1"] })).toEqual([]);
    expect(steps({ securityGroups: [] })).toEqual(["eni-1 sg-1 sg-2"]);
  });

  test("stay on interfaces of others, on one that a step changes, and where nobody knows them", () => {
    expect(steps({ securityGroups: ["sg-3"], removable: false })).toEqual([]);
    expect(steps({ securityGroups: ["sg-3"], busy: true })).toEqual([]);
    expect(steps({})).toEqual([]);
    expect(steps({ securityGroups: ["sg-3"] }, { securityGroups: [] })).toEqual([]);
    expect(steps({ securityGroups: ["sg-3"] }, { blocked: { untilMs: NOW_MS + 1, reason: "" } })).toEqual([]);
  });

  test("are not set on an interface that is being removed", () => {
    const idle = nine(1, 0, { ...LONG_AGO, securityGroups: ["sg-3"] });
    expect(brief(given([nine(0, 1), idle], 9, { securityGroups: wanted }).steps)).toEqual(["eni-1 removed"]);
  });
});
