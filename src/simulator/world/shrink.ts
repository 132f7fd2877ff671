import type { SeedOptions } from "./options.ts";
import type { SeedOutcome, Shrunk } from "./outcome.ts";
import { runSeed } from "./run.ts";

export interface ShrinkLimits {
  /** Runs at most. */
  readonly runs: number;
  readonly onRun?: (run: number) => void;
}

/**
 * The least that still breaks the same promise: faults are left out, halves first and then one by one, and the faults
 * end earlier. Every fault draws from dice of its own and keeps its timer, so that leaving one out changes
 * nothing before it.
 */
export async function shrink(outcome: SeedOutcome, limits: ShrinkLimits): Promise<Shrunk> {
  const [first] = outcome.violations;
  if (first === undefined) return { options: outcome.options, outcome, runs: 0 };
  let runs = 0;
  let best = outcome;

  const breaks = async (options: SeedOptions): Promise<boolean> => {
    if (runs >= limits.runs) return false;
    runs += 1;
    limits.onRun?.(runs);
    const found = await runSeed(options);
    if (found.violations[0]?.promise !== first.promise) return false;
    best = found;
    return true;
  };

  // What begins after the breach has nothing to do with it.
  const chosen = outcome.options.onlyFaults;
  let kept = outcome.faults
    .filter(({ number, fromMs }) => fromMs <= first.atMs && (chosen === undefined || chosen.includes(number)))
    .map(({ number }) => number);
  await breaks({ ...outcome.options, onlyFaults: kept });
  kept = [...(best.options.onlyFaults ?? outcome.faults.map(({ number }) => number))];

  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < kept.length; ) {
      const fewer = [...kept.slice(0, at), ...kept.slice(at + size)];
      if (await breaks({ ...best.options, onlyFaults: fewer })) kept = fewer;
      else at += size;
    }
  }

  // The faults end as early as the breach still comes, to the minute.
  let [tooEarlyMs, earlyMs] = [0, Math.min(first.atMs, best.options.hours * 3_600_000)];
  while (earlyMs - tooEarlyMs > 60_000 && runs < limits.runs) {
    const middleMs = Math.round((tooEarlyMs + earlyMs) / 2);
    if (await breaks({ ...best.options, untilMs: middleMs })) earlyMs = middleMs;
    else tooEarlyMs = middleMs;
  }
  return { options: best.options, outcome: best, runs };
}
