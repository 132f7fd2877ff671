import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/adapters/index.ts";
import { POLICIES } from "../../src/simulator/policies/index.ts";
import { readScenario, runScenario, type Scenario } from "../../src/simulator/scenario/index.ts";
import type { WorkloadSpec } from "../../src/simulator/workload/index.ts";
import { enidFleetPolicy, enidPolicy } from "../../src/simulator/world/index.ts";
import { plainPolicy } from "./plain-policy.ts";

const ROOT = join(import.meta.dirname, "../..");
const FOLDER = join(ROOT, "bench/scenarios");
const files = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));
const textOf = (name: string) => readFileSync(join(FOLDER, name), "utf8");

/** So that each runs within a second. */
const NODES = 10;
/** What the plain agent can serve: it takes no second interface. */
const POD_LIMIT = 14;

/** The same question with a few nodes: what counts the whole fleet shrinks with it. */
function scaledDown(scenario: Scenario, podLimit?: number): Scenario {
  const total = scenario.nodes.reduce((sum, { count }) => sum + count, 0);
  const share = Math.min(1, NODES / total);
  const scaled = (count: number) => Math.max(1, Math.round(count * share));
  const workload = scenario.workload.map((spec): WorkloadSpec => {
    if ("pods" in spec) return { ...spec, pods: scaled(spec.pods) };
    return "replicas" in spec ? { ...spec, replicas: scaled(spec.replicas) } : spec;
  });
  return {
    ...scenario,
    hours: Math.min(scenario.hours, 2.2),
    nodes: scenario.nodes.map((group) => ({
      ...group,
      count: scaled(group.count),
      podLimit: podLimit ?? group.podLimit,
    })),
    workload,
  };
}

describe("the scenarios of bench/scenarios", () => {
  it("are those that docs/scenarios.md names", () => {
    const page = readFileSync(join(ROOT, "docs/scenarios.md"), "utf8");
    const table = page.slice(page.indexOf("| file | question |"), page.indexOf("The smallest scenario"));
    const named = [...table.matchAll(/`([\w-]+\.json)`/g)].map((match) => match[1] ?? "");
    expect(named.toSorted()).toEqual(files.toSorted());
  });

  it.each(files)(
    "%s satisfies the schema, as an editor checks it, is named after its file and asks a question",
    (name) => {
      const schema = JSON.parse(readFileSync(join(ROOT, "schemas/scenario.schema.json"), "utf8"));
      const validate = new Ajv2020({ discriminator: true, strictTypes: false, strictRequired: false }).compile(schema);
      const scenario = JSON.parse(textOf(name));
      expect(validate(scenario), JSON.stringify(validate.errors)).toBe(true);
      expect(`${scenario.name}.json`).toBe(name);
      expect(scenario.description).toMatch(/\?$/);
      expect(() => readScenario(textOf(name), name)).not.toThrow();
    },
  );

  it.each(files)("%s runs with a few nodes and breaks no promise", async (name) => {
    const scenario = scaledDown(readScenario(textOf(name), name), POD_LIMIT);
    const outcome = await runScenario({ scenario, policy: plainPolicy(), clock: systemClock });
    expect(outcome.report.violations).toEqual([]);
    expect(outcome.nodes.ready).toBe(outcome.nodes.total);
    expect(outcome.report.readySeconds.max).toBeGreaterThan(0);
    expect(outcome.pods.served > 0).toBe(scenario.workload.length > 0);
  });

  const runs = files.flatMap((file) =>
    [enidPolicy, enidFleetPolicy, ...POLICIES].map((policy) => [file, policy.name, policy] as const),
  );

  it.each(runs)("%s runs under %s: all nodes ready, all pods served, no promise broken", async (file, _, policy) => {
    const scenario = scaledDown(readScenario(textOf(file), file));
    const outcome = await runScenario({ scenario, policy, clock: systemClock });
    expect(outcome.report.violations).toEqual([]);
    expect(outcome).toMatchObject({ complete: true, pods: { unserved: 0 } });
    expect(outcome.report.readySeconds.max).toBeGreaterThan(0);
  });

  it("cold-start-1000.json comes to its bound under the oracle, to a quarter of a second", async () => {
    const file = "cold-start-1000.json";
    const oracle = POLICIES.find(({ name }) => name === "oracle");
    if (oracle === undefined) throw new Error("there is no oracle");
    const scenario = readScenario(textOf(file), file);
    const { report } = await runScenario({ scenario, policy: oracle, clock: systemClock });
    // (1,000 - 100) / 5 and 70 % of 294 ms.
    expect(report.readySeconds.bound).toBeCloseTo(180.2058, 4);
    expect(report.readySeconds.max).toBeGreaterThanOrEqual(report.readySeconds.bound);
    expect(report.readySeconds.max).toBeLessThan(report.readySeconds.bound + 0.25);
  });
});
