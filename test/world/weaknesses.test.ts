import { describe, expect, it } from "vitest";
import { runSeed, shrink, WEAKNESSES } from "../../src/simulator/world/index.ts";
import { SIZE } from "./hunt.ts";

/** A hunt that has not found it by then is blind for it. */
const SEEDS = 500;

describe("the hunt finds what it should", () => {
  it.each(WEAKNESSES)("an enid with %s breaks a promise within 500 seeds", { timeout: 200_000 }, async (weakness) => {
    let found: Awaited<ReturnType<typeof runSeed>> | undefined;
    for (let seed = 1; seed <= SEEDS && found === undefined; seed++) {
      const outcome = await runSeed({ seed, ...SIZE, weakness });
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
