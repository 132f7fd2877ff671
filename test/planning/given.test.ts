import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type GivenAddresses, type PlanInput, plan, type Watermarks } from "../../src/planning/index.ts";

const RANGES = ["10.12.5.0/28"];

function input(
  given: Partial<GivenAddresses>,
  watermarks: Partial<Watermarks> = {},
  waiting = 0,
): PlanInput & { given: GivenAddresses } {
  const whole = { ranges: RANGES, free: 13, leased: 0, cooling: 0, reserved: 3, draining: 0, ...given };
  const all = { ...whole, unused: given.unused ?? whole.free };
  const used = all.leased + all.cooling;
  return {
    nowMs: 0,
    watermarks: { preAllocate: 8, minAllocate: 0, maxAllocate: 0, maxAboveWatermark: 0, ...watermarks },
    available: all.free + used,
    used,
    waiting,
    pending: 0,
    interfaces: [],
    pendingDeviceIndexes: [],
    subnets: [],
    limits: { maxInterfaces: 1, addressesPerInterface: 1, firstInterfaceIndex: 0 },
    given: all,
  };
}

describe("a node whose addresses are given", () => {
  it("has nothing to do while there is room", () => {
    const made = plan(input({ free: 10, leased: 3 }));
    expect(made).toMatchObject({ steps: [], needed: 0, surge: 0, planned: 0 });
    expect(made.shortfall).toBeUndefined();
    expect(made.explanation.at(-1)).toContain("nothing is to be done");
  });

  it("lacks what pre-allocate asks for, and says so without a step", () => {
    const made = plan(input({ free: 3, leased: 9, cooling: 1 }));
    expect(made).toMatchObject({
      steps: [],
      needed: 5,
      surge: 0,
      shortfall: { kind: "ranges-full", free: 3, leased: 9 },
    });
    expect(made.explanation).toContain("needed 5: pre-allocate asks for 8 free addresses, 3 are");
  });

  it("counts pods that wait beyond what is free", () => {
    expect(plan(input({ free: 2, leased: 11 }, { preAllocate: 0 }, 2)).shortfall).toBeUndefined();
    const made = plan(input({ free: 2, leased: 11, draining: 4 }, { preAllocate: 0 }, 5));
    expect(made).toMatchObject({ needed: 0, surge: 3, shortfall: { kind: "ranges-full", draining: 4 } });
    expect(made.explanation.join("\n")).toContain(
      "4 addresses of ranges that podCIDRs no longer names are still in use",
    );
  });

  it("names max-allocate where that alone keeps a pod from an address", () => {
    const made = plan(input({ free: 0, unused: 6, leased: 7 }, { preAllocate: 0, maxAllocate: 7 }, 1));
    expect(made.shortfall).toEqual({ kind: "max-allocate", maxAllocate: 7 });
  });

  it("never has a step, and a shortfall exactly when something lacks", () => {
    fc.assert(
      fc.property(fc.nat(40), fc.nat(40), fc.nat(40), fc.nat(20), fc.nat(60), (free, leased, pre, waiting, min) => {
        const of = input({ free, leased }, { preAllocate: pre, minAllocate: min }, waiting);
        const made = plan({ ...of, giveBack: { count: 100, interfaceIdleMs: 0 } });
        expect(made.steps).toEqual([]);
        const lacks = free < pre || free < waiting || free + leased < min;
        expect(made.shortfall !== undefined).toBe(lacks);
      }),
    );
  });
});
