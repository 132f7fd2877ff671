import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/adapters/index.ts";
import { hunt, type Surroundings, trace } from "../../src/cli/simulate/hunt.ts";
import type { HuntOptions } from "../../src/cli/simulate/hunt-options.ts";
import { runInThread, runInThreads } from "../../src/cli/simulate/pool.ts";
import type { Screen } from "../../src/cli/simulate/progress.ts";
import type { SimulationReport } from "../../src/simulator/scenario/index.ts";
import { FIRST_BROKEN_SEED, PROBLEM_SEEDS, seedOutcome } from "./simulate-outcomes.ts";

const FIXTURE = new URL("./simulate-fixture-worker.ts", import.meta.url);
const COMMON = { nodes: 3, hours: 2, faults: "all" } as const;
const POOL = { clock: systemClock, limitMs: 10_000, code: FIXTURE };

function asks(from: number, to: number) {
  return Array.from({ length: to - from + 1 }, (_, index) => ({ seed: from + index, ...COMMON }));
}

function surroundings(changes: Partial<Surroundings> = {}) {
  const stdout: string[] = [];
  const progress: string[] = [];
  const screen: Screen = { isTerminal: true, columns: 120, write: (text) => void progress.push(text) };
  const here: Surroundings = {
    output: {
      line: (text = "") => void stdout.push(text),
      error: (text) => void stdout.push(`error: ${text}`),
      style: (_, text) => text,
    },
    screen,
    clock: systemClock,
    json: false,
    title: "enid 1.2.3, commit abc",
    workers: 2,
    code: FIXTURE,
    ...changes,
  };
  return { here, text: () => stdout.join("\n"), progress: () => progress.join("") };
}

function huntOf(from: number, to: number): HuntOptions {
  return { seeds: { from, to }, common: COMMON };
}

describe("worker threads", () => {
  it("end in any order and are answered in the order of the jobs, each once, whatever their number", async () => {
    for (const workers of [1, 3]) {
      const seeds: number[] = [];
      const ends: number[] = [];
      const pool = { ...POOL, workers, onEnd: () => void ends.push(1) };
      for await (const { ask, answer } of runInThreads("seed", asks(1, 30), pool)) {
        expect(answer).toEqual(seedOutcome(ask));
        seeds.push(ask.seed);
      }
      expect(seeds).toEqual(asks(1, 30).map(({ seed }) => seed));
      expect(ends).toHaveLength(30);
    }
  });

  it.each([
    ["ends the thread", PROBLEM_SEEDS.exits, "ENID_SIMULATION_LOST", "its thread ended with 3"],
    ["rejects what nobody awaits", PROBLEM_SEEDS.throwsLater, "ENID_SIMULATION_LOST", "nobody caught this"],
    ["never ends", PROBLEM_SEEDS.hangs, "ENID_SIMULATION_LOST", "no result within 1 s"],
    ["throws an error of the catalogue", PROBLEM_SEEDS.usage, "ENID_USAGE", "no such world"],
  ])("survive a job that %s: it ends with its error and the next ones are carried out", async (_, bad, code, text) => {
    const jobs = [...asks(1, 2), ...asks(bad, bad), ...asks(3, 4)];
    const ends: unknown[] = [];
    for await (const { ask, error } of runInThreads("seed", jobs, { ...POOL, limitMs: 1_000, workers: 1 })) {
      ends.push([ask.seed, error?.code, error?.message]);
    }
    expect(ends).toEqual([
      [1, undefined, undefined],
      [2, undefined, undefined],
      [bad, code, expect.stringContaining(text)],
      [3, undefined, undefined],
      [4, undefined, undefined],
    ]);
  });

  it("stop when nobody takes any more", async () => {
    const ends: number[] = [];
    const pool = { ...POOL, workers: 2, onEnd: () => void ends.push(1) };
    for await (const { ask } of runInThreads("seed", asks(1, 100_000), pool)) if (ask.seed === 3) break;
    const atStop = ends.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([ends.length, atStop < 1_000]).toEqual([atStop, true]);
  });

  it("have nothing to do without jobs", async () => {
    for await (const one of runInThreads("seed", [], { ...POOL, workers: 2 })) throw new Error(String(one));
  });

  it("bring progress and the answer of a single job", async () => {
    const progress: unknown[] = [];
    const answer = await runInThread(
      "shrink",
      { outcome: seedOutcome({ seed: 5, ...COMMON }), runs: 300 },
      { ...POOL, onProgress: (_, one) => void progress.push(one) },
    );
    expect(progress).toEqual([300]);
    expect(answer.options.onlyFaults).toEqual([2]);
  });
});

