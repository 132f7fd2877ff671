import { constants } from "node:fs";
import { access, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { coerceError, EnidError } from "../../errors.ts";
import type { ScenarioOutcome } from "../../simulator/scenario/index.ts";
import { renderScenario } from "../render/scenario.ts";
import type { Surroundings } from "./hunt.ts";
import { policyNames } from "./policies.ts";
import { runInThreads } from "./pool.ts";
import { NO_SCREEN, ProgressLine } from "./progress.ts";

export interface ScenarioFlags {
  readonly file: string;
  /** As it was written: "enid", "all", "enid,oracle". */
  readonly policy: string;
  /** Where the HTML goes; absent = nowhere. */
  readonly reportFile: string | undefined;
}

const SCENARIO_LIMIT_BYTES = 1024 * 1024;
/** Wall time of one policy. */
const RUN_LIMIT_MS = 4 * 3_600_000;

/** Runs one scenario under each policy. Answers with the exit code: 1 when a promise was broken. */
export async function simulateScenario(flags: ScenarioFlags, surroundings: Surroundings): Promise<number> {
  const { output, json, title } = surroundings;
  const { readScenario } = await import("../../simulator/scenario/index.ts");
  const text = await readScenarioText(flags.file);
  // Read here too: a mistake in the file is told before threads are started, and once.
  const scenario = readScenario(text, flags.file);
  const policies = await policyNames(flags.policy);
  if (flags.reportFile !== undefined) await checkWritable(flags.reportFile);
  if (!json) output.line(`${title}\nscenario ${scenario.name}, ${policies.join(", ")}`);

  const outcomes = await runPolicies(text, flags.file, policies, surroundings);
  if (flags.reportFile !== undefined) {
    const { renderReport } = await import("../../simulator/report/index.ts");
    const origin = { title, file: flags.file, scenarioText: text, seed: scenario.seed };
    await writeWhole(flags.reportFile, renderReport(outcomes, origin));
  }
  if (json) output.line(JSON.stringify(jsonOf(outcomes)));
  else {
    output.line(["", ...renderScenario(outcomes)].join("\n"));
    if (flags.reportFile !== undefined) output.line(`report: ${flags.reportFile}`);
  }
  return outcomes.every(({ report }) => report.violations.length === 0) ? 0 : 1;
}

async function runPolicies(
  text: string,
  file: string,
  policies: readonly string[],
  { screen, clock, json, workers, code }: Surroundings,
): Promise<readonly ScenarioOutcome[]> {
  const progress = new ProgressLine(json ? NO_SCREEN : screen, clock);
  const ends = runInThreads(
    "scenario",
    policies.map((policy) => ({ text, file, policy })),
    {
      workers,
      clock,
      limitMs: RUN_LIMIT_MS,
      onProgress: (index, line) => progress.show(() => `${policies[index] ?? ""}: ${line}`),
      ...(code === undefined ? {} : { code }),
    },
  );
  const outcomes: ScenarioOutcome[] = [];
  for await (const { answer, error } of ends) {
    if (error !== undefined) throw error;
    outcomes.push(answer);
  }
  progress.clear();
  return outcomes;
}

/** One policy: its report. Several: each report with its policy. */
function jsonOf(outcomes: readonly ScenarioOutcome[]): unknown {
  const [only, ...others] = outcomes;
  return others.length === 0 ? only?.report : outcomes.map(({ policy, report }) => ({ policy, ...report }));
}

async function readScenarioText(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > SCENARIO_LIMIT_BYTES) throw new Error(`it has ${size} bytes; at most ${SCENARIO_LIMIT_BYTES} are read`);
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new EnidError("ENID_SCENARIO_INVALID", { file, detail: coerceError(cause).message }, { cause });
  }
}

/** A long simulation must not end with a report that cannot be written. */
async function checkWritable(file: string): Promise<void> {
  try {
    const stats = await stat(file).catch(() => undefined);
    if (stats?.isDirectory()) throw new Error("it is a folder");
    await access(stats === undefined ? path.dirname(file) : file, constants.W_OK);
  } catch (cause) {
    throw new EnidError("ENID_SIMULATION_REPORT", { file, detail: coerceError(cause).message }, { cause });
  }
}

/** Whole or not at all: a report of an earlier run is not left half overwritten. */
async function writeWhole(file: string, text: string): Promise<void> {
  const draft = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(draft, text);
    await rename(draft, file);
  } catch (cause) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw new EnidError("ENID_SIMULATION_REPORT", { file, detail: coerceError(cause).message }, { cause });
  }
}
