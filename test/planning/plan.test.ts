import { describe, expect, test } from "vitest";
import { type PlanInput, plan } from "../../src/planning/index.ts";
import { brief, done, M5_LARGE, makeInput, makeInterface, NOW_MS, underWay } from "./make-input.ts";

describe("27 pods in a burst on an m5.large with pre-allocate 8", () => {
  const start = makeInput();

  test("get their addresses by two plans: 8 on the primary interface, then its last one and two interfaces of 9", () => {
    const first = plan(start);
    expect(brief(first.steps)).toEqual(["eni-0 +8"]);
    const ready = done(underWay(start, first.steps));
    expect(plan(ready)).toMatchObject({ steps: [], needed: 0, wanted: 0 });

    const burst: PlanInput = { ...ready, used: 8, waiting: 19 };
    const second = plan(burst);
    expect(second).toMatchObject({ needed: 8, surge: 11, wanted: 19, planned: 19 });
    expect(second.shortfall).toBeUndefined();
    expect(brief(second.steps)).toEqual(["eni-0 +1", "new 1 in subnet-a +9", "new 2 in subnet-a +9"]);

    const under = underWay(burst, second.steps);
    for (const repeated of [under, done(under)]) expect(plan(repeated)).toMatchObject({ steps: [], surge: 0 });
    const served: PlanInput = { ...done(under), used: 27, waiting: 0 };
    expect(plan(served)).toMatchObject({
      steps: [],
      needed: 8,
      wanted: 0,
      shortfall: { kind: "instance-full", capacity: 27 },
    });
  });

  test("get no further interface from plans in the middle", () => {
    const limits = { ...M5_LARGE, maxInterfaces: 8 };
    const burst = makeInput({
      limits,
      available: 8,
      used: 8,
      waiting: 19,
      interfaces: [makeInterface(0, { slotsTaken: 8 })],
    });
    let now = underWay(burst, plan(burst).steps);
    // The address of the primary interface comes first, and one pod gets it.
    now = {
      ...now,
      available: 9,
      used: 9,
      waiting: 18,
      pending: 18,
      interfaces: now.interfaces.map((one) => (one.id === "eni-0" ? { ...one, slotsTaken: 9, slotsPending: 0 } : one)),
    };
    expect(plan(now).steps).toEqual([]);
    // Then one interface of 9; its pods are served.
    now = {
      ...now,
      available: 18,
      used: 18,
      waiting: 9,
      pending: 9,
      pendingDeviceIndexes: [2],
      interfaces: now.interfaces.map((one) => (one.id === "eni-1" ? { ...one, slotsTaken: 9, slotsPending: 0 } : one)),
    };
    expect(plan(now).steps).toEqual([]);
  });

  test("who come in two waves get what the interface being made has left, once it is there", () => {
    const limits = { ...M5_LARGE, maxInterfaces: 8 };
    const full = makeInterface(0, { slotsTaken: 9 });
    const wave = makeInput({ limits, available: 9, used: 9, waiting: 2, interfaces: [full] });
    const first = plan(wave);
    expect(brief(first.steps)).toEqual(["new 1 in subnet-a +8"]);

    const one = plan({ ...underWay(wave, first.steps), waiting: 9 });
    expect(one).toMatchObject({ steps: [], surge: 1, wanted: 1, planned: 0, deferred: 1 });
    expect(one.shortfall).toBeUndefined();
    expect(one.explanation).toContain("1 wait for the free slots of an interface that is being made");

    const more = plan({ ...underWay(wave, first.steps), waiting: 12 });
    expect(more).toMatchObject({ wanted: 4, planned: 3, deferred: 1 });
    expect(brief(more.steps)).toEqual(["new 2 in subnet-a +3"]);

    const attached = done(underWay(wave, first.steps));
    expect(brief(plan({ ...attached, waiting: 9 }).steps)).toEqual(["eni-1 +1"]);
  });
});

