import { describe, expect, test } from "vitest";
import { type PlanInput, plan } from "../../src/planning/index.ts";
import { brief, freeSingles, M5_LARGE, makeInput, makeInterface, makePrefixInput, NOW_MS } from "./make-input.ts";

const FRAGMENTED = { id: "subnet-a", freeAddresses: 1000, prefixesBlockedUntilMs: NOW_MS + 300_000 };

describe("110 pods in a burst on an m5.4xlarge with prefixes", () => {
  const limits = { maxInterfaces: 8, addressesPerInterface: 30, firstInterfaceIndex: 0, prefixes: true };
  const start = makePrefixInput({ limits, interfaces: [makeInterface(0, { slots: 29 })] });

  test("cost two calls: one at the start, and one that brings their addresses and the buffer", () => {
    const first = plan(start);
    expect(brief(first.steps)).toEqual(["eni-0 +1 /28"]);
    expect(first).toMatchObject({ needed: 8, wanted: 8, planned: 16 });

    const interfaces = [makeInterface(0, { slots: 29, slotsTaken: 1 })];
    const burst = plan({ ...start, interfaces, available: 16, used: 16, waiting: 94 });
    expect(brief(burst.steps)).toEqual(["eni-0 +7 /28"]);
    expect(burst).toMatchObject({ needed: 8, surge: 94, wanted: 102, planned: 112 });

    const after = [makeInterface(0, { slots: 29, slotsTaken: 8 })];
    expect(plan({ ...start, interfaces: after, available: 128, used: 110 })).toMatchObject({ steps: [], needed: 0 });
  });
});

describe("prefixes that are preferred", () => {
  test("are asked for in whole, and the interfaces that exist are filled first", () => {
    const interfaces = [makeInterface(0, { slotsTaken: 8 })];
    const input = makePrefixInput({ interfaces, available: 8, used: 8, waiting: 30 });
    const result = plan(input);
    expect(brief(result.steps)).toEqual(["eni-0 +1 /28", "new 1 in subnet-a +2 /28"]);
    expect(result).toMatchObject({ needed: 8, surge: 30, wanted: 38, planned: 48 });
    expect(result.steps.map(({ reason }) => reason)).toEqual([
      "1 prefix (16 addresses) for the 38 addresses wanted goes on eni-0: 1 of its 9 slots are free, subnet-a has 1000 free addresses",
      "2 prefixes (32 addresses) for the 22 addresses still wanted go on a new interface at device index 1: it has 9 slots, subnet-a has 984 free addresses",
    ]);
  });

  test("come from the next allowed subnet when one has no /28, on a new interface, before single addresses do", () => {
    const subnets = [FRAGMENTED, { id: "subnet-b", freeAddresses: 40 }, { id: "subnet-c", freeAddresses: 60 }];
    expect(brief(plan(makePrefixInput({ subnets })).steps)).toEqual(["new 1 in subnet-c +1 /28"]);
    // 16 free addresses are not enough for the prefix and the primary address of an interface.
    const short = [FRAGMENTED, { id: "subnet-b", freeAddresses: 16 }];
    expect(brief(plan(makePrefixInput({ subnets: short })).steps)).toEqual(["eni-0 +8"]);
  });

  test("are single addresses while no subnet can give one: on open interfaces first, then on new ones", () => {
    const waiting = makePrefixInput({ subnets: [FRAGMENTED], waiting: 12 });
    expect(brief(plan(waiting).steps)).toEqual(["eni-0 +9", "new 1 in subnet-a +9", "new 2 in subnet-a +2"]);
    const few = makePrefixInput({ subnets: [{ id: "subnet-a", freeAddresses: 15 }] });
    expect(brief(plan(few).steps)).toEqual(["eni-0 +8"]);
    expect(brief(plan({ ...waiting, nowMs: FRAGMENTED.prefixesBlockedUntilMs }).steps)).toEqual(["eni-0 +2 /28"]);
  });

  test("are completed with single addresses when the subnet has no more of them", () => {
    const subnets = [{ id: "subnet-a", freeAddresses: 21 }];
    const result = plan(makePrefixInput({ subnets, waiting: 12 }));
    expect(brief(result.steps)).toEqual(["eni-0 +1 /28", "eni-0 +4"]);
    expect(result).toMatchObject({ wanted: 20, planned: 20 });
  });

  test("never exceed max-allocate by rounding up: single addresses are taken where no prefix fits", () => {
    expect(brief(plan(makePrefixInput({ waiting: 12 }, { maxAllocate: 20 })).steps)).toEqual([
      "eni-0 +1 /28",
      "eni-0 +4",
    ]);
    expect(brief(plan(makePrefixInput({}, { maxAllocate: 15 })).steps)).toEqual(["eni-0 +8"]);
  });

  test("are plain addresses on an instance that takes none", () => {
    const result = plan(makePrefixInput({ limits: M5_LARGE }));
    expect(brief(result.steps)).toEqual(["eni-0 +8"]);
    expect(result.shortfall).toBeUndefined();
  });

  test("wait for an interface that is being made where prefixes can be had", () => {
    const making = makeInterface(1, { slotsPending: 1 });
    const interfaces = [makeInterface(0, { slotsTaken: 9 }), making];
    const input = makePrefixInput({
      interfaces,
      pendingDeviceIndexes: [1],
      available: 9,
      used: 9,
      pending: 16,
      waiting: 40,
    });
    expect(plan(input)).toMatchObject({ steps: [], wanted: 32, deferred: 32 });
  });

  test("fill the instance to what single addresses leave of it", () => {
    const interfaces = [0, 1, 2].map((index) => makeInterface(index, { slotsTaken: index === 2 ? 8 : 9 }));
    const result = plan(makePrefixInput({ interfaces, available: 26, used: 26, waiting: 30 }));
    expect(brief(result.steps)).toEqual(["eni-2 +1 /28"]);
    expect(result.shortfall).toEqual({ kind: "instance-full", capacity: 42 });
  });
});

