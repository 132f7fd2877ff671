import { describe, expect, it } from "vitest";
import { runSeed, shrink, WEAKNESSES } from "../../src/simulator/world/index.ts";
import { SIZE } from "./hunt.ts";

/** Weaknesses of what nodes share are found where they share something. */
const FLEET = { nodes: 6, hours: 1, faults: "all", fleet: "stateful" } as const;
const OF_FLEETS: readonly string[] = ["no-epoch"];
/** Takes some fifty such worlds, which is too long for here; docs/simulation.md has its command. */
const SOUGHT = WEAKNESSES.filter((weakness) => weakness !== "hasty-fencing");

/** A hunt that has not found it by then is blind for it. */
const SEEDS = 500;

describe("the hunt finds what it should", () => {
  it.each(SOUGHT)("an enid with %s breaks a promise within 500 seeds", { timeout: 200_000 }, async (weakness) => {
    let found: Awaited<ReturnType<typeof runSeed>> | undefined;
    const size = OF_FLEETS.includes(weakness) ? FLEET : SIZE;
    for (let seed = 1; seed <= SEEDS && found === undefined; seed++) {
      const outcome = await runSeed({ seed, ...size, weakness });
      if (outcome.violations.length > 0) found = outcome;
    }
    if (found === undefined) throw new Error(`${SEEDS} seeds found nothing`);
    // The same world without the weakness keeps its promises: it is the weakness that was found.
    const { weakness: _, ...sound } = found.options;
    expect((await runSeed(sound)).violations).toEqual([]);
    const shrunk = await shrink(found, { runs: 12 });
    expect(shrunk.outcome.violations[0]?.promise).toBe(found.violations[0]?.promise);
    const before = found.faults.filter(({ fromMs }) => fromMs <= (found.violations[0]?.atMs ?? 0));
    expect(shrunk.options.onlyFaults?.length ?? before.length).toBeLessThanOrEqual(before.length);
  });
});