describe("interfaces", () => {
  test("that exist are filled before one is created, the fullest first", () => {
    const interfaces = [
      makeInterface(0, { slotsTaken: 3 }),
      makeInterface(1, { slotsTaken: 6, slotsPending: 1 }),
      makeInterface(2, { slotsTaken: 9 }),
    ];
    const input = makeInput({ interfaces, available: 18, used: 18, limits: { ...M5_LARGE, maxInterfaces: 4 } });
    expect(brief(plan({ ...input, pending: 1 }).steps)).toEqual(["eni-1 +2", "eni-0 +5"]);
    expect(brief(plan({ ...input, pending: 1, waiting: 12 }).steps)).toEqual([
      "eni-1 +2",
      "eni-0 +6",
      "new 3 in subnet-a +3",
    ]);
  });

  test("below the first index, foreign ones and those in other subnets carry no pods, but take their places", () => {
    const limits = { ...M5_LARGE, maxInterfaces: 5, firstInterfaceIndex: 1 };
    const interfaces = [
      makeInterface(0),
      makeInterface(1, { usable: false }),
      makeInterface(2, { subnetId: "subnet-forbidden" }),
    ];
    const result = plan(makeInput({ limits, interfaces, waiting: 40 }));
    expect(brief(result.steps)).toEqual(["new 3 in subnet-a +9", "new 4 in subnet-a +9"]);
    expect(result.shortfall).toEqual({ kind: "instance-full", capacity: 18 });
  });

  test("get the lowest device index that is neither taken nor about to be", () => {
    const limits = { ...M5_LARGE, maxInterfaces: 6, firstInterfaceIndex: 1 };
    const interfaces = [makeInterface(0), makeInterface(1, { usable: false }), makeInterface(4, { usable: false })];
    const result = plan(makeInput({ limits, interfaces, pendingDeviceIndexes: [2], waiting: 30 }));
    expect(brief(result.steps)).toEqual(["new 3 in subnet-a +9", "new 5 in subnet-a +9"]);
    // Nobody knows how many of its slots the interface at index 2 leaves; all of them count as what can be held.
    expect(result.shortfall).toEqual({ kind: "instance-full", capacity: 27 });
  });

  test("below the first index keep their places, even when these are free", () => {
    const limits = { ...M5_LARGE, firstInterfaceIndex: 2 };
    expect(brief(plan(makeInput({ limits, waiting: 30 })).steps)).toEqual(["new 2 in subnet-a +9"]);
    const taken = makeInput({
      limits,
      waiting: 30,
      interfaces: [makeInterface(0), makeInterface(2, { usable: false })],
    });
    expect(plan(taken)).toMatchObject({ steps: [], shortfall: { kind: "no-usable-interface" } });
  });

  test("on other network cards and without a device index do not count", () => {
    const interfaces = [
      makeInterface(0, { slotsTaken: 9 }),
      makeInterface(1, { id: "eni-card-1", networkCard: 1 }),
      makeInterface(-1, { id: "eni-detached" }),
    ];
    const input = makeInput({ interfaces, available: 9, used: 9 });
    expect(brief(plan(input).steps)).toEqual(["new 1 in subnet-a +8"]);
  });
});

