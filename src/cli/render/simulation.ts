import type { SimulationReport, Violation } from "../../simulator/scenario/index.ts";
import type { PlannedFault, Shrunk, Trace } from "../../simulator/world/index.ts";
import { replayCommand } from "../simulate/hunt-options.ts";
import { promiseText } from "../simulate/promises.ts";
import { injectedFaults } from "../simulate/seed-tally.ts";
import { indent, plural, table } from "./text.ts";

const numbers = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

/** "12,345.7". */
export function grouped(value: number): string {
  return numbers.format(value);
}

/** 1,200 of 20,000: "6.00 %". */
export function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

/** Virtual time since the world began: "1:02:03.250". */
export function virtualTime(ms: number): string {
  const whole = Math.round(ms);
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  const minutes = two((whole / 60_000) % 60);
  return `${Math.floor(whole / 3_600_000)}:${minutes}:${two((whole / 1000) % 60)}.${String(whole % 1000).padStart(3, "0")}`;
}

/** What was drawn from a seed, before it runs. */
export function renderSeedPlan(plan: readonly string[], faults: readonly PlannedFault[]): string[] {
  return [...indent(plan), ...(faults.length === 0 ? ["  no faults"] : renderFaults(faults))];
}

export function renderFaults(faults: readonly PlannedFault[]): string[] {
  const rows = faults.map(({ number, kind, fromMs, untilMs, machine, text }) => [
    String(number),
    untilMs === fromMs ? virtualTime(fromMs) : `${virtualTime(fromMs)} to ${virtualTime(untilMs)}`,
    machine === undefined ? "all machines" : `node-${machine + 1}`,
    kind,
    text,
  ]);
  return indent(table([["FAULT", "AT", "WHERE", "KIND", ""], ...rows], [0]));
}

export function renderViolation({ seed, promise, atMs, machine, text }: Violation): string[] {
  const where = machine === "" ? "" : ` on ${machine}`;
  return [
    `VIOLATION in seed ${seed} at ${virtualTime(atMs)}${where}: promise ${promise} (${promiseText(promise)})`,
    ...indent(text.split("\n")),
  ];
}

/** The least that still breaks the promise, and the command line that shows it again. */
export function renderShrunk({ options, outcome, runs }: Shrunk, drawn: number): string[] {
  const left = injectedFaults(outcome.faults, options);
  const until = options.untilMs === undefined ? "" : `, faults until ${virtualTime(options.untilMs)}`;
  return [
    `shortest plan found in ${plural(runs, "run", "runs")}: ${left.length} of ${plural(drawn, "fault", "faults")}${until}`,
    ...(left.length === 0 ? [] : renderFaults(left)),
    ...outcome.violations.slice(0, 1).flatMap(renderViolation),
    `replay: ${replayCommand(options)}`,
  ];
}

export function renderTrace({ subject, entries }: Trace): string[] {
  if (entries.length === 0) return [`nothing in this world mentions ${subject}`];
  return table(entries.map(({ atMs, machine, kind, text }) => [virtualTime(atMs), machine || "-", kind, text]));
}

/** The end of a hunt. `wallSeconds`: how long it took. */
export function renderHunt(report: SimulationReport, wallSeconds: number): string[] {
  const { readySeconds: ready, timeToAddressMs: wait, idleAddresses: idle } = report;
  const perSecond = grouped(report.simulatedHours / Math.max(0.001, wallSeconds));
  const calls = Object.values(report.ec2Calls).reduce((sum, one) => sum + one, 0);
  return [
    ...table([
      ["seeds", grouped(report.seeds)],
      ["steps", grouped(report.steps)],
      ["simulated", `${grouped(report.simulatedHours)} node-hours, ${perSecond} per second`],
      ["ready", `p50 ${grouped(ready.p50)} s, p99 ${grouped(ready.p99)} s, max ${grouped(ready.max)} s`],
      ["time to address", `p50 ${grouped(wait.p50)} ms, p99 ${grouped(wait.p99)} ms, max ${grouped(wait.max)} ms`],
      ["pods that waited", percent(report.waitedShare)],
      ["idle addresses", `mean ${grouped(idle.mean)}, peak ${grouped(idle.peak)}`],
      ["EC2 calls", `${grouped(calls)}, ${percent(report.throttledShare)} throttled`],
      ...counts(report.ec2Calls),
      ["faults", grouped(Object.values(report.faults).reduce((sum, one) => sum + one, 0))],
      ...counts(report.faults),
      ["hash", report.hash],
    ]),
    report.violations.length === 0 ? "no violation" : plural(report.violations.length, "VIOLATION", "VIOLATIONS"),
  ];
}

function counts(of: Readonly<Record<string, number>>): string[][] {
  return Object.entries(of).map(([name, count]) => [`  ${name}`, grouped(count)]);
}
