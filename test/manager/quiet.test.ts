import { afterEach, describe, expect, it } from "vitest";
import { Observer } from "../../src/manager/observing.ts";
import { Planner } from "../../src/manager/planner.ts";
import type { NodeFacts, Observation } from "../../src/manager/ports/index.ts";
import { range, startedLab } from "./harness.ts";
import { World } from "./world.ts";

/** "ENID_QUIET_SEEDS=5000+2000" runs 2000 seeds from 5000 on, to hunt. */
const [FIRST = 20_001, COUNT = 60] = (process.env.ENID_QUIET_SEEDS ?? "20001+60").split("+").map(Number);

const { round } = Planner.prototype;
const { merge } = Observer.prototype;

afterEach(() => {
  Planner.prototype.round = round;
  Observer.prototype.merge = merge;
});

describe("what a quiet node leaves out", () => {
  it(
    `changes nothing: over ${COUNT} random worlds each round and each merge that is left out would have done nothing`,
    async () => {
      const wrong: string[] = [];
      const counts = { rounds: 0, rested: 0, merges: 0, known: 0 };
      let seed = 0;
      Planner.prototype.round = function (this: Planner, facts: NodeFacts, nowMs: number) {
        counts.rounds++;
        if (this.rests(nowMs)) {
          counts.rested++;
          const { steps, shortfall } = this.planAnew(facts, nowMs);
          const before = JSON.stringify(this.last?.shortfall);
          if (steps.length > 0) wrong.push(`seed ${seed}: a round was left out that plans ${JSON.stringify(steps)}`);
          if (JSON.stringify(shortfall) !== before)
            wrong.push(`seed ${seed}: ${JSON.stringify(shortfall)}, not ${before}`);
        }
        round.call(this, facts, nowMs);
      };
      Observer.prototype.merge = function (this: Observer, observation: Observation) {
        counts.merges++;
        const short = merge.call(this, observation);
        if (!this.isKnown(observation)) return short;
        counts.known++;
        const { shape } = this.node;
        const whole = this.mergeAnew(observation);
        if (this.node.shape !== shape) wrong.push(`seed ${seed}: a merge was left out that changes the node`);
        if (JSON.stringify(whole) !== JSON.stringify(short)) wrong.push(`seed ${seed}: ${JSON.stringify(whole)}`);
        return short;
      };
      for (seed of range(COUNT, FIRST)) {
        const problems = await new World(seed).run(40);
        wrong.push(...problems.map((problem) => `seed ${seed}: ${problem}`));
        if (wrong.length > 5) break;
      }
      expect(wrong).toEqual([]);
      // Both happen often: a random world is quiet in between.
      expect(counts.rested).toBeGreaterThan(COUNT * 10);
      expect(counts.known).toBeGreaterThan(COUNT * 10);
      expect(counts.rested).toBeLessThan(counts.rounds);
      if (process.env.ENID_QUIET_SEEDS) process.stdout.write(`${JSON.stringify(counts)}\n`);
    },
    COUNT * 500 + 20_000,
  );

  it("leaves next to no work to an idle node: in a day a few dozen plans and merges, not thousands", async () => {
    const { clock, running } = await startedLab();
    const counts = { rounds: 0, plans: 0, merges: 0, whole: 0 };
    await clock.advance(10 * 60_000);
    Planner.prototype.round = function (this: Planner, facts: NodeFacts, nowMs: number) {
      counts.rounds++;
      if (!this.rests(nowMs)) counts.plans++;
      round.call(this, facts, nowMs);
    };
    Observer.prototype.merge = function (this: Observer, observation: Observation) {
      counts.merges++;
      if (!this.isKnown(observation)) counts.whole++;
      return merge.call(this, observation);
    };
    await clock.advance(24 * 3_600_000);
    expect(counts.rounds).toBeGreaterThan(24 * 100);
    expect(counts.merges).toBeGreaterThan(24 * 50);
    expect(counts.plans).toBeLessThan(24);
    expect(counts.whole).toBeLessThan(24);
    expect(running.problems()).toEqual([]);
  });
});