describe("subnets", () => {
  test("give what they have, the primary address of a new interface included", () => {
    const subnets = [
      { id: "subnet-a", freeAddresses: 3 },
      { id: "subnet-b", freeAddresses: 6 },
      { id: "subnet-c", freeAddresses: 1 },
    ];
    const result = plan(makeInput({ subnets, waiting: 20 }));
    expect(brief(result.steps)).toEqual(["eni-0 +3", "new 1 in subnet-b +5"]);
    expect(result).toMatchObject({ wanted: 20, planned: 8, shortfall: { kind: "subnets-empty", subnets } });
  });

  test("are taken from the one with the most free addresses", () => {
    const subnets = [
      { id: "subnet-a", freeAddresses: 100 },
      { id: "subnet-b", freeAddresses: 105 },
    ];
    const input = makeInput({ subnets, interfaces: [], waiting: 27 });
    const created = ["new 0 in subnet-b +9", "new 1 in subnet-a +9", "new 2 in subnet-b +9"];
    expect(brief(plan(input).steps)).toEqual(created);
  });

  test("that are held back give nothing until their time", () => {
    const heldBack = [
      { id: "subnet-a", freeAddresses: 100, blockedUntilMs: NOW_MS + 120_000 },
      { id: "subnet-b", freeAddresses: 50 },
    ];
    const input = makeInput({ subnets: heldBack });
    expect(brief(plan(input).steps)).toEqual(["new 1 in subnet-b +8"]);
    expect(brief(plan({ ...input, nowMs: NOW_MS + 120_000 }).steps)).toEqual(["eni-0 +8"]);
    const only = plan(makeInput({ subnets: heldBack.slice(0, 1) }));
    expect(only).toMatchObject({ steps: [], wanted: 8, shortfall: { kind: "subnets-empty" } });
    expect(only.explanation.at(-1)).toContain("subnet-a: 100 free, held back for 120 s more");
  });

  test("must be allowed: without any, nothing is planned", () => {
    expect(plan(makeInput({ subnets: [] }))).toMatchObject({ steps: [], wanted: 8, shortfall: { kind: "no-subnet" } });
  });

  test("that gave more than they said count as empty", () => {
    const subnets = [{ id: "subnet-a", freeAddresses: -3 }];
    expect(plan(makeInput({ subnets }))).toMatchObject({ steps: [], shortfall: { kind: "subnets-empty" } });
  });
});

describe("settings", () => {
  test("of zero keep nothing ready, and waiting pods are still served", () => {
    const idle = makeInput({}, { preAllocate: 0 });
    expect(plan(idle)).toMatchObject({ steps: [], needed: 0, wanted: 0 });
    expect(plan({ ...idle, waiting: 3 })).toMatchObject({ needed: 0, surge: 3, planned: 3 });
  });

  test("min-allocate is reached at once", () => {
    expect(brief(plan(makeInput({}, { minAllocate: 12 })).steps)).toEqual(["eni-0 +9", "new 1 in subnet-a +3"]);
  });

  test("max-allocate is never exceeded, pods waiting or not", () => {
    const input = makeInput({ waiting: 20 }, { maxAllocate: 11, maxAboveWatermark: 5 });
    const result = plan(input);
    expect(brief(result.steps)).toEqual(["eni-0 +9", "new 1 in subnet-a +2"]);
    expect(result).toMatchObject({
      needed: 8,
      surge: 12,
      wanted: 11,
      shortfall: { kind: "max-allocate", maxAllocate: 11 },
    });
    const reached = {
      ...input,
      available: 11,
      used: 11,
      waiting: 0,
      interfaces: [makeInterface(0, { slotsTaken: 9 })],
    };
    expect(plan(reached)).toMatchObject({ steps: [], needed: 0 });
    expect(plan(reached).shortfall).toBeUndefined();
  });

  test("max-allocate beyond what the instance can hold changes nothing", () => {
    const result = plan(makeInput({ waiting: 40 }, { maxAllocate: 100 }));
    expect(result).toMatchObject({ planned: 27, shortfall: { kind: "instance-full", capacity: 27 } });
    // Nor does one of just as much: to raise it would not help.
    const same = plan(makeInput({ waiting: 40 }, { maxAllocate: 27 }));
    expect(same).toMatchObject({ planned: 27, shortfall: { kind: "instance-full", capacity: 27 } });
  });

  test("max-above-watermark is taken in calls that are made anyway, and makes none of its own", () => {
    const limits = { ...M5_LARGE, maxInterfaces: 2 };
    const interfaces = [makeInterface(0, { slotsTaken: 5 }), makeInterface(1)];
    const above = (used: number, count: number) =>
      plan(makeInput({ limits, interfaces, available: 5, used }, { preAllocate: 4, maxAboveWatermark: count }));
    expect(above(1, 3)).toMatchObject({ steps: [], needed: 0, wanted: 0 });
    expect(brief(above(2, 3).steps)).toEqual(["eni-0 +4"]);
    expect(above(5, 3)).toMatchObject({ needed: 4, wanted: 7, planned: 4 });
    expect(above(5, 3).shortfall).toBeUndefined();
    const full = makeInput(
      { interfaces: [makeInterface(0, { slotsTaken: 9 })], available: 9, used: 9 },
      { maxAboveWatermark: 1 },
    );
    expect(brief(plan(full).steps)).toEqual(["new 1 in subnet-a +9"]);
  });
});

