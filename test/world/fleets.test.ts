import { describe, expect, it } from "vitest";
import { planOf, runSeed, type SeedOutcome } from "../../src/simulator/world/index.ts";
import { range, told } from "./hunt.ts";

const FLEET = { nodes: 20, hours: 1, faults: "all", fleet: "stateful" } as const;

describe("a StatefulSet that rolls over twenty nodes, of which some are lost, with a store in trouble", () => {
  it("keeps its addresses, each on one node at a time, and gets them back", { timeout: 300_000 }, async () => {
    const outcomes: SeedOutcome[] = [];
    for (const seed of range(1, 7)) outcomes.push(await runSeed({ seed, ...FLEET }));
    expect(outcomes.flatMap(told)).toEqual([]);
    // Pods moved: every restart is a pod of its own.
    for (const { podsServed } of outcomes) expect(podsServed).toBeGreaterThan(60);
    const kinds = new Set(outcomes.flatMap(({ faults }) => faults.map(({ kind }) => kind)));
    for (const kind of ["redis-away", "redis-partition", "redis-slow", "redis-fail-over", "redis-data-loss"] as const)
      expect(kinds).toContain(kind);
    for (const kind of ["clock-skew", "node-dead", "node-partition"] as const) expect(kinds).toContain(kind);
  });

  it("repeats itself to the last event", { timeout: 60_000 }, async () => {
    const first = await runSeed({ seed: 3, ...FLEET, nodes: 8 });
    const second = await runSeed({ seed: 3, ...FLEET, nodes: 8 });
    expect([second.hash, second.steps]).toEqual([first.hash, first.steps]);
  });
});

describe("whether there is a fleet", () => {
  const lines = (seed: number, fleet?: "none" | "stateful") => {
    const options = { seed, nodes: 3, hours: 2, faults: "all", ...(fleet === undefined ? {} : { fleet }) } as const;
    const { plan, faults } = planOf(options);
    const has = plan.some((line) => line.startsWith("fleet:"));
    return { has, faults: faults.filter(({ kind }) => /^(redis|node|clock-skew)/.test(kind)).length, plan };
  };

  it("is drawn, and changes nothing of worlds that have none", () => {
    const drawn = range(1, 200).map((seed) => lines(seed));
    const having = drawn.filter(({ has }) => has);
    expect(having.length).toBeGreaterThan(20);
    expect(having.length).toBeLessThan(60);
    expect(having.some(({ faults }) => faults > 0)).toBe(true);
    for (const [index, { has, faults, plan }] of drawn.entries()) {
      if (has) continue;
      expect(faults).toBe(0);
      expect(plan).toEqual(lines(index + 1, "none").plan);
    }
  });

  it("can be said", () => {
    expect(range(1, 30).some((seed) => lines(seed, "none").has)).toBe(false);
    expect(range(1, 30).every((seed) => lines(seed, "stateful").has)).toBe(true);
  });
});