describe("a hunt", () => {
  it("prints what it hunts, the figures and no violation, and ends with 0", async () => {
    const { here, text, progress } = surroundings();
    expect(await hunt(huntOf(1, 40), here)).toBe(0);
    expect(text()).toMatch(/^enid 1\.2\.3, commit abc\nseeds 1\.\.40: 3 nodes x 2 h, faults all, 2 workers\n/);
    expect(text()).toMatch(/^seeds +40$/m);
    expect(text()).toMatch(/^simulated +240 node-hours, [\d,.]+ per second$/m);
    expect(text()).toMatch(/^EC2 calls +400, 10\.00 % throttled$/m);
    expect(text()).toMatch(/^ {2}AssignPrivateIpAddresses +280$/m);
    expect(text()).toMatch(/^ {2}crash +80$/m);
    expect(text()).toMatch(/^no violation$/m);
    expect(progress()).toMatch(/\d+ of 40 seeds, [\d,.]+ node-hours per second, 0 violations, .* left/);
  });

  it("brings the same object whatever the number of workers, with the members that the documentation names", async () => {
    const texts: string[] = [];
    for (const workers of [1, 2, 3]) {
      const { here, text, progress } = surroundings({ json: true, workers });
      expect(await hunt(huntOf(1, 25), here)).toBe(0);
      expect(progress()).toBe("");
      texts.push(text());
    }
    expect(new Set(texts).size).toBe(1);
    const report = JSON.parse(texts[0] ?? "") as SimulationReport;
    expect(Object.keys(report)).toEqual([
      "seeds",
      "steps",
      "simulatedHours",
      "hash",
      "violations",
      "faults",
      "ec2Calls",
      "throttledShare",
      "readySeconds",
      "timeToAddressMs",
      "waitedShare",
      "idleAddresses",
    ]);
    const hash = createHash("sha256");
    for (const ask of asks(1, 25)) hash.update(seedOutcome(ask).hash);
    expect(report.hash).toBe(hash.digest("hex"));
  });

  it("shows a violation, goes on, shrinks the first and prints the command line that replays it", async () => {
    const { here, text } = surroundings();
    const from = FIRST_BROKEN_SEED - 2;
    expect(await hunt(huntOf(from, FIRST_BROKEN_SEED + 1), here)).toBe(1);
    expect(text()).toContain(
      [
        "VIOLATION in seed 10000 at 0:12:34.321 on machine-2: promise 4 (a leased or cooling address is never given back to the cloud)",
        "  10.0.0.7 is leased and was given back",
        "  replay: enid simulate --seeds 10000 --nodes 3 --hours 2 --faults all",
      ].join("\n"),
    );
    expect(text()).toContain("VIOLATION in seed 10001");
    expect(text()).toContain("2 VIOLATIONS");
    expect(text()).toContain("shortest plan found in 17 runs: 1 of 3 faults, faults until 0:20:34.500\n");
    expect(text()).toMatch(/^ +2 {2}0:02:00\.000 to 0:15:00\.000 {2}all machines {2}ec2-slow {2}calls take 4 s$/m);
    expect(text()).toMatch(
      /^replay: enid simulate --seeds 10000 --nodes 3 --hours 2 --faults all --only 2 --until-seconds 1234\.5$/m,
    );
  });

  it("stops after 20 violations and says how much was not run", async () => {
    const { here, text } = surroundings();
    expect(await hunt(huntOf(FIRST_BROKEN_SEED, FIRST_BROKEN_SEED + 49), here)).toBe(1);
    expect(text()).toContain("stopped after 20 violations; 30 seeds were not run");
    expect(text()).toMatch(/^seeds +20$/m);
  });

  it("counts a seed whose thread ended as a violation of promise 0 and goes on", async () => {
    const { here, text } = surroundings({ json: true });
    expect(await hunt(huntOf(PROBLEM_SEEDS.exits - 1, PROBLEM_SEEDS.exits), here)).toBe(1);
    const { seeds, violations } = JSON.parse(text()) as SimulationReport;
    expect(seeds).toBe(2);
    expect(violations).toEqual([
      {
        seed: PROBLEM_SEEDS.exits,
        promise: 0,
        atMs: 0,
        machine: "",
        text: "ENID_SIMULATION_LOST: the simulation gave no result: its thread ended with 3",
      },
    ]);
  });

  it("ends at once when every seed would be refused", async () => {
    const { here } = surroundings({ json: true });
    await expect(hunt(huntOf(PROBLEM_SEEDS.usage, PROBLEM_SEEDS.usage + 5), here)).rejects.toThrow("no such world");
  });
});

describe("a trace", () => {
  it("is a line for each entry, with the virtual time", async () => {
    const { here, text } = surroundings();
    expect(await trace(huntOf(7, 7), "default/web-1", here)).toBe(0);
    expect(text()).toMatch(/^0:01:01\.250 {2}machine-1 {2}pod {2}default\/web-1 asks in world 7$/m);
    expect(text()).toMatch(/^1:00:00\.000 {2}- {10}ec2 {2}default\/web-1 is gone$/m);
  });

  it("with --json is one document", async () => {
    const { here, text } = surroundings({ json: true });
    expect(await trace(huntOf(7, 7), "machine-1", here)).toBe(0);
    expect(JSON.parse(text())).toMatchObject({ subject: "machine-1", entries: [{ atMs: 61_250 }, {}] });
  });

  it("of what nothing mentions says so and ends with 1", async () => {
    const { here, text } = surroundings();
    expect(await trace(huntOf(7, 7), "nobody", here)).toBe(1);
    expect(text()).toContain("nothing in this world mentions nobody");
  });
});
