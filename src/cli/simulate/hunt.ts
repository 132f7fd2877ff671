import type { Clock } from "../../adapters/index.ts";
import type { SeedOutcome, Shrunk } from "../../simulator/world/index.ts";
import type { Output } from "../output.ts";
import {
  grouped,
  renderHunt,
  renderSeedPlan,
  renderShrunk,
  renderTrace,
  renderViolation,
} from "../render/simulation.ts";
import { duration, plural } from "../render/text.ts";
import { type HuntOptions, optionsOfSeeds, replayCommand } from "./hunt-options.ts";
import { runInThread, runInThreads } from "./pool.ts";
import { NO_SCREEN, ProgressLine, type Screen } from "./progress.ts";
import { SeedTally } from "./seed-tally.ts";
import type { WorkerCode } from "./thread.ts";

export interface Surroundings {
  readonly output: Output;
  readonly screen: Screen;
  readonly clock: Clock;
  readonly json: boolean;
  /** Version and commit, for people. */
  readonly title: string;
  readonly workers: number;
  /** The worker's code; another one in tests. */
  readonly code?: WorkerCode;
}

/** Then there is more to mend than to find. */
const VIOLATIONS_LIMIT = 20;
/** Wall time of one seed: it takes a second. One that does not end is itself a fault to be seen. */
const SEED_LIMIT_MS = 30 * 60_000;
const SHRINK_RUNS = 300;
const SHRINK_LIMIT_MS = 4 * 3_600_000;

/** Runs seeds and looks for broken promises. Answers with the exit code: 1 when one was broken. */
export async function hunt(options: HuntOptions, surroundings: Surroundings): Promise<number> {
  const { output, clock, json } = surroundings;
  const say = (lines: readonly string[]) => {
    if (!json) output.line(lines.join("\n"));
  };
  say(await opening(options, surroundings));

  const beganMs = clock.monotonicMs();
  const tally = new SeedTally();
  const first = await runSeeds(options, tally, say, surroundings);
  const report = tally.report();
  if (json) output.line(JSON.stringify(report));
  else say(["", ...renderHunt(report, (clock.monotonicMs() - beganMs) / 1000)]);
  if (first !== undefined && !json) await shrinkAndSay(first, say, surroundings);
  return report.violations.length === 0 ? 0 : 1;
}

/** What the hunt is about, before anything runs; for a single seed everything that was drawn from it. */
async function opening(
  { seeds: { from, to }, common }: HuntOptions,
  { title, workers, json }: Surroundings,
): Promise<readonly string[]> {
  if (json) return [];
  const { nodes, hours, faults, weakness } = common;
  const chosen = typeof faults === "string" ? faults : faults.join(", ");
  const head = [
    title,
    `${from === to ? `seed ${from}` : `seeds ${from}..${to}`}: ${plural(nodes, "node", "nodes")} x ${hours} h, faults ${chosen}` +
      `${weakness === undefined ? "" : `, weakness ${weakness}`}, ${plural(workers, "worker", "workers")}`,
  ];
  if (from !== to) return head;
  const { planOf } = await import("../../simulator/world/index.ts");
  const options = { seed: from, ...common };
  const { plan, faults: drawn } = planOf(options);
  return [...head, ...renderSeedPlan(plan, drawn)];
}

/** Answers with the first outcome that has a violation. */
async function runSeeds(
  options: HuntOptions,
  tally: SeedTally,
  say: (lines: readonly string[]) => void,
  { screen, clock, json, workers, code }: Surroundings,
): Promise<SeedOutcome | undefined> {
  const progress = new ProgressLine(json ? NO_SCREEN : screen, clock);
  const beganMs = clock.monotonicMs();
  const total = options.seeds.to - options.seeds.from + 1;
  let done = 0;
  let first: SeedOutcome | undefined;
  const text = () => progressText({ done, total, tally, elapsedMs: clock.monotonicMs() - beganMs });
  const ends = runInThreads("seed", optionsOfSeeds(options), {
    workers,
    clock,
    limitMs: SEED_LIMIT_MS,
    onEnd: () => {
      done += 1;
      progress.show(text);
    },
    ...(code === undefined ? {} : { code }),
  });
  for await (const { ask, answer, error } of ends) {
    // Wrong usage is wrong for every seed; the simulation's own end is a finding of this one.
    if (error !== undefined && error.entry.exit > 1) throw error;
    const violations =
      answer === undefined ? tally.addLost(ask.seed, `${error.code}: ${error.message}`) : tally.add(answer);
    if (violations.length === 0) continue;
    first ??= answer;
    progress.clear();
    say([...violations.flatMap(renderViolation), `  replay: ${replayCommand(ask)}`]);
    if (tally.violationCount >= VIOLATIONS_LIMIT && tally.seeds < total) {
      say([
        `stopped after ${tally.violationCount} violations; ${plural(total - tally.seeds, "seed was", "seeds were")} not run`,
      ]);
      break;
    }
  }
  progress.clear();
  return first;
}

function progressText(at: { done: number; total: number; tally: SeedTally; elapsedMs: number }): string {
  const { done, total, tally, elapsedMs } = at;
  const perSecond = grouped(tally.simulatedHours / Math.max(0.001, elapsedMs / 1000));
  return [
    `${grouped(done)} of ${grouped(total)} seeds`,
    `${perSecond} node-hours per second`,
    plural(tally.violationCount, "violation", "violations"),
    `${duration((elapsedMs / done) * (total - done))} left`,
  ].join(", ");
}

async function shrinkAndSay(
  outcome: SeedOutcome,
  say: (lines: readonly string[]) => void,
  { screen, clock, code }: Surroundings,
): Promise<void> {
  const progress = new ProgressLine(screen, clock);
  say(["", `shrinking seed ${outcome.options.seed}: which of its faults are needed?`]);
  const shrunk: Shrunk = await runInThread(
    "shrink",
    { outcome, runs: SHRINK_RUNS },
    {
      clock,
      limitMs: SHRINK_LIMIT_MS,
      onProgress: (_, runs) => progress.show(() => `shrinking: ${runs} of at most ${SHRINK_RUNS} runs`),
      ...(code === undefined ? {} : { code }),
    },
  );
  progress.clear();
  say(renderShrunk(shrunk, outcome.faults.length));
}

/** The story of one address, pod, interface or machine in one seed. Exit code 1 when nothing mentions it. */
export async function trace(options: HuntOptions, subject: string, surroundings: Surroundings): Promise<number> {
  const { output, clock, json, code } = surroundings;
  if (!json) output.line((await opening(options, { ...surroundings, workers: 1 })).join("\n"));
  const answer = await runInThread(
    "trace",
    { options: { seed: options.seeds.from, ...options.common }, subject },
    { clock, limitMs: SEED_LIMIT_MS, ...(code === undefined ? {} : { code }) },
  );
  output.line(json ? JSON.stringify(answer) : ["", ...renderTrace(answer)].join("\n"));
  return answer.entries.length === 0 ? 1 : 0;
}