describe("growth that is held back", () => {
  const blocked = { untilMs: NOW_MS + 12_000, reason: "ENID_EC2_THROTTLED: EC2 throttles" };

  test("makes no step and says why", () => {
    const result = plan(makeInput({ blocked }));
    expect(result).toMatchObject({
      steps: [],
      needed: 8,
      wanted: 8,
      planned: 0,
      shortfall: { kind: "blocked", ...blocked },
    });
    expect(result.explanation.at(-1)).toBe(
      "8 cannot be had: growth is held back for 12 s more: ENID_EC2_THROTTLED: EC2 throttles",
    );
  });

  test("goes on when the time has come", () => {
    expect(plan(makeInput({ blocked, nowMs: blocked.untilMs })).planned).toBe(8);
  });

  test("is no reason when nothing is needed or the instance is full", () => {
    expect(plan(makeInput({ blocked, available: 8 })).shortfall).toBeUndefined();
    const full = [0, 1, 2].map((index) => makeInterface(index, { slotsTaken: 9 }));
    const result = plan(makeInput({ blocked, interfaces: full, available: 27, used: 27, waiting: 1 }));
    expect(result.shortfall).toEqual({ kind: "instance-full", capacity: 27 });
  });
});

test("a full instance with enough free addresses has no shortfall", () => {
  const interfaces = [0, 1, 2].map((index) => makeInterface(index, { slotsTaken: 9 }));
  const result = plan(makeInput({ interfaces, available: 27, used: 19 }));
  expect(result).toMatchObject({ steps: [], needed: 0 });
  expect(result.shortfall).toBeUndefined();
});

test("an instance of which no interface may carry pods says so", () => {
  const limits = { ...M5_LARGE, firstInterfaceIndex: 3 };
  expect(plan(makeInput({ limits }))).toMatchObject({ steps: [], shortfall: { kind: "no-usable-interface" } });
});

test("cooling addresses are used, so they are replaced", () => {
  const interfaces = [makeInterface(0, { slotsTaken: 8 })];
  expect(plan(makeInput({ interfaces, available: 8, used: 3 })).needed).toBe(3);
});

test("the explanation tells the whole reasoning with its numbers", () => {
  const interfaces = [makeInterface(0, { slotsTaken: 8 })];
  const input = makeInput({ interfaces, available: 8, used: 8, waiting: 25 }, { minAllocate: 4, maxAboveWatermark: 2 });
  const { steps, explanation } = plan(input);
  expect(explanation).toEqual([
    "the node holds 8 addresses, 8 of them leased or cooling; steps under way bring 0 more",
    "needed 8: pre-allocate asks for 8 free addresses, 0 are or will be; min-allocate asks for 4 in all, 8 are or will be",
    "surge 17: 25 pods wait, 0 of them for addresses that are free or under way, and 8 are served by what is needed anyway",
    "wanted 19: needed 8 + max-above-watermark 2 + surge 17 = 27, of which the instance allows 19",
    "1 of the 19 addresses wanted go on eni-0: 1 of its 9 slots are free, subnet-a has 1000 free addresses",
    "9 of the 18 addresses still wanted go on a new interface at device index 1: it has 9 slots, subnet-a has 999 free addresses",
    "9 of the 9 addresses still wanted go on a new interface at device index 2: it has 9 slots, subnet-a has 989 free addresses",
    "6 cannot be had: the instance can hold 27 pod addresses and no more",
  ]);
  expect(steps.map(({ reason }) => reason)).toEqual(explanation.slice(4, 7));
});

test("the explanation names addresses beyond the watermarks, and gives none back", () => {
  const result = plan(
    makeInput({ interfaces: [makeInterface(0, { slotsTaken: 9 })], available: 9 }, { preAllocate: 2 }),
  );
  expect(result.steps).toEqual([]);
  expect(result.explanation.slice(-2)).toEqual([
    "nothing is to be done",
    "7 addresses are beyond min-allocate 0, pre-allocate 2 and max-above-watermark 0; none may be given back now",
  ]);
});
