/**
 * What runs in the page: draws the plots from the data in it, anew when colours or sizes change. Without it the page still
 * has every figure in its tables. Plain JavaScript for browsers, as text: it is no part of this process.
 */
export const PAGE_SCRIPT = `
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const number = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 4 });
  const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });
  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];
  const HEIGHT = 220;
  const hidden = new Set();
  let plots = [];

  const time = (seconds) => {
    const whole = Math.round(seconds);
    const parts = [[Math.floor(whole / 3600), "h"], [Math.floor((whole % 3600) / 60), "min"], [whole % 60, "s"]];
    return parts.filter(([count]) => count > 0).slice(0, 2).map(([count, unit]) => count + " " + unit).join(" ") || "0";
  };

  const draw = () => {
    for (const { plot } of plots) plot.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue("--" + name).trim();
    const font = "12px system-ui, sans-serif";
    const axis = { stroke: colour("soft"), font, grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
    plots = data.plots.map(({ id, unit, lines }) => {
      const host = document.getElementById("plot-" + id);
      const plot = new uPlot(
        {
          width: host.clientWidth || 480,
          height: HEIGHT,
          cursor: { sync: { key: "virtual-time" }, drag: { x: true, y: false } },
          scales: { x: { time: false }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.05 : 1] } },
          axes: [
            { ...axis, incrs: STEPS, space: 70, values: (_, ticks) => ticks.map(time) },
            { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => compact.format(tick)) },
          ],
          series: [
            { label: "at", value: (_, at) => (at == null ? "–" : time(at)) },
            ...data.policies.map((label, index) => ({
              label,
              show: !hidden.has(index),
              stroke: colour("series-" + ((index % 6) + 1)),
              width: 2,
              dash: data.dashes[index % data.dashes.length],
              points: { show: false },
              value: (_, value) => (value == null ? "–" : number.format(value) + " " + unit),
            })),
          ],
        },
        uPlot.join(lines.map(({ x, y }) => [x, y])),
        host,
      );
      return { host, plot };
    });
  };

  const fit = () => {
    for (const { host, plot } of plots) {
      if (host.clientWidth > 0 && host.clientWidth !== plot.width) plot.setSize({ width: host.clientWidth, height: HEIGHT });
    }
  };

  for (const box of document.querySelectorAll("input[data-policy]")) {
    box.addEventListener("change", () => {
      const index = Number(box.dataset.policy);
      if (box.checked) hidden.delete(index);
      else hidden.add(index);
      for (const { plot } of plots) plot.setSeries(index + 1, { show: box.checked });
    });
  }
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  matchMedia("print").addEventListener("change", draw);
  new ResizeObserver(fit).observe(document.body);
})();
`.trim();
