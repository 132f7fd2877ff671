import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { effectivePreAllocate, excess, interfaceMaximum, needed, nodeMaximum } from "../../src/planning/index.ts";

describe("needed", () => {
  test.each([
    // available, used, preAllocate, minAllocate, maxAllocate → needed
    [0, 0, 8, 0, 0, 8],
    [8, 0, 8, 0, 0, 0],
    [8, 3, 8, 0, 0, 3],
    [8, 8, 8, 0, 0, 8],
    [20, 3, 8, 0, 0, 0],
    // A zero is a value: nothing is kept ready.
    [0, 0, 0, 0, 0, 0],
    [5, 5, 0, 0, 0, 0],
    // More used than available: addresses that the cloud denies are replaced.
    [5, 6, 0, 0, 0, 1],
    // min-allocate is a floor for all addresses, pre-allocate one for the free ones.
    [0, 0, 8, 10, 0, 10],
    [6, 0, 8, 10, 0, 4],
    [10, 10, 8, 10, 0, 8],
    [10, 0, 0, 10, 0, 0],
    [0, 0, 0, 10, 0, 10],
    // max-allocate is a ceiling for all addresses.
    [0, 0, 8, 0, 5, 5],
    [5, 5, 8, 0, 5, 0],
    [7, 7, 8, 0, 5, 0],
    [0, 0, 8, 10, 5, 5],
    [10, 10, 8, 0, 14, 4],
    [10, 10, 8, 0, 18, 8],
  ])("of %i held, %i used, pre %i, min %i, max %i is %i", (...row) => {
    const [available, used, preAllocate, minAllocate, maxAllocate, expected] = row;
    expect(needed({ available, used, preAllocate, minAllocate, maxAllocate })).toBe(expected);
  });

  test("met once asks for nothing more", () => {
    const counts = fc.record({
      available: fc.nat(300),
      used: fc.nat(300),
      preAllocate: fc.nat(40),
      minAllocate: fc.nat(60),
      maxAllocate: fc.nat(200),
    });
    fc.assert(
      fc.property(counts, (of) => {
        const count = needed(of);
        expect(count).toBeGreaterThanOrEqual(0);
        expect(needed({ ...of, available: of.available + count })).toBe(0);
        if (of.maxAllocate > 0 && count > 0) expect(of.available + count).toBeLessThanOrEqual(of.maxAllocate);
      }),
    );
  });
});

describe("excess", () => {
  test.each([
    // available, used, preAllocate, minAllocate, maxAboveWatermark → excess
    [0, 0, 8, 0, 0, 0],
    [8, 0, 8, 0, 0, 0],
    [12, 0, 8, 0, 0, 4],
    [12, 4, 8, 0, 0, 0],
    [12, 12, 8, 0, 0, 0],
    [12, 0, 0, 0, 0, 12],
    // max-above-watermark stays.
    [12, 0, 8, 0, 2, 2],
    [12, 0, 8, 0, 4, 0],
    // Up to min-allocate + max-above-watermark nothing is excess.
    [10, 0, 8, 10, 0, 0],
    [14, 0, 8, 10, 4, 0],
    // Used and pre-allocate fit below that: what is beyond it goes.
    [16, 0, 8, 10, 0, 6],
    [16, 2, 8, 10, 0, 6],
    [16, 2, 8, 10, 4, 2],
    [20, 6, 8, 10, 4, 6],
    // They do not fit: what is beyond used + pre-allocate + max-above-watermark goes.
    [16, 3, 8, 10, 0, 5],
    [16, 9, 8, 10, 0, 0],
    [20, 7, 8, 10, 4, 1],
  ])("of %i held, %i used, pre %i, min %i, above %i is %i", (...row) => {
    const [available, used, preAllocate, minAllocate, maxAboveWatermark, expected] = row;
    expect(excess({ available, used, preAllocate, minAllocate, maxAboveWatermark })).toBe(expected);
  });

  test("is never what is needed, and given back leaves nothing needed", () => {
    const counts = fc
      .record({ available: fc.nat(300), usedShare: fc.double({ min: 0, max: 1, noNaN: true }) })
      .map(({ available, usedShare }) => ({ available, used: Math.floor(available * usedShare) }));
    const watermarks = fc.record({ preAllocate: fc.nat(40), minAllocate: fc.nat(60), maxAboveWatermark: fc.nat(20) });
    fc.assert(
      fc.property(counts, watermarks, (held, of) => {
        const count = excess({ ...held, ...of });
        expect(count).toBeGreaterThanOrEqual(0);
        if (count === 0) return;
        const available = held.available - count;
        expect(needed({ ...of, available, used: held.used, maxAllocate: 0 })).toBe(0);
        expect(excess({ ...of, available, used: held.used })).toBe(0);
      }),
    );
  });
});

