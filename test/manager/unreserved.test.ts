import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Reservation } from "../../src/manager/index.ts";
import { rangesToReserve, unreserved, unreservedError } from "../../src/manager/unreserved.ts";
import { cidrHolds } from "../../src/pool/index.ts";

const A = { id: "subnet-a", cidr: "10.0.1.0/24" };
const of = (cidr: string, kind: Reservation["kind"] = "explicit", subnetId = A.id) => ({
  id: "scr-1",
  subnetId,
  cidr,
  kind,
});
const cidrs = (ranges: readonly string[], reservations: readonly Reservation[]) =>
  unreserved(ranges, [A], reservations).map(({ cidr }) => cidr);

describe("ranges to reserve", () => {
  const fixed = [{ addresses: ["10.0.1.0/25", "10.0.2.0/28"] }, { addresses: ["10.0.1.16/28", "10.0.2.0/28"] }, {}].map(
    (rule) => ({ namespace: "*", pod: "*", ...rule }),
  );

  it("are those of all rules, each once", () => {
    expect(rangesToReserve({ fixed, "fixed-parking": "reservation" })).toEqual(["10.0.1.0/25", "10.0.2.0/28"]);
    expect(rangesToReserve({ fixed, "fixed-parking": "node" })).toEqual([]);
  });
});

describe("what is not reserved", () => {
  it("is what explicit reservations of the same subnet leave of a range", () => {
    expect(cidrs(["10.0.1.64/26"], [])).toEqual(["10.0.1.64/26"]);
    expect(cidrs(["10.0.1.64/26"], [of("10.0.1.64/27")])).toEqual(["10.0.1.96/27"]);
    expect(cidrs(["10.0.1.64/26"], [of("10.0.1.0/24")])).toEqual([]);
    expect(cidrs(["10.0.1.64/26"], [of("10.0.1.64/26", "prefix")])).toEqual(["10.0.1.64/26"]);
    expect(cidrs(["10.0.1.64/26"], [of("10.0.1.64/26", "explicit", "subnet-b")])).toEqual(["10.0.1.64/26"]);
  });

  it("is looked at in the subnet alone, where the range is wider", () => {
    expect(cidrs(["10.0.0.0/16"], [])).toEqual(["10.0.1.0/24"]);
    expect(cidrs(["10.0.2.0/24"], [])).toEqual([]);
  });

  it("leaves out the five addresses that EC2 keeps for itself", () => {
    const rest = [of("10.0.1.4/30"), of("10.0.1.8/29"), of("10.0.1.16/28"), of("10.0.1.32/27"), of("10.0.1.64/26")];
    const upper = [of("10.0.1.128/26"), of("10.0.1.192/27"), of("10.0.1.224/28"), of("10.0.1.240/29")];
    const last = [of("10.0.1.248/30"), of("10.0.1.252/31"), of("10.0.1.254/32")];
    expect(cidrs(["10.0.1.0/24"], [...rest, ...upper, ...last])).toEqual([]);
    expect(cidrs(["10.0.1.0/24"], [...rest, ...upper, ...last.slice(0, 2)])).toEqual(["10.0.1.254/31"]);
  });

  it("is each address of a range that no explicit reservation holds, for any reservations", () => {
    const block = fc
      .record({ length: fc.integer({ min: 24, max: 32 }), at: fc.nat({ max: 255 }) })
      .map(({ length, at }) => `10.0.1.${at - (at % 2 ** (32 - length))}/${length}`);
    fc.assert(
      fc.property(block, fc.array(block, { maxLength: 6 }), (range, explicit) => {
        const left = cidrs(
          [range],
          explicit.map((cidr) => of(cidr)),
        );
        for (let n = 4; n < 255; n++) {
          const address = `10.0.1.${n}`;
          const isMissing = cidrHolds(range, address) && !explicit.some((cidr) => cidrHolds(cidr, address));
          expect(left.some((cidr) => cidrHolds(cidr, address))).toBe(isMissing);
        }
      }),
    );
  });

  it("is told with some parts only, where there are many", () => {
    const ranges = Array.from({ length: 12 }, (_, n) => `10.0.1.${16 + n * 8}/30`);
    const { values } = unreservedError(unreserved(ranges, [A], []));
    expect(values.missing).toMatch(/, 10\.0\.1\.72\/30 of subnet-a and 4 more$/);
    expect(String(values.commands).split(" && ")).toHaveLength(8);
  });
});
