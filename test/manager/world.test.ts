import { describe, expect, it } from "vitest";
import { World } from "./world.ts";

/** "ENID_WORLD_SEEDS=5000+2000" runs 2000 seeds from 5000 on, to hunt; a single one is traced. */
const [FIRST = 1, COUNT = 300] = (process.env.ENID_WORLD_SEEDS ?? "1+300").split("+").map(Number);
const STEPS = 60;

describe("a random world", () => {
  it(
    `keeps every promise over ${COUNT} seeds of pods, faults, crashes and meddling`,
    async () => {
      const totals = { served: 0, dual: 0, refused: 0, deleted: 0, blocksGone: 0, interfacesGone: 0 };
      const more = { crashes: 0, changes: 0, swept: 0 };
      const broken: string[] = [];
      for (let seed = FIRST; seed < FIRST + COUNT; seed++) {
        const world = new World(seed);
        const problems = await world.run(STEPS).catch((error: Error) => [`${error.stack}`]);
        totals.served += world.pods.counts.served;
        totals.dual += world.pods.counts.dual;
        totals.refused += world.pods.counts.refused;
        totals.deleted += world.pods.counts.deleted;
        totals.blocksGone += world.pods.counts.blocksGone;
        totals.interfacesGone += world.pods.counts.interfacesGone;
        more.crashes += world.counts.crashes;
        more.changes += world.counts.changes;
        more.swept += world.counts.swept;
        if (problems.length === 0) continue;
        if (COUNT === 1) process.stdout.write(`${world.trace.join("\n")}\n`);
        broken.push(`seed ${seed}: ${problems[0]}`);
      }
      expect(broken).toEqual([]);
      if (COUNT < 300) return;
      // The worlds were not idle.
      expect(totals.served).toBeGreaterThan(COUNT * 10);
      expect(totals.refused).toBeGreaterThan(COUNT);
      expect(totals.deleted).toBeGreaterThan(COUNT * 5);
      expect(totals.dual).toBeGreaterThan(COUNT);
      expect(more.crashes).toBeGreaterThan(COUNT);
      expect(more.changes).toBeGreaterThan(COUNT * 5);
      expect(more.swept).toBeGreaterThan(COUNT / 50);
      expect(totals.blocksGone).toBeGreaterThan(COUNT);
      expect(totals.interfacesGone).toBeGreaterThan(COUNT / 5);
    },
    COUNT * 500 + 20_000,
  );
});