describe("the node maximum", () => {
  test.each([
    ["m5.large", 3, 10, 0, 27],
    ["m5.large without its primary interface", 3, 10, 1, 18],
    ["m5.xlarge", 4, 15, 0, 56],
    ["t3.nano", 2, 2, 0, 2],
    ["one interface that carries no pods", 1, 10, 1, 0],
    ["a first index beyond the interfaces", 2, 10, 5, 0],
    ["interfaces with a primary address only", 2, 1, 0, 0],
  ])(
    "of %s (%i x %i, first index %i) is %i",
    (_name, maxInterfaces, addressesPerInterface, firstInterfaceIndex, most) => {
      const limits = { maxInterfaces, addressesPerInterface, firstInterfaceIndex };
      expect(nodeMaximum(limits)).toBe(most);
      expect(nodeMaximum(limits, { prefixes: true })).toBe(16 * most);
    },
  );
});

describe("the maximum of one interface", () => {
  const primary = { networkCard: 0, deviceIndex: 0 };
  const second = { networkCard: 0, deviceIndex: 1 };

  test.each([
    // interface, use-primary-address, prefixes → addresses
    ["the primary one", primary, false, false, 9],
    ["the primary one, whose primary address is never a pod's", primary, true, false, 9],
    ["another one", second, false, false, 9],
    ["another one with its primary address", second, true, false, 10],
    ["the primary one with prefixes", primary, true, true, 144],
    ["another one with prefixes and its primary address", second, true, true, 145],
    [
      "the first one of another card, which is not the primary one",
      { networkCard: 1, deviceIndex: 0 },
      true,
      false,
      10,
    ],
  ])("%s", (_name, place, usePrimaryAddress, prefixes, most) => {
    const limits = { maxInterfaces: 3, addressesPerInterface: 10, firstInterfaceIndex: 0, usePrimaryAddress };
    expect(interfaceMaximum(limits, place, { prefixes })).toBe(most);
  });

  test("of all that can carry pods comes to the node maximum, so that taking one off leaves that of the others", () => {
    const limits = fc.record({
      maxInterfaces: fc.integer({ min: 1, max: 15 }),
      addressesPerInterface: fc.integer({ min: 2, max: 50 }),
      firstInterfaceIndex: fc.nat(3),
      usePrimaryAddress: fc.boolean(),
      others: fc.array(fc.integer({ min: 1, max: 15 }), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(limits, fc.boolean(), ({ others, ...of }, prefixes) => {
        const sizes = [of.maxInterfaces, ...others];
        const cards = sizes.map((maxInterfaces, card) => ({ card, maxInterfaces }));
        const places = sizes.flatMap((size, networkCard) =>
          Array.from({ length: size }, (_, deviceIndex) => ({ networkCard, deviceIndex })),
        );
        const carrying = places.filter((one) => one.networkCard > 0 || one.deviceIndex >= of.firstInterfaceIndex);
        const sum = carrying.reduce((total, place) => total + interfaceMaximum(of, place, { prefixes }), 0);
        expect(nodeMaximum({ ...of, cards }, { prefixes })).toBe(sum);
      }),
    );
  });
});

test("pre-allocate is what the settings say, a zero too; else 8, or what a small instance can hold", () => {
  const large = { maxInterfaces: 3, addressesPerInterface: 10, firstInterfaceIndex: 0 };
  const nano = { maxInterfaces: 2, addressesPerInterface: 2, firstInterfaceIndex: 0 };
  expect(effectivePreAllocate(0, false, large)).toBe(0);
  expect(effectivePreAllocate(30, false, nano)).toBe(30);
  expect(effectivePreAllocate(8, true, large)).toBe(8);
  expect(effectivePreAllocate(8, true, nano)).toBe(2);
  expect(effectivePreAllocate(8, true, nano, { prefixes: true })).toBe(8);
});
