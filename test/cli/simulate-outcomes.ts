import { createHash } from "node:crypto";
import type { PlannedFault, SeedOptions, SeedOutcome } from "../../src/simulator/world/index.ts";

/** Seeds of the fixture worker that go wrong, each in its way. */
export const PROBLEM_SEEDS = { exits: 9_001, throwsLater: 9_002, hangs: 9_003, usage: 9_004 } as const;
/** Seeds from here on break promise 4. */
export const FIRST_BROKEN_SEED = 10_000;

export const FAULTS: readonly PlannedFault[] = [
  { number: 1, kind: "crash", fromMs: 60_000, untilMs: 60_000, machine: 0, text: "after the 12th effect" },
  { number: 2, kind: "ec2-slow", fromMs: 120_000, untilMs: 900_000, machine: undefined, text: "calls take 4 s" },
  { number: 3, kind: "crash", fromMs: 7_000_000, untilMs: 7_000_000, machine: 2, text: "after the 3rd effect" },
];

/** What the made-up world of a seed brings. */
export function seedOutcome(options: SeedOptions, changes: Partial<SeedOutcome> = {}): SeedOutcome {
  const { seed } = options;
  const broken = {
    seed,
    promise: 4,
    atMs: 754_321,
    machine: "machine-2",
    text: "10.0.0.7 is leased and was given back",
  };
  return {
    options,
    plan: [`world ${seed}`],
    faults: FAULTS,
    violations: seed >= FIRST_BROKEN_SEED ? [broken] : [],
    hash: createHash("sha256").update(`world ${seed}`).digest("hex"),
    steps: 1_000 + seed,
    events: 50,
    simulatedHours: options.nodes * options.hours,
    ec2Calls: { DescribeSubnets: 3, AssignPrivateIpAddresses: 7 },
    throttledCalls: 1,
    readySeconds: [seed % 10, 20],
    timeToAddressMs: [5, 100 + (seed % 100)],
    podsServed: 2,
    podsWaited: 1,
    idleAddresses: { mean: 8, peak: 10 + (seed % 5) },
    ...changes,
  };
}