describe("prefixes that are required", () => {
  const required = (changed: Partial<PlanInput> = {}, maxAllocate = 0) =>
    plan(makePrefixInput({ prefixMode: "required", ...changed }, { maxAllocate }));

  test("are not replaced by single addresses when no subnet has a /28, and the subnets are named", () => {
    const subnets = [FRAGMENTED, { id: "subnet-b", freeAddresses: 15 }];
    const result = required({ subnets });
    expect(result).toMatchObject({ steps: [], shortfall: { kind: "subnets-fragmented", subnets } });
    expect(result.explanation.at(-1)).toBe(
      "8 cannot be had: prefixes are required, and no allowed subnet can give one (subnet-a: 1000 free, no /28 fits, " +
        "not asked again for 300 s more, subnet-b: 15 free, no /28 fits)",
    );
  });

  test("are short of addresses, not of order, in subnets without any", () => {
    const subnets = [
      { id: "subnet-a", freeAddresses: 500, blockedUntilMs: NOW_MS + 1 },
      { id: "subnet-b", freeAddresses: 0 },
    ];
    expect(required({ subnets }).shortfall).toMatchObject({ kind: "subnets-empty" });
  });

  test("are nothing on an instance that takes none", () => {
    const result = required({ limits: M5_LARGE });
    expect(result).toMatchObject({ steps: [], shortfall: { kind: "prefixes-unsupported" } });
    expect(result.explanation.at(-1)).toBe("8 cannot be had: prefixes are required, and the instance takes none");
    // Its buffer is there: nothing is missing.
    expect(required({ limits: M5_LARGE, available: 8 }).shortfall).toBeUndefined();
  });

  test("are not asked for where fewer than 16 fit under max-allocate", () => {
    expect(required({}, 15)).toMatchObject({ steps: [], shortfall: { kind: "max-allocate", maxAllocate: 15 } });
    expect(brief(required({ waiting: 40 }, 40).steps)).toEqual(["eni-0 +2 /28"]);
    expect(required({ waiting: 40 }, 40).shortfall).toEqual({ kind: "max-allocate", maxAllocate: 40 });
  });

  test("fall short of the whole instance like addresses do", () => {
    const limits = { maxInterfaces: 1, addressesPerInterface: 3, firstInterfaceIndex: 0, prefixes: true };
    const interfaces = [makeInterface(0, { slots: 2 })];
    const result = required({ limits, interfaces, waiting: 40 });
    expect(result).toMatchObject({ planned: 32, shortfall: { kind: "instance-full", capacity: 32 } });
  });
});

