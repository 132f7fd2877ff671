import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readScenario, updateScenarioTables } from "../../src/simulator/scenario/index.ts";

const PAGE = readFileSync(new URL("../../docs/scenarios.md", import.meta.url), "utf8");

describe("docs/scenarios.md", () => {
  it("has the tables as the schema gives them (npm run docs renders them)", () => {
    expect(updateScenarioTables(PAGE)).toBe(PAGE);
  });

  it("has a place for every link within itself", () => {
    const headings = [...PAGE.matchAll(/^#+ (.*)$/gm)].map((match) =>
      (match[1] ?? "")
        .toLowerCase()
        .replace(/[^\w\s-]/g, "")
        .replace(/\s/g, "-"),
    );
    const links = [...PAGE.matchAll(/\]\(#([^)]*)\)/g)].map((match) => match[1]);
    expect(links.length).toBeGreaterThan(5);
    for (const link of links) expect(headings).toContain(link);
  });

  it("shows a scenario that is read", () => {
    const [, json = ""] = /```json\n([\s\S]*?)```/.exec(PAGE) ?? [];
    expect(readScenario(json, "docs/scenarios.md").name).toBe("one-node");
  });

  it("refuses a page without a place for the tables", () => {
    expect(() => updateScenarioTables("# Scenarios")).toThrow(TypeError);
  });
});
