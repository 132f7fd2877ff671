import type { Progress, ScenarioOutcome } from "../../simulator/scenario/index.ts";
import { grouped, percent, renderViolation, virtualTime } from "./simulation.ts";
import { table } from "./text.ts";

/** The figures of a scenario, its policies side by side. */
export function renderScenario(outcomes: readonly ScenarioOutcome[]): string[] {
  const row = (name: string, cell: (outcome: ScenarioOutcome) => string) => [name, ...outcomes.map(cell)];
  const columns = outcomes.map((_, index) => index + 1);
  return [
    ...table(
      [
        row("", ({ policy }) => policy),
        row("all ready and served", ({ complete }) => (complete ? "yes" : "NO")),
        row("nodes ready", ({ nodes }) => `${grouped(nodes.ready)} of ${grouped(nodes.total)}`),
        row("ready p50 [s]", ({ report }) => grouped(report.readySeconds.p50)),
        row("ready p99 [s]", ({ report }) => grouped(report.readySeconds.p99)),
        row("ready max [s]", ({ report }) => grouped(report.readySeconds.max)),
        row("  bound [s]", ({ report }) => grouped(report.readySeconds.bound)),
        row("pods served", ({ pods }) => grouped(pods.served)),
        row("pods not served", ({ pods }) => grouped(pods.unserved)),
        row("failed attempts", ({ pods }) => grouped(pods.failedAttempts)),
        row("pods that waited", ({ report }) => percent(report.waitedShare)),
        row("time to address p50 [ms]", ({ report }) => grouped(report.timeToAddressMs.p50)),
        row("time to address p99 [ms]", ({ report }) => grouped(report.timeToAddressMs.p99)),
        row("time to address max [ms]", ({ report }) => grouped(report.timeToAddressMs.max)),
        row("idle addresses, mean", ({ report }) => grouped(report.idleAddresses.mean)),
        row("idle addresses, peak", ({ report }) => grouped(report.idleAddresses.peak)),
        row("least free in a subnet", headroom),
        row("EC2 calls", ({ report }) => grouped(Object.values(report.ec2Calls).reduce((sum, one) => sum + one, 0))),
        ...actionsOf(outcomes).map((action) =>
          row(`  ${action}`, ({ report }) => grouped(report.ec2Calls[action] ?? 0)),
        ),
        row("calls throttled", ({ report }) => percent(report.throttledShare)),
        row("simulated node-hours", ({ report }) => grouped(report.simulatedHours)),
        row("steps", ({ report }) => grouped(report.steps)),
        row("wall time [s]", ({ wallSeconds }) => grouped(wallSeconds)),
        row("hash", ({ report }) => report.hash.slice(0, 16)),
        row("violations", ({ report }) => grouped(report.violations.length)),
      ],
      columns,
    ),
    ...outcomes.flatMap(({ report }) => report.violations.flatMap(renderViolation)),
  ];
}

/** Every action that any of them called, in the order of the alphabet. */
function actionsOf(outcomes: readonly ScenarioOutcome[]): readonly string[] {
  return [...new Set(outcomes.flatMap(({ report }) => Object.keys(report.ec2Calls)))].sort();
}

/** Of the subnet that came nearest to its end. */
function headroom({ subnets }: ScenarioOutcome): string {
  const shares = subnets.filter(({ size }) => size > 0).map(({ leastFree, size }) => leastFree / size);
  const least = subnets[shares.indexOf(Math.min(...shares))];
  return least === undefined ? "-" : `${grouped(least.leastFree)} of ${grouped(least.size)}`;
}

/** "0:12:00.000 of at most 2:00:00.000, 800 of 1,000 nodes ready". */
export function scenarioProgress({ atSeconds, ofSeconds, readyNodes, nodes }: Progress): string {
  const times = `${virtualTime(atSeconds * 1000)} of at most ${virtualTime(ofSeconds * 1000)}`;
  return `${times}, ${grouped(readyNodes)} of ${grouped(nodes)} nodes ready`;
}
