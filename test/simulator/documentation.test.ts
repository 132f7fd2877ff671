import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadModel, type RunningSimulator, SimulatedCloud, startSimulator } from "../../src/simulator/index.ts";
import { exampleModel, refusalOf, seededRandom, TestClock } from "./support.ts";

const PAGE = readFileSync(new URL("../../docs/simulator.md", import.meta.url), "utf8");
const blocks = (language: string) =>
  [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "gm"))].map((match) => match[1] ?? "");
const commands = blocks("sh").flatMap((block) => block.trim().split("\n"));

let simulator: RunningSimulator;
beforeAll(async () => {
  simulator = await startSimulator({ description: exampleModel(), speed: 100, random: seededRandom(7) });
});
afterAll(() => simulator.close());

/** The one form of command that the page uses: curl -s [-X METHOD] [-d 'BODY'] "$SIMULATOR/PATH". */
function readCommand(line: string): { method: string; body: string | undefined; path: string } {
  const match = /^curl -s(?: -X ([A-Z]+))?(?: -d '([^']*)')? "\$SIMULATOR(\/[^"]*)"$/.exec(line);
  if (!match) throw new Error(`not a command of the form that is run here: ${line}`);
  return { method: match[1] ?? "GET", body: match[2], path: match[3] ?? "" };
}

describe("docs/simulator.md", () => {
  test("has commands to run", () => {
    expect(commands.length).toBeGreaterThan(8);
  });

  test.each(commands)("%s", async (line) => {
    const { method, body, path } = readCommand(line);
    const response = await fetch(`${simulator.endpoint}${path}`, { method, ...(body !== undefined && { body }) });
    expect(response.status, await response.text()).toBe(200);
  });

  test("shows a model file that works", () => {
    const [json = ""] = blocks("json");
    const description = loadModel(JSON.parse(json), "docs/simulator.md");
    const cloud = new SimulatedCloud({ description, clock: new TestClock(), random: seededRandom(1) });
    expect(cloud.instanceIds()).toEqual(["i-0a000000000000001"]);
  });

  test("lists exactly the control calls that there are", async () => {
    const response = await fetch(`${simulator.endpoint}/_simulator/`);
    const { calls } = (await response.json()) as { calls: string[] };
    const listed = [...PAGE.matchAll(/^\| `((?:GET|POST|PATCH|DELETE) [^`]*)` \|/gm)].map((match) => match[1]);
    expect(listed.toSorted()).toEqual(calls.toSorted());
  });

  test("lists exactly the settings that there are", () => {
    const section = PAGE.slice(PAGE.indexOf("### Settings"), PAGE.indexOf("## What it does"));
    const listed = [...section.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap((match) =>
      (match[1] ?? "").replaceAll("`", "").split(", "),
    );
    expect(listed.toSorted()).toEqual(Object.keys(simulator.cloud.settings).toSorted());
  });

  test("names only actions that there are, and every action", () => {
    const section = PAGE.slice(PAGE.indexOf("## What it does"), PAGE.indexOf("Every EC2 action takes"));
    const named = [...section.matchAll(/^\| (`[A-Z][^|]*`) \|/gm)].flatMap((match) =>
      (match[1] ?? "").replaceAll("`", "").split(", "),
    );
    expect(named).toHaveLength(25);
    for (const action of named) {
      // A parameter that no action has: a known action refuses it, an unknown one is refused itself.
      expect(refusalOf(() => simulator.cloud.call(action, { Colour: "red" })).code, action).toBe("UnknownParameter");
    }
  });

  test("lists every kind of fault", async () => {
    const section = PAGE.slice(PAGE.indexOf("### Faults"), PAGE.indexOf("## In process"));
    const kinds = [...section.matchAll(/^\| `([a-z-]+)` \|/gm)].map((match) => match[1] ?? "");
    const post = (effect: object) =>
      fetch(`${simulator.endpoint}/_simulator/faults`, {
        method: "POST",
        body: JSON.stringify({ action: "Nothing", effect }),
      });
    for (const kind of kinds) {
      const needed = {
        ...(kind === "error" && { code: "Odd" }),
        ...(kind === "latency" && { delayMs: 1 }),
        ...(kind === "settings" && { settings: {} }),
      };
      expect((await post({ kind, ...needed })).status, kind).toBe(200);
    }
    const refused = (await (await post({ kind: "fire" })).json()) as { error: string };
    expect(refused.error).toContain(JSON.stringify(kinds).slice(1, -1));
  });
});
