import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Dice } from "../../src/simulator/engine/index.ts";
import { NodeIndex } from "../../src/simulator/workload/node-index.ts";

const NODES = 6;
const step = fc.oneof(
  fc.record({ kind: fc.constantFrom("more", "less", "aside", "back"), node: fc.integer({ min: 0, max: NODES - 1 }) }),
  fc.record({ kind: fc.constant("all-back"), node: fc.constant(0) }),
  fc.record({ kind: fc.constantFrom("least", "most"), node: fc.integer({ min: 0, max: NODES - 1 }) }),
);

describe("the index of nodes by their pods", () => {
  it("finds what a look at all nodes finds, and puts aside what does not pass", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.integer(), (steps, seed) => {
        const index = new NodeIndex(NODES);
        const dice = new Dice(seed);
        const pods = new Array<number>(NODES).fill(0);
        const aside = new Set<number>();
        for (const { kind, node } of steps) {
          if (kind === "more" || (kind === "less" && (pods[node] ?? 0) > 0)) {
            index.change(node, kind === "more" ? 1 : -1);
            pods[node] = (pods[node] ?? 0) + (kind === "more" ? 1 : -1);
          } else if (kind === "aside") {
            index.putAside(node);
            aside.add(node);
          } else if (kind === "back") {
            index.bringBack(node);
            aside.delete(node);
          } else if (kind === "all-back") {
            index.bringAllBack();
            aside.clear();
          } else if (kind === "least" || kind === "most") {
            // Nodes below `node` take nothing.
            const passing = [...pods.keys()].filter((one) => !aside.has(one) && one >= node);
            const counts = passing.map((one) => pods[one] ?? 0);
            const wanted = kind === "least" ? Math.min(...counts) : Math.max(...counts);
            const refused: number[] = [];
            const found = index.find(kind, (one) => one >= node || refused.push(one) === 0, dice);
            for (const one of refused) aside.add(one);
            expect(found === undefined).toBe(passing.length === 0);
            if (found !== undefined) {
              expect(passing).toContain(found);
              expect(pods[found]).toBe(wanted);
            }
          }
          expect(pods.map((_, one) => index.podsOn(one))).toEqual(pods);
        }
      }),
      { numRuns: 300 },
    );
  });
});
