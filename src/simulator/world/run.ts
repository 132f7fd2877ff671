import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LogEntry } from "../engine/index.ts";
import { drawPlan } from "./draw/plan.ts";
import type { SeedOptions } from "./options.ts";
import type { PlannedFault, SeedOutcome } from "./outcome.ts";
import { World } from "./world.ts";

/** What the seed decides before anything runs. */
export function planOf(options: SeedOptions): {
  readonly plan: readonly string[];
  readonly faults: readonly PlannedFault[];
} {
  const { lines, faults } = drawPlan(options);
  const { onlyFaults } = options;
  const chosen = onlyFaults === undefined ? faults : faults.filter(({ number }) => onlyFaults.includes(number));
  return { plan: lines, faults: chosen.map(({ begin: _, ...fault }) => fault) };
}

/**
 * Runs one world to its end, or to the first broken promise. A function of the options: what is thrown in it is a violation
 * of promise 0, never a rejection.
 */
export async function runSeed(options: SeedOptions, listener?: (entry: LogEntry) => void): Promise<SeedOutcome> {
  if (options.realDisks !== true) return new World(options, listener).run();
  const folder = mkdtempSync(join(tmpdir(), "enid-simulate-"));
  try {
    return await new World(options, listener, folder).run();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
