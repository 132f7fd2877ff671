import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ObservedInterface } from "../../src/manager/index.ts";
import { sameInterfaces } from "../../src/manager/same-interfaces.ts";

const texts = fc.array(fc.constantFrom("10.0.0.1", "10.0.0.2"), { maxLength: 2 });
const observed = fc.record(
  {
    id: fc.constantFrom("eni-1", "eni-2"),
    deviceIndex: fc.constantFrom(0, 1),
    attached: fc.boolean(),
    securityGroups: texts,
    addresses: texts,
    prefixes: texts,
    ipv6Prefixes: texts,
    foreignBecause: fc.constantFrom("of type trunk", "of type efa"),
  },
  { requiredKeys: ["id", "deviceIndex", "attached", "securityGroups", "addresses", "prefixes"] },
) as fc.Arbitrary<unknown> as fc.Arbitrary<ObservedInterface>;
const lists = fc.array(observed, { maxLength: 2 });

/** As text, whatever the order of the properties. */
function text(interfaces: readonly ObservedInterface[]): string {
  return JSON.stringify(interfaces.map((one) => Object.entries(one).toSorted(([a], [b]) => (a < b ? -1 : 1))));
}

describe("two observations", () => {
  it("show the same exactly if every property of every interface is the same", () => {
    fc.assert(
      fc.property(lists, lists, (left, right) => {
        expect(sameInterfaces(left, right)).toBe(text(left) === text(right));
        expect(sameInterfaces(left, structuredClone(left))).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});
