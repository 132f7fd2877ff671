import { createHash } from "node:crypto";
import { type SimulationReport, spreadOf, type Violation } from "../../simulator/scenario/index.ts";
import type { PlannedFault, SeedOptions, SeedOutcome } from "../../simulator/world/index.ts";

/** The outcomes of many seeds as one report. The order in which they are added is part of the hash. */
export class SeedTally {
  readonly #hash = createHash("sha256");
  readonly #violations: Violation[] = [];
  readonly #faults = new Map<string, number>();
  readonly #ec2Calls = new Map<string, number>();
  readonly #readySeconds: number[] = [];
  readonly #timeToAddressMs: number[] = [];
  #seeds = 0;
  #steps = 0;
  #simulatedHours = 0;
  #throttledCalls = 0;
  #podsServed = 0;
  #podsWaited = 0;
  #idleHours = 0;
  #idlePeak = 0;

  get violationCount(): number {
    return this.#violations.length;
  }

  get seeds(): number {
    return this.#seeds;
  }

  get simulatedHours(): number {
    return this.#simulatedHours;
  }

  /** Answers with the violations of this seed. */
  add(outcome: SeedOutcome): readonly Violation[] {
    this.#seeds += 1;
    this.#hash.update(outcome.hash);
    this.#violations.push(...outcome.violations);
    // A world ends with its first broken promise; what was drawn for later did not come.
    const endMs = outcome.violations[0]?.atMs ?? Number.POSITIVE_INFINITY;
    for (const { kind, fromMs } of injectedFaults(outcome.faults, outcome.options)) {
      if (fromMs <= endMs) count(this.#faults, kind, 1);
    }
    for (const [action, calls] of Object.entries(outcome.ec2Calls)) count(this.#ec2Calls, action, calls);
    for (const value of outcome.readySeconds) this.#readySeconds.push(value);
    for (const value of outcome.timeToAddressMs) this.#timeToAddressMs.push(value);
    this.#steps += outcome.steps;
    this.#simulatedHours += outcome.simulatedHours;
    this.#throttledCalls += outcome.throttledCalls;
    this.#podsServed += outcome.podsServed;
    this.#podsWaited += outcome.podsWaited;
    this.#idleHours += outcome.idleAddresses.mean * outcome.simulatedHours;
    this.#idlePeak = Math.max(this.#idlePeak, outcome.idleAddresses.peak);
    return outcome.violations;
  }

  /** A seed that brought no outcome: the simulation itself failed. */
  addLost(seed: number, text: string): readonly Violation[] {
    const violation: Violation = { seed, promise: 0, atMs: 0, machine: "", text };
    this.#seeds += 1;
    this.#hash.update("lost");
    this.#violations.push(violation);
    return [violation];
  }

  report(): SimulationReport {
    const calls = [...this.#ec2Calls.values()].reduce((sum, one) => sum + one, 0);
    return {
      seeds: this.#seeds,
      steps: this.#steps,
      simulatedHours: this.#simulatedHours,
      hash: this.#hash.copy().digest("hex"),
      violations: [...this.#violations],
      faults: sorted(this.#faults),
      ec2Calls: sorted(this.#ec2Calls),
      throttledShare: share(this.#throttledCalls, calls),
      // The buckets of an account hold more calls than so few nodes need: nothing but the nodes themselves takes time.
      readySeconds: { ...spreadOf(this.#readySeconds), bound: 0 },
      timeToAddressMs: spreadOf(this.#timeToAddressMs),
      waitedShare: share(this.#podsWaited, this.#podsServed),
      idleAddresses: { mean: share(this.#idleHours, this.#simulatedHours), peak: this.#idlePeak },
    };
  }
}

/** Of the drawn faults those that came: not left out by number, and begun before faults ended. */
export function injectedFaults(
  faults: readonly PlannedFault[],
  { onlyFaults, untilMs }: Pick<SeedOptions, "onlyFaults" | "untilMs">,
): readonly PlannedFault[] {
  return faults.filter(
    ({ number, fromMs }) => (onlyFaults?.includes(number) ?? true) && fromMs < (untilMs ?? Number.POSITIVE_INFINITY),
  );
}

function count(counts: Map<string, number>, name: string, by: number): void {
  counts.set(name, (counts.get(name) ?? 0) + by);
}

function share(part: number, all: number): number {
  return all === 0 ? 0 : part / all;
}

function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([one], [other]) => (one < other ? -1 : 1)));
}
