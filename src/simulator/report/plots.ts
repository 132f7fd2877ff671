import type { ScenarioOutcome } from "../scenario/index.ts";
import { html, type Markup } from "./markup.ts";
import { lineOf, MEASURES, type Measure, valueAt } from "./measures.ts";
import { number, time } from "./numbers.ts";

/** Of a line on the screen and in its legend, in pixels; none is the whole line. */
const DASHES: readonly (readonly number[])[] = [[], [8, 4], [2, 3], [12, 3, 2, 3], [16, 5], [5, 5]];
const TABLE_ROWS = 12;

interface Line {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

interface Plot {
  readonly measure: Measure;
  /** In the order of the policies. */
  readonly lines: readonly Line[];
}

export function plotsOf(outcomes: readonly ScenarioOutcome[]): readonly Plot[] {
  return MEASURES.map((measure) => ({ measure, lines: outcomes.map(({ series }) => lineOf(measure, series)) }));
}

/** What the script of the page draws from. */
export function plotData(outcomes: readonly ScenarioOutcome[], plots: readonly Plot[]): unknown {
  return {
    policies: outcomes.map(({ policy }) => policy),
    dashes: DASHES,
    plots: plots.map(({ measure: { id, unit }, lines }) => ({ id, unit, lines })),
  };
}

/** Boxes that show and hide the policies in all plots; for one policy there is nothing to choose. */
export function policyBoxes(outcomes: readonly ScenarioOutcome[]): Markup {
  if (outcomes.length < 2) return html``;
  const boxes = outcomes.map(({ policy }, index) => {
    const dash = (DASHES[index % DASHES.length] ?? []).join(" ");
    const line = html`<svg viewBox="0 0 44 14" aria-hidden="true"><line x1="0" y1="7" x2="44" y2="7" stroke="var(--series-${(index % 6) + 1})" stroke-width="3" stroke-dasharray="${dash}"/></svg>`;
    return html`<label><input type="checkbox" checked data-policy="${index}"> ${line} ${policy}</label>`;
  });
  return html`<fieldset class="policies"><legend>Show in the plots</legend>
${boxes}
</fieldset>`;
}

/** The place of a plot, and the same in words and numbers. */
export function plotFigure({ measure, lines }: Plot, outcomes: readonly ScenarioOutcome[]): Markup {
  const { id, title, unit } = measure;
  const sentences = outcomes.map(({ policy }, index) => html`<li>${policy}: ${inWords(measure, lines[index])}</li>`);
  return html`<figure aria-labelledby="title-${id}">
<figcaption id="title-${id}">${title} <small>(${unit}, over virtual time)</small></figcaption>
<div id="plot-${id}" role="img" aria-labelledby="title-${id}" aria-describedby="words-${id}"></div>
<ul class="summary" id="words-${id}">
${sentences}
</ul>
<details><summary>${title} as a table</summary>
${valuesTable(title, lines, outcomes)}
</details>
</figure>`;
}

function inWords({ extreme }: Measure, line: Line | undefined): string {
  const [first, last] = [line?.y[0], line?.y.at(-1)];
  if (line === undefined || first === undefined || last === undefined) return "no samples";
  if (line.y.every((value) => value === first)) return `always ${number(first)}`;
  const least = extreme === "least";
  const outermost = line.y.reduce((one, other) => (least ? Math.min(one, other) : Math.max(one, other)));
  const since = time(line.x[line.y.indexOf(outermost)] ?? 0);
  const end = `${number(last)} after ${time(line.x.at(-1) ?? 0)}`;
  return `from ${number(first)} to ${end}; at ${extreme} ${number(outermost)}, first after ${since}`;
}

function valuesTable(title: string, lines: readonly Line[], outcomes: readonly ScenarioOutcome[]): Markup {
  const end = Math.max(0, ...lines.map(({ x }) => x.at(-1) ?? 0));
  const moments = Array.from({ length: TABLE_ROWS + 1 }, (_, row) => (end * row) / TABLE_ROWS);
  const rows = moments.map((at) => {
    const values = lines.map((line) => valueAt(line, at));
    const cells = values.map((value) => html`<td>${value === undefined ? "–" : number(value)}</td>`);
    return html`<tr><th scope="row">${time(at)}</th>${cells}</tr>`;
  });
  return html`<div class="scroll" role="region" aria-label="${title} as a table" tabindex="0"><table>
<caption>${title}</caption>
<thead><tr><th scope="col">at</th>${outcomes.map(({ policy }) => html`<th scope="col">${policy}</th>`)}</tr></thead>
<tbody>
${rows}
</tbody></table></div>`;
}
