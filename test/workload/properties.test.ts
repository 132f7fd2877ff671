import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Dice } from "../../src/simulator/engine/index.ts";
import { drawWorkload } from "../../src/simulator/workload/index.ts";
import { played, RecordingStage } from "./recording-stage.ts";

const worlds = fc.record({
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
  nodes: fc.integer({ min: 1, max: 5 }),
  podLimit: fc.integer({ min: 1, max: 40 }),
});

async function drawnPlay({ seed, nodes, podLimit }: { seed: number; nodes: number; podLimit: number }) {
  const stage = new RecordingStage({ nodes, seed, podLimit });
  const specs = drawWorkload(new Dice(seed).fork("drawn"), nodes, 2);
  const { counts } = await played(stage, specs, 7_200);
  return { stage, counts };
}

describe("a drawn workload", () => {
  it("stops nobody who does not run, places nobody where nothing may run, and its counts add up", async () => {
    await fc.assert(
      fc.asyncProperty(worlds, async (world) => {
        const { stage, counts } = await drawnPlay(world);
        expect(stage.problems).toEqual([]);
        expect(counts.run).toBe(stage.of("run").length);
        expect(counts.stopped).toBe(stage.of("stop").length);
        expect(counts.run - counts.stopped).toBe(stage.liveCount);
        expect(counts.evicted).toBeLessThanOrEqual(counts.stopped);
      }),
      { numRuns: 40 },
    );
  });

  it("is the same from the same dice, and another from others", async () => {
    const one = await drawnPlay({ seed: 7, nodes: 3, podLimit: 30 });
    const again = await drawnPlay({ seed: 7, nodes: 3, podLimit: 30 });
    const other = await drawnPlay({ seed: 8, nodes: 3, podLimit: 30 });
    expect(again.stage.events).toEqual(one.stage.events);
    expect(other.stage.events).not.toEqual(one.stage.events);
  });

  it("is lively: some forty to a hundred pod lives per node in two hours, never more than a few hundred", async () => {
    const perNode: number[] = [];
    for (let seed = 0; seed < 60; seed++) {
      const { counts } = await drawnPlay({ seed, nodes: 3, podLimit: 50 });
      perNode.push(counts.run / 3);
    }
    perNode.sort((one, other) => one - other);
    expect(perNode[0]).toBeGreaterThan(5);
    expect(perNode[30]).toBeGreaterThan(30);
    expect(perNode[30]).toBeLessThan(100);
    expect(perNode.at(-1)).toBeLessThan(350);
  });

  it("draws nothing else for a pattern when another one is left out", async () => {
    const both = new RecordingStage({ nodes: 40, podLimit: 1_000 });
    const steady = { pattern: "steady", podsPerNodeHour: 10, lifetimeSeconds: 300 } as const;
    await played(both, [steady, { pattern: "bursts", everySeconds: 300, pods: 20, lifetimeSeconds: 100 }], 7_200);
    const alone = new RecordingStage({ nodes: 40, podLimit: 8 });
    await played(alone, [steady], 7_200);
    const times = (stage: RecordingStage) =>
      stage
        .of("run")
        .filter(({ pod }) => pod?.namespace === "steady-1")
        .map(({ atMs }) => atMs);
    expect(times(both)).toEqual(times(alone));
  });
});
