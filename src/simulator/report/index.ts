/** What a scenario brought, as one HTML file for people: plots, figures side by side, and all that it takes to repeat it. */
import { createHash } from "node:crypto";
import type { ScenarioOutcome } from "../scenario/index.ts";
import { callsTable, figuresTable, subnetsTable } from "./figures-table.ts";
import { html, jsonData, type Markup, raw } from "./markup.ts";
import { number, time } from "./numbers.ts";
import { PAGE_SCRIPT } from "./page-script.ts";
import { PAGE_STYLE } from "./page-style.ts";
import { PLOT_LICENSE, PLOT_SCRIPT, PLOT_STYLE } from "./plot-library.ts";
import { plotData, plotFigure, plotsOf, policyBoxes } from "./plots.ts";

/** What the figures alone do not say. */
export interface ReportOrigin {
  /** Version and commit of the enid that simulated: "enid 0.1.0, commit 1f3a…". */
  readonly title: string;
  /** The scenario's file and what stands in it. */
  readonly file: string;
  readonly scenarioText: string;
  readonly seed: number;
}

/**
 * One HTML document that needs nothing else: no request leaves it, and its policy (CSP) admits only the scripts and styles
 * written here. Equal outcomes give equal pages but for the wall time.
 */
export function renderReport(outcomes: readonly ScenarioOutcome[], origin: ReportOrigin): string {
  const script = `/* ${PLOT_LICENSE.replaceAll("*/", "")} */\n${PLOT_SCRIPT}\n${PAGE_SCRIPT}\n`;
  const style = `${PLOT_STYLE}\n${PAGE_STYLE}\n`;
  for (const [text, end] of [
    [script, "</script"],
    [style, "</style"],
  ] as const) {
    if (text.toLowerCase().includes(end)) throw new Error(`a part of the report holds ${end}`);
  }
  const policy = [
    "default-src 'none'",
    `script-src '${digest(script)}'`,
    `style-src '${digest(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const plots = plotsOf(outcomes);
  const name = outcomes[0]?.scenario ?? "";
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${name}: enid simulate</title>
<style>${raw(style)}</style>
</head>
<body>
<a class="skip" href="#figures">To the figures</a>
<header>
<h1>${name}</h1>
${facts(outcomes, origin)}
</header>
<main>
${violations(outcomes)}
<section aria-labelledby="figures">
<h2 id="figures">Figures</h2>
${figuresTable(outcomes)}
</section>
<section aria-labelledby="plots">
<h2 id="plots">Over virtual time</h2>
${policyBoxes(outcomes)}
<div class="plots">
${plots.map((plot) => plotFigure(plot, outcomes))}
</div>
</section>
<section aria-labelledby="calls">
<h2 id="calls">EC2 calls</h2>
${callsTable(outcomes)}
</section>
<section aria-labelledby="subnets">
<h2 id="subnets">Subnets</h2>
${subnetsTable(outcomes)}
</section>
<section aria-labelledby="scenario">
<h2 id="scenario">Scenario</h2>
${repetition(outcomes, origin)}
<pre tabindex="0">${origin.scenarioText}</pre>
</section>
</main>
<script type="application/json" id="data">${jsonData(plotData(outcomes, plots))}</script>
<script>${raw(script)}</script>
</body>
</html>
`;
  return page.text;
}

function facts(outcomes: readonly ScenarioOutcome[], { title }: ReportOrigin): Markup {
  const nodes = Math.max(0, ...outcomes.map(({ nodes }) => nodes.total));
  const seconds = Math.max(0, ...outcomes.map(({ series }) => series.at(-1)?.atSeconds ?? 0));
  return html`<dl>
<dt>simulated by</dt><dd>${title}</dd>
<dt>fleet</dt><dd>${number(nodes)} nodes for ${time(seconds)} of virtual time</dd>
</dl>`;
}

/** What it takes to get the same again, and how to see that it is the same. */
function repetition(outcomes: readonly ScenarioOutcome[], { file, seed }: ReportOrigin): Markup {
  const hashes = outcomes.map(({ policy, report }) => html`<dt>hash, ${policy}</dt><dd>${report.hash}</dd>`);
  return html`<dl>
<dt>file</dt><dd>${file}</dd>
<dt>seed</dt><dd>${seed}</dd>
${hashes}
</dl>`;
}

function violations(outcomes: readonly ScenarioOutcome[]): Markup {
  const items = outcomes.flatMap(({ policy, report }) =>
    report.violations.map(
      ({ promise, atMs, machine, text }) =>
        html`<li>${policy}, ${time(atMs / 1000)}${machine === "" ? "" : `, ${machine}`}, promise ${promise}: ${text}</li>`,
    ),
  );
  if (items.length === 0) return html``;
  return html`<section aria-labelledby="violations">
<h2 id="violations" class="bad">Violations</h2>
<ul>
${items}
</ul>
</section>`;
}

function digest(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
