import { describe, expect, test } from "vitest";
import { effectivePreAllocate, nodeMaximum, plan } from "../../src/planning/index.ts";
import { brief, M5_LARGE, makeInput, makeInterface, makePrefixInput } from "./make-input.ts";

const cards = [
  { card: 0, maxInterfaces: 2 },
  { card: 1, maxInterfaces: 2 },
  { card: 2, maxInterfaces: 1 },
];
const limits = { ...M5_LARGE, maxInterfaces: 2, cards };
const on = (card: number, deviceIndex: number, changed = {}) =>
  makeInterface(deviceIndex, { id: `eni-${card}-${deviceIndex}`, networkCard: card, ...changed });

describe("network cards", () => {
  test("are filled in their order, the indexes of others counting from 1", () => {
    const result = plan(makeInput({ limits, waiting: 45 }));
    expect(brief(result.steps)).toEqual([
      "eni-0 +9",
      "new 1 in subnet-a +9",
      "new 1 on card 1 in subnet-a +9",
      "new 2 on card 1 in subnet-a +9",
      "new 1 on card 2 in subnet-a +9",
    ]);
    expect(result).toMatchObject({ planned: 45 });
    expect(result.shortfall).toBeUndefined();
    expect(result.steps[2]?.reason).toContain("on a new interface at device index 1 of network card 1: it has 9 slots");
    expect(plan(makeInput({ limits, waiting: 46 })).shortfall).toEqual({ kind: "instance-full", capacity: 45 });
  });

  test("have their own places, which interfaces of others take too", () => {
    const foreign = on(1, 1, { usable: false });
    const full = [on(0, 0, { slotsTaken: 9 }), on(0, 1, { slotsTaken: 9 })];
    const result = plan(makeInput({ limits, interfaces: [...full, foreign], available: 18, used: 18, waiting: 20 }));
    expect(brief(result.steps)).toEqual(["new 2 on card 1 in subnet-a +9", "new 1 on card 2 in subnet-a +9"]);
    expect(result.shortfall).toEqual({ kind: "instance-full", capacity: 36 });
  });

  test("keep the places that steps under way will take", () => {
    const full = [on(0, 0, { slotsTaken: 9 }), on(0, 1, { slotsTaken: 9 })];
    const pendingPlaces = [{ card: 1, deviceIndex: 1 }];
    const making = on(1, 1, { slotsPending: 9 });
    const input = makeInput({
      limits,
      interfaces: [...full, making],
      pendingPlaces,
      available: 18,
      used: 18,
      pending: 9,
    });
    expect(brief(plan({ ...input, waiting: 11 }).steps)).toEqual(["new 2 on card 1 in subnet-a +2"]);
    // Without places of their own, the device indexes are those of the default card.
    const { pendingPlaces: _, ...old } = { ...input, pendingDeviceIndexes: [1], waiting: 11 };
    expect(brief(plan({ ...old, interfaces: full }).steps)[0]).toBe("new 1 on card 1 in subnet-a +2");
  });

  test("have interfaces that count: those of the earlier card are filled first", () => {
    const interfaces = [on(1, 1, { slotsTaken: 8 }), on(0, 0, { slotsTaken: 3 }), on(0, 1, { slotsTaken: 5 })];
    const input = makeInput({ limits, interfaces, available: 16, used: 16, waiting: 11 });
    expect(brief(plan(input).steps)).toEqual(["eni-0-1 +4", "eni-0-0 +6", "eni-1-1 +1"]);
  });

  test("that the limits do not name have interfaces that do not count", () => {
    const interfaces = [on(0, 0, { slotsTaken: 9 }), on(7, 1)];
    expect(brief(plan(makeInput({ limits, interfaces, available: 9, used: 9 })).steps)).toEqual([
      "new 1 in subnet-a +8",
    ]);
  });

  test("leave first-interface-index to the default card", () => {
    const first = { ...limits, firstInterfaceIndex: 2 };
    expect(brief(plan(makeInput({ limits: first, interfaces: [on(0, 0)] })).steps)).toEqual([
      "new 1 on card 1 in subnet-a +8",
    ]);
    expect(nodeMaximum(first)).toBe(27);
  });
});

describe("the node maximum", () => {
  test("counts all cards, prefixes, and primary addresses of interfaces that enid makes", () => {
    expect(nodeMaximum(limits)).toBe(45);
    expect(nodeMaximum(limits, { prefixes: true })).toBe(720);
    const primaries = { ...limits, usePrimaryAddress: true };
    expect(nodeMaximum(primaries)).toBe(49);
    expect(nodeMaximum({ ...primaries, firstInterfaceIndex: 1 })).toBe(40);
    expect(nodeMaximum({ ...primaries, addressesPerInterface: 1 })).toBe(0);
    const tiny = { maxInterfaces: 1, addressesPerInterface: 2, firstInterfaceIndex: 0 };
    expect(
      effectivePreAllocate(8, true, {
        ...tiny,
        cards: [
          { card: 0, maxInterfaces: 1 },
          { card: 1, maxInterfaces: 2 },
        ],
      }),
    ).toBe(3);
  });
});

describe("use-primary-address", () => {
  const primaries = { ...M5_LARGE, usePrimaryAddress: true };
  const full = [makeInterface(0, { slotsTaken: 9 })];

  test("brings one more address with each interface that is created", () => {
    const result = plan(makeInput({ limits: primaries, interfaces: full, available: 9, used: 9, waiting: 13 }));
    expect(brief(result.steps)).toEqual(["new 1 in subnet-a +9", "new 2 in subnet-a +2"]);
    expect(result.planned).toBe(13);
    expect(result.steps[0]?.reason).toContain("it has 9 slots, its primary address is for pods too, subnet-a");
    const all = plan(makeInput({ limits: primaries, interfaces: full, available: 9, used: 9, waiting: 99 }));
    expect(all).toMatchObject({ planned: 20, shortfall: { kind: "instance-full", capacity: 29 } });
  });

  test("needs no secondary address where one address is all that may be had", () => {
    const input = makeInput(
      { limits: primaries, interfaces: full, available: 9, used: 9, waiting: 5 },
      { maxAllocate: 10 },
    );
    expect(plan(input)).toMatchObject({ steps: [{ count: 0 }], planned: 1, shortfall: { kind: "max-allocate" } });
  });

  test("counts beside the prefixes of an interface", () => {
    const input = makePrefixInput({
      limits: { ...primaries, prefixes: true },
      interfaces: full,
      available: 9,
      used: 9,
      waiting: 20,
    });
    expect(plan(input)).toMatchObject({ steps: [{ count: 2, unit: "prefix" }], wanted: 28, planned: 33 });
  });
});
