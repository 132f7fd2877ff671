import type { ScenarioOutcome } from "../scenario/index.ts";
import { html, type Markup } from "./markup.ts";
import { milliseconds, number, percent, time } from "./numbers.ts";

interface Row {
  readonly name: string;
  cell(outcome: ScenarioOutcome): string;
  /** True: the cell says that something is wrong. */
  isBad?(outcome: ScenarioOutcome): boolean;
}

const GROUPS: readonly { readonly title: string; readonly rows: readonly Row[] }[] = [
  {
    title: "Start",
    rows: [
      {
        name: "all nodes ready, no pod waiting at the end",
        cell: ({ complete }) => (complete ? "yes" : "no"),
        isBad: ({ complete }) => !complete,
      },
      {
        name: "nodes ready",
        cell: ({ nodes }) => `${number(nodes.ready)} of ${number(nodes.total)}`,
        isBad: ({ nodes }) => nodes.ready < nodes.total,
      },
      { name: "node ready, p50", cell: ({ report }) => time(report.readySeconds.p50) },
      { name: "node ready, p99", cell: ({ report }) => time(report.readySeconds.p99) },
      { name: "last node ready", cell: ({ report }) => time(report.readySeconds.max) },
      {
        name: "bound set by the token buckets",
        cell: ({ report }) => time(report.readySeconds.bound),
      },
      { name: "last node ready, times the bound", cell: timesTheBound },
    ],
  },
  {
    title: "Pods",
    rows: [
      { name: "pods served", cell: ({ pods }) => number(pods.served) },
      { name: "pods not served", cell: ({ pods }) => number(pods.unserved), isBad: ({ pods }) => pods.unserved > 0 },
      { name: "failed attempts", cell: ({ pods }) => number(pods.failedAttempts) },
      { name: "pods that had to wait", cell: ({ report }) => percent(report.waitedShare) },
      { name: "time to address, p50", cell: ({ report }) => milliseconds(report.timeToAddressMs.p50) },
      { name: "time to address, p99", cell: ({ report }) => milliseconds(report.timeToAddressMs.p99) },
      { name: "time to address, longest", cell: ({ report }) => milliseconds(report.timeToAddressMs.max) },
    ],
  },
  {
    title: "Addresses",
    rows: [
      { name: "idle addresses, mean", cell: ({ report }) => number(report.idleAddresses.mean) },
      { name: "idle addresses, peak", cell: ({ report }) => number(report.idleAddresses.peak) },
    ],
  },
  {
    title: "EC2",
    rows: [
      { name: "calls", cell: ({ report }) => number(callsOf(report.ec2Calls)) },
      { name: "calls throttled", cell: ({ report }) => percent(report.throttledShare) },
    ],
  },
  {
    title: "Simulation",
    rows: [
      { name: "node-hours simulated", cell: ({ report }) => number(report.simulatedHours) },
      { name: "steps", cell: ({ report }) => number(report.steps) },
      { name: "wall time", cell: ({ wallSeconds }) => time(wallSeconds) },
      {
        name: "violations",
        cell: ({ report }) => number(report.violations.length),
        isBad: ({ report }) => report.violations.length > 0,
      },
    ],
  },
];

/** Every figure, the policies side by side. */
export function figuresTable(outcomes: readonly ScenarioOutcome[]): Markup {
  const groups = GROUPS.map(
    ({ title, rows }) => html`<tbody>
<tr class="group"><th scope="rowgroup" colspan="${outcomes.length + 1}">${title}</th></tr>
${rows.map((row) => tableRow(row, outcomes))}
</tbody>`,
  );
  return framed("The figures of each policy", outcomes, groups);
}

/** Calls that EC2 received, throttled ones included. */
export function callsTable(outcomes: readonly ScenarioOutcome[]): Markup {
  const actions = [...new Set(outcomes.flatMap(({ report }) => Object.keys(report.ec2Calls)))].sort();
  const rows = actions.map((name) => ({
    name,
    cell: ({ report }: ScenarioOutcome) => number(report.ec2Calls[name] ?? 0),
  }));
  const body = html`<tbody>
${rows.map((row) => tableRow(row, outcomes))}
</tbody>`;
  return framed("EC2 calls by action, throttled ones included", outcomes, [body]);
}

/** How near each subnet came to its end. */
export function subnetsTable(outcomes: readonly ScenarioOutcome[]): Markup {
  const subnets = new Map(outcomes.flatMap(({ subnets }) => subnets).map((subnet) => [subnet.id, subnet]));
  const rows = [...subnets.values()].map(({ id, cidr, size }) => ({
    name: `${id} (${cidr}, ${number(size)} addresses)`,
    cell: (outcome: ScenarioOutcome) => {
      const subnet = outcome.subnets.find((one) => one.id === id);
      return subnet === undefined ? "–" : number(subnet.leastFree);
    },
    isBad: (outcome: ScenarioOutcome) => outcome.subnets.some((one) => one.id === id && one.leastFree === 0),
  }));
  const body = html`<tbody>
${rows.map((row) => tableRow(row, outcomes))}
</tbody>`;
  return framed("Free addresses of each subnet at its scarcest moment", outcomes, [body]);
}

function framed(caption: string, outcomes: readonly ScenarioOutcome[], bodies: readonly Markup[]): Markup {
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table>
<caption>${caption}</caption>
<thead><tr><td></td>${outcomes.map(({ policy }) => html`<th scope="col">${policy}</th>`)}</tr></thead>
${bodies}
</table></div>`;
}

function tableRow({ name, cell, isBad }: Row, outcomes: readonly ScenarioOutcome[]): Markup {
  const cells = outcomes.map((outcome) =>
    isBad?.(outcome) ? html`<td class="bad">${cell(outcome)}</td>` : html`<td>${cell(outcome)}</td>`,
  );
  return html`<tr><th scope="row">${name}</th>${cells}</tr>`;
}

function timesTheBound({ report: { readySeconds } }: ScenarioOutcome): string {
  return readySeconds.bound > 0 ? `${number(readySeconds.max / readySeconds.bound)}` : "–";
}

function callsOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, one) => sum + one, 0);
}