describe("a node with single addresses that can have prefixes again", () => {
  const singles = makeInterface(0, { slotsTaken: 8, used: 0, freeBlocks: freeSingles(8) });
  const input = makePrefixInput({ interfaces: [singles], available: 8 });

  test("asks for a prefix in their stead, once", () => {
    const result = plan(input);
    expect(brief(result.steps)).toEqual(["eni-0 +1 /28"]);
    expect(result).toMatchObject({ needed: 0, surge: 0, wanted: 0, planned: 16 });
    expect(result.explanation).toContain(
      "recovery 8: prefixes can be had, so 8 free single addresses are no buffer, and without them 8 are lacking",
    );
    expect(plan({ ...input, pending: 16, interfaces: [{ ...singles, slotsPending: 1 }] }).steps).toEqual([]);
    expect(plan({ ...input, available: 24, interfaces: [{ ...singles, slotsTaken: 9 }] }).steps).toEqual([]);
  });

  test("gives nothing back in the same plan, though single addresses are beyond the watermarks", () => {
    const beyond = { ...input, watermarks: { ...input.watermarks, preAllocate: 2 } };
    expect(brief(plan({ ...beyond, giveBack: { count: 6, interfaceIdleMs: 1 } }).steps)).toEqual(["eni-0 +1 /28"]);
  });

  test("then gives the single addresses back", () => {
    const there = { ...input, available: 24, interfaces: [{ ...singles, slotsTaken: 9 }] };
    const result = plan({ ...there, giveBack: { count: 16, interfaceIdleMs: 1 } });
    expect(brief(result.steps)).toEqual(["eni-0 -8"]);
    expect(result.givenBack).toBe(8);
  });

  test("does nothing while no subnet has a /28, or the failed try is remembered", () => {
    expect(plan({ ...input, subnets: [FRAGMENTED] })).toMatchObject({ steps: [], needed: 0 });
    expect(plan({ ...input, subnets: [FRAGMENTED] }).shortfall).toBeUndefined();
    expect(plan({ ...input, subnets: [{ id: "subnet-a", freeAddresses: 15 }] }).steps).toEqual([]);
  });

  test("says nothing of recovery when what is needed can only be had as single addresses", () => {
    const result = plan({ ...input, subnets: [FRAGMENTED], used: 1 });
    expect(brief(result.steps)).toEqual(["eni-0 +1"]);
    expect(result.explanation.join()).not.toContain("recovery");
  });

  test("does nothing where prefixes are off, or no prefix fits under max-allocate", () => {
    expect(plan({ ...input, prefixMode: "off" }).steps).toEqual([]);
    expect(plan({ ...input, watermarks: { ...input.watermarks, maxAllocate: 23 } }).steps).toEqual([]);
    expect(plan({ ...input, watermarks: { ...input.watermarks, maxAllocate: 24 } }).steps).toHaveLength(1);
  });

  test("goes to a new interface when the others are full", () => {
    const full = makeInterface(0, { slotsTaken: 9, freeBlocks: freeSingles(8), used: 1 });
    const result = plan({ ...input, interfaces: [full], available: 9, used: 1 });
    expect(brief(result.steps)).toEqual(["new 1 in subnet-a +1 /28"]);
  });

  test("keeps what min-allocate asks for in prefixes too", () => {
    const interfaces = [makeInterface(0, { slotsTaken: 7, used: 0, freeBlocks: freeSingles(7) })];
    const result = plan(makePrefixInput({ interfaces, available: 7 }, { minAllocate: 20 }));
    expect(brief(result.steps)).toEqual(["eni-0 +2 /28"]);
  });
});

describe("a full instance of single addresses", () => {
  const limits = { ...M5_LARGE, maxInterfaces: 1, prefixes: true };
  const full = (free: number, changed = {}) =>
    makeInterface(0, { slotsTaken: 9, used: 9 - free, freeBlocks: freeSingles(free), ...changed });
  const giveBack = { count: 0, interfaceIdleMs: 1 };
  const input = makePrefixInput({ limits, interfaces: [full(8)], available: 9, used: 1, giveBack });

  test("makes place for a prefix with one free address", () => {
    const result = plan(input);
    expect(result.steps).toMatchObject([{ kind: "release-blocks", interfaceId: "eni-0", cidrs: ["a-0"] }]);
    expect(result.givenBack).toBe(1);
    expect(result.steps[0]?.reason).toBe(
      "1 free single address of eni-0 makes place for 1 prefix: no slot is free, all 9 of it are taken",
    );
    const interfaces = [full(7, { slotsTaken: 8, used: 1 })];
    expect(brief(plan({ ...input, interfaces, available: 8 }).steps)).toEqual(["eni-0 +1 /28"]);
  });

  test("does so with the last free one too, when the buffer is gone anyway", () => {
    expect(brief(plan({ ...input, interfaces: [full(1)], used: 8 }).steps)).toEqual(["eni-0 -1"]);
    expect(plan({ ...input, interfaces: [full(0)], used: 9 }).steps).toEqual([]);
  });

  test("does not while pods wait, a step is under way, giving back is off or no /28 is there", () => {
    expect(plan({ ...input, waiting: 1 }).steps).toEqual([]);
    expect(plan({ ...input, interfaces: [full(8, { busy: true })] }).steps).toEqual([]);
    const other = makeInterface(1, { busy: true, slotsTaken: 9, used: 9 });
    const two = { ...limits, maxInterfaces: 2 };
    expect(plan({ ...input, limits: two, interfaces: [full(8), other], available: 18, used: 10 }).steps).toEqual([]);
    expect(plan({ ...input, subnets: [FRAGMENTED] }).steps).toEqual([]);
    const { giveBack: _, ...off } = input;
    expect(plan(off).steps).toEqual([]);
  });

  test("does not below min-allocate, and not if the prefix would not fit under max-allocate", () => {
    const held = (minAllocate: number, maxAllocate: number) =>
      plan({ ...input, watermarks: { ...input.watermarks, minAllocate, maxAllocate } }).steps;
    expect(held(9, 0)).toEqual([]);
    expect(held(8, 0)).toHaveLength(1);
    expect(held(0, 23)).toEqual([]);
    expect(held(0, 24)).toHaveLength(1);
  });

  test("waits for what is given back anyway", () => {
    const nine = { ...input, interfaces: [full(9, { used: 0 })], used: 0 };
    expect(brief(plan({ ...nine, giveBack: { count: 1, interfaceIdleMs: 1 } }).steps)).toEqual(["eni-0 -1"]);
    expect(plan(nine).steps).toEqual([]);
  });
});

test("without prefixes the burst formula stays what it was", () => {
  expect(plan(makeInput({ available: 8, used: 8, waiting: 19 }))).toMatchObject({ needed: 8, surge: 11 });
});
