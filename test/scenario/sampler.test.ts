import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Sample } from "../../src/simulator/scenario/index.ts";
import { halved } from "../../src/simulator/scenario/sampler.ts";

const NOTHING = { readyNodes: 0, heldAddresses: 0, usedAddresses: 0, waitingPods: 0, freeInSubnets: 0 };

describe("a full series of samples", () => {
  it("keeps every second one, the first and the last among them, and all their calls", () => {
    const counts = fc.array(fc.tuple(fc.nat(100), fc.nat(100)), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(counts, (all) => {
        const odd = all.length % 2 === 1 ? all : all.slice(1);
        if (odd.length === 0) return;
        const series = odd.map(
          ([calls, throttledCalls], at): Sample => ({ ...NOTHING, atSeconds: at * 3, calls, throttledCalls }),
        );
        const kept = halved(series);
        const sum = (samples: readonly Sample[], key: "calls" | "throttledCalls") =>
          samples.reduce((total, sample) => total + sample[key], 0);
        expect(kept.map(({ atSeconds }) => atSeconds)).toEqual(kept.map((_, at) => at * 6));
        expect(kept.at(-1)?.atSeconds).toBe(series.at(-1)?.atSeconds);
        expect(sum(kept, "calls")).toBe(sum(series, "calls"));
        expect(sum(kept, "throttledCalls")).toBe(sum(series, "throttledCalls"));
      }),
    );
  });
});
