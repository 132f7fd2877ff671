/** Colours after Okabe and Ito, which people with any kind of colour blindness tell apart; dashes tell the lines apart too. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --page: #ffffff; --panel: #f6f7f9; --text: #16191f; --soft: #4d5563; --line: #d5d9e0; --bad: #b00020;
  --series-1: #0072b2; --series-2: #d55e00; --series-3: #007a5a; --series-4: #b0498a; --series-5: #7a5c00; --series-6: #444b57;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171c; --panel: #1d2128; --text: #eceff4; --soft: #b3bac6; --line: #383e49; --bad: #ff8a94;
    --series-1: #56b4e9; --series-2: #ff8c42; --series-3: #2fd0a5; --series-4: #e59ac8; --series-5: #f0d345; --series-6: #c5cad3;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 84rem; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .5rem; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1.5rem; top: .5rem; padding: .25rem .75rem; background: var(--page); }
:focus-visible { outline: 3px solid var(--series-1); outline-offset: 2px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .75rem 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
.scroll > table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.scroll caption { text-align: left; color: var(--soft); padding: .25rem 0; }
.scroll th, .scroll td { padding: .25rem 0 .25rem 1.5rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
.scroll th:first-child { position: sticky; left: 0; background: var(--page); text-align: left; padding-left: 0; font-weight: 400; white-space: normal; min-width: 9rem; }
figure .scroll th:first-child { background: var(--panel); }
.scroll thead th { font-weight: 600; }
.scroll tr.group th { font-weight: 600; padding-top: .9rem; }
.bad { color: var(--bad); font-weight: 600; }
.policies { border: 0; padding: 0; margin: .5rem 0 1rem; display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; }
.policies legend { float: left; padding: 0; margin-right: 1.5rem; color: var(--soft); }
.policies label { display: inline-flex; align-items: center; gap: .4rem; }
.policies svg { width: 2.2rem; height: .7rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr)); gap: 1rem; }
figure { margin: 0; padding: .9rem; background: var(--panel); border: 1px solid var(--line); border-radius: 6px; min-width: 0; break-inside: avoid; }
figcaption { font-weight: 600; margin-bottom: .35rem; }
figcaption small { color: var(--soft); font-weight: 400; font-size: inherit; }
.summary { margin: .5rem 0 0; padding-left: 1.1rem; color: var(--soft); font-size: .875rem; }
details { margin-top: .5rem; font-size: .875rem; }
summary { cursor: pointer; color: var(--soft); }
.uplot { width: 100%; font-family: inherit; }
.u-legend { font-size: 12px; text-align: left; margin: 0; }
.u-legend th { font-weight: 400; }
.u-inline tr { margin-right: 10px; }
.u-select { background: color-mix(in srgb, var(--series-1) 20%, transparent); }
pre { padding: .9rem; background: var(--panel); border: 1px solid var(--line); border-radius: 6px; overflow-x: auto; font-size: .8rem; line-height: 1.4; }
@media (max-width: 40rem) { body { padding: .9rem; } dl { grid-template-columns: 1fr; } dd { margin-bottom: .35rem; } }
@media print {
  :root {
    color-scheme: light;
    --page: #ffffff; --panel: #ffffff; --text: #000000; --soft: #333333; --line: #bbbbbb; --bad: #b00020;
    --series-1: #0072b2; --series-2: #d55e00; --series-3: #007a5a; --series-4: #b0498a; --series-5: #7a5c00; --series-6: #444b57;
  }
  body { max-width: none; padding: 0; font-size: 11px; }
  .policies input, details, .skip { display: none; }
  pre { white-space: pre-wrap; }
}
`.trim();
