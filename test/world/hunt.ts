import { expect } from "vitest";
import {
  AGENT_FAULT_KINDS,
  FAULT_KINDS,
  runSeed,
  type SeedOptions,
  type SeedOutcome,
} from "../../src/simulator/world/index.ts";

export const SIZE = { nodes: 3, hours: 2, faults: "all" } as const satisfies Partial<SeedOptions>;

/** The violations of a run, a line each, with what is needed to replay them. */
export function told({ options, violations }: SeedOutcome): readonly string[] {
  const { seed, nodes, hours, faults, fleet } = options;
  const of = fleet === undefined ? "" : ` --fleet ${fleet}`;
  const replay = `enid simulate --seeds ${seed} --nodes ${nodes} --hours ${hours} --faults ${faults}${of}`;
  return violations.map(({ promise, atMs, machine, text }) => {
    return `promise ${promise} at ${Math.round(atMs / 1_000)} s on ${machine || "no machine"}: ${text} (${replay})`;
  });
}

/** Runs each seed twice. */
async function twice(seeds: readonly number[]): Promise<{
  readonly broken: readonly string[];
  readonly unlike: readonly number[];
  readonly outcomes: SeedOutcome[];
}> {
  const broken: string[] = [];
  const unlike: number[] = [];
  const outcomes: SeedOutcome[] = [];
  for (const seed of seeds) {
    const first = await runSeed({ seed, ...SIZE });
    const second = await runSeed({ seed, ...SIZE });
    broken.push(...told(first));
    if (first.hash !== second.hash || first.steps !== second.steps) unlike.push(seed);
    outcomes.push(first);
  }
  return { broken, unlike, outcomes };
}

export function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** Runs each of the seeds twice: no promise is broken, and each repeats itself to the last event. */
export async function expectKept(seeds: readonly number[]): Promise<void> {
  const { broken, unlike, outcomes } = await twice(seeds);
  expect(broken).toEqual([]);
  expect(unlike).toEqual([]);
  // The worlds were not idle, and no two of them were the same.
  expect(new Set(outcomes.map(({ hash }) => hash)).size).toBe(seeds.length);
  const kinds = new Set(outcomes.flatMap(({ faults }) => faults.map(({ kind }) => kind)));
  const drawn = FAULT_KINDS.filter((kind) => !AGENT_FAULT_KINDS.includes(kind));
  expect([...kinds].sort()).toEqual(drawn.sort());
  expect(outcomes.reduce((sum, { podsServed }) => sum + podsServed, 0)).toBeGreaterThan(seeds.length * 30);
  expect(outcomes.filter(({ podsWaited }) => podsWaited > 0).length).toBeGreaterThan(seeds.length / 3);
  const calls = outcomes.map(({ ec2Calls }) => Object.values(ec2Calls).reduce((sum, count) => sum + count, 0));
  expect(Math.min(...calls)).toBeGreaterThan(10);
}
