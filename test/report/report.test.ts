import { createHash } from "node:crypto";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { renderReport } from "../../src/simulator/report/index.ts";
import { html, jsonData } from "../../src/simulator/report/markup.ts";
import { milliseconds, number, time } from "../../src/simulator/report/numbers.ts";
import { coldStart } from "./outcomes.ts";
import { stubDocument } from "./stub-page.ts";

const ORIGIN = {
  title: "enid 0.1.0, commit 0123456",
  file: "bench/scenarios/cold-start-5000.json",
  scenarioText: '{ "name": "cold-start-5000", "note": "</pre></script><script>alert(1)</script>" }',
  seed: 42,
};
const OUTCOMES = [coldStart("enid", 9), coldStart("cilium-operator", 2.5), coldStart("oracle", 10.4)];
const PAGE = renderReport(OUTCOMES, ORIGIN);

/** The contents of the elements with that name, in their order. */
function elements(page: string, name: string): string[] {
  return [...page.matchAll(new RegExp(`<${name}(?: [^>]*)?>([\\s\\S]*?)</${name}>`, "g"))].map(([, text = ""]) => text);
}

function digest(text: string | undefined): string {
  return `'sha256-${createHash("sha256").update(String(text)).digest("base64")}'`;
}

describe("the report", () => {
  it("admits its own script and style by their hashes, and nothing else", () => {
    const [, policy = ""] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(PAGE) ?? [];
    const [data, script] = elements(PAGE, "script");
    expect(data).toContain('"policies"');
    expect(policy.replaceAll("&#39;", "'").split("; ")).toEqual([
      "default-src 'none'",
      `script-src ${digest(script)}`,
      `style-src ${digest(elements(PAGE, "style")[0])}`,
      "base-uri 'none'",
      "form-action 'none'",
    ]);
  });

  it("asks for nothing outside: no address to load from, no style or handler in an attribute", () => {
    const markup = PAGE.replace(/<script[\s\S]*?<\/script>/g, "").replace(/<style[\s\S]*?<\/style>/g, "");
    expect(markup).not.toMatch(/\b(?:src|href|action|data|poster|srcset)\s*=\s*"(?!#)/i);
    expect(markup).not.toMatch(/<(?:link|img|iframe|object|embed|base|form)\b/i);
    expect(markup).not.toMatch(/\s(?:style|on\w+)\s*=/i);
    expect(elements(PAGE, "style")[0]).not.toMatch(/url\(|@import/i);
  });

  it("writes what comes from outside as text", () => {
    expect(PAGE).toContain("&lt;/pre&gt;&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;");
    const evil = '<img src=x onerror=alert(1)>"&';
    const page = renderReport(
      [
        coldStart(evil, 9, {
          scenario: evil,
          subnets: [{ id: evil, cidr: evil, leastFree: 1, size: 2 }],
          report: {
            ...coldStart("enid", 9).report,
            hash: evil,
            ec2Calls: { [evil]: 1 },
            violations: [{ seed: 1, promise: 4, atMs: 61_000, machine: evil, text: evil }],
          },
        }),
      ],
      { title: evil, file: evil, scenarioText: evil, seed: 1 },
    );
    expect(page).not.toContain("<img");
    expect(page).toContain("promise 4: &lt;img src=x onerror=alert(1)&gt;&quot;&amp;");
    expect(JSON.parse(elements(page, "script")[0] ?? "").policies).toEqual([evil]);
  });

  it("holds every sample of every policy", () => {
    const data = JSON.parse(elements(PAGE, "script")[0] ?? "");
    const ready = data.plots.find(({ id }: { id: string }) => id === "ready");
    expect(data.policies).toEqual(["enid", "cilium-operator", "oracle"]);
    expect(data.plots.map(({ id }: { id: string }) => id)).toEqual([
      "ready",
      "waiting",
      "held",
      "used",
      "calls",
      "throttled",
      "free",
    ]);
    for (const [index, { series }] of OUTCOMES.entries()) {
      expect(ready.lines[index]).toEqual({
        x: series.map(({ atSeconds }) => atSeconds),
        y: series.map(({ readyNodes }) => readyNodes),
      });
    }
  });

  it("gives calls as rates, since policies are sampled at distances of their own", () => {
    const data = JSON.parse(elements(PAGE, "script")[0] ?? "");
    const calls = data.plots.find(({ id }: { id: string }) => id === "calls");
    expect(calls.lines[0].y.slice(0, 3)).toEqual([0, 6, 6]);
  });

  it("shows the figures of the policies side by side, with units and thousands separators", () => {
    const [head = ""] = elements(PAGE, "thead");
    expect(elements(head, "th")).toEqual(["enid", "cilium-operator", "oracle"]);
    const row = (name: string) =>
      elements(PAGE, "tr").find((text) => text.includes(`<th scope="row">${name}</th>`)) ?? "";
    expect(elements(row("nodes ready"), "td")).toEqual(["5,000 of 5,000", "4,500 of 5,000", "5,000 of 5,000"]);
    expect(row("nodes ready")).toContain('<td class="bad">4,500 of 5,000</td>');
    expect(elements(row("last node ready"), "td")).toEqual(["9 min 16 s", "33 min 20 s", "8 min 1 s"]);
    expect(elements(row("bound set by the token buckets"), "td")).toEqual(["8 min", "8 min", "8 min"]);
    expect(elements(row("calls throttled"), "td")).toEqual(["0.00 %", "12.50 %", "0.00 %"]);
    expect(elements(row("DescribeNetworkInterfaces"), "td")).toEqual(["10,050", "10,050", "10,050"]);
    expect(row("subnet-0b (10.65.0.0/24, 251 addresses)")).toContain('<td class="bad">0</td>');
  });

  it("says what it takes to repeat it", () => {
    for (const text of [ORIGIN.title, ORIGIN.file, "<dt>seed</dt><dd>42</dd>", "0123456789abcdef".repeat(4)]) {
      expect(PAGE).toContain(text);
    }
  });

  it("gives each plot a name, its story in words, and a table", () => {
    const figures = elements(PAGE, "figure");
    expect(figures).toHaveLength(7);
    for (const figure of figures) {
      const [, id = ""] = /<div id="plot-(\w+)" role="img"/.exec(figure) ?? [];
      expect(figure).toContain(`aria-labelledby="title-${id}" aria-describedby="words-${id}"`);
      expect(figure).toContain(`<figcaption id="title-${id}">`);
      expect(figure).toContain(`<ul class="summary" id="words-${id}">`);
      expect(figure).toContain("<caption>");
    }
    expect(figures[0]).toContain("<li>enid: from 0 to 5,000 after 30 min; at most 5,000, first after 9 min 20 s</li>");
    expect(figures[5]).toContain("<li>enid: always 0</li>");
    expect(figures[6]).toContain(
      "<li>oracle: from 131,000 to 61,000 after 30 min; at least 61,000, first after 8 min 10 s</li>",
    );
  });

  it("draws every plot with every policy, hides one on request, and draws anew when colours change", () => {
    const stub = stubDocument(PAGE);
    runInNewContext(elements(PAGE, "script")[1] ?? "", stub.globals);
    expect(stub.errors).toEqual([]);
    expect(stub.plots().map(({ id, labels }) => [id, labels])).toEqual(
      ["ready", "waiting", "held", "used", "calls", "throttled", "free"].map((id) => [
        id,
        ["at", "enid", "cilium-operator", "oracle"],
      ]),
    );
    stub.uncheck(1);
    expect(stub.plots().map(({ shown }) => shown)).toEqual(Array.from({ length: 7 }, () => [true, false, true]));
    stub.changeScheme();
    expect(stub.plots()).toHaveLength(7);
    expect(stub.plots().map(({ shown }) => shown)).toEqual(Array.from({ length: 7 }, () => [true, false, true]));
  });

  it("has no choice of policies where there is one", () => {
    const page = renderReport([coldStart("enid", 9)], ORIGIN);
    expect(page).not.toContain("<fieldset");
    expect(PAGE).toContain("<fieldset");
  });

  it("is whole without samples and without subnets", () => {
    const page = renderReport([coldStart("enid", 9, { series: [], subnets: [] })], ORIGIN);
    expect(page).toContain("<li>enid: no samples</li>");
  });

  it("names the licence of the library that it brings along", () => {
    expect(elements(PAGE, "script")[1]).toContain("Copyright (c) 2022 Leon Sorokin");
  });
});

describe("markup", () => {
  it("lets no value open or close an element or an attribute", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(html`${text}`.text).not.toMatch(/[<>"']/);
        expect(jsonData({ text }).text).not.toMatch(/[<>&]/);
        expect(JSON.parse(jsonData({ text }).text)).toEqual({ text });
      }),
    );
  });
});

describe("numbers", () => {
  it.each([
    [number(1_234_567), "1,234,567"],
    [number(0.123456), "0.123"],
    [number(99.95), "100"],
    [milliseconds(850), "850 ms"],
    [milliseconds(240_000), "4 min"],
    [time(42.25), "42.3 s"],
    [time(59.999), "60 s"],
    [time(200), "3 min 20 s"],
    [time(7_500), "2 h 5 min"],
    [time(36_000), "10 h"],
  ])("%s", (written, expected) => {
    expect(written).toBe(expected);
  });
});
