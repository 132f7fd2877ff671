import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Cancel, Clock } from "../../src/adapters/index.ts";
import { parseArguments } from "../../src/cli/arguments.ts";
import { simulate } from "../../src/cli/commands/simulate.ts";
import { commitOf } from "../../src/cli/commit.ts";
import { virtualTime } from "../../src/cli/render/simulation.ts";
import { type HuntFlags, optionsOfSeeds, parseHunt, replayCommand } from "../../src/cli/simulate/hunt-options.ts";
import { ProgressLine } from "../../src/cli/simulate/progress.ts";
import { promiseText } from "../../src/cli/simulate/promises.ts";
import { injectedFaults, SeedTally } from "../../src/cli/simulate/seed-tally.ts";
import { POLICIES } from "../../src/simulator/policies/index.ts";
import { enidPolicy, FAULT_KINDS, FLEET_CHOICES, WEAKNESSES } from "../../src/simulator/world/index.ts";
import { readSource } from "../house/source-files.ts";
import { temporaryFolder } from "./fake-daemon.ts";
import { FAULTS, FIRST_BROKEN_SEED, seedOutcome } from "./simulate-outcomes.ts";

const KNOWN = { faultKinds: FAULT_KINDS, weaknesses: WEAKNESSES, fleets: FLEET_CHOICES };
const ABSENT: HuntFlags = {
  seeds: "1..10",
  nodes: undefined,
  hours: undefined,
  faults: undefined,
  fleet: undefined,
  only: undefined,
  "until-seconds": undefined,
  weakness: undefined,
  "real-disks": false,
};
const COMMON = { nodes: 3, hours: 2, faults: "all" } as const;

function parse(flags: Partial<HuntFlags>) {
  return parseHunt({ ...ABSENT, ...flags }, KNOWN);
}

describe("the flags of a hunt", () => {
  it("have defaults", () => {
    expect(parse({})).toEqual({ seeds: { from: 1, to: 10 }, common: COMMON });
  });

  it("are read", () => {
    const flags = { seeds: "7", nodes: 5, hours: 1, faults: "crash,disk-full", only: "3,7", weakness: "no-cooling" };
    expect(parse({ ...flags, "until-seconds": "1234.567" })).toEqual({
      seeds: { from: 7, to: 7 },
      common: {
        nodes: 5,
        hours: 1,
        faults: ["crash", "disk-full"],
        onlyFaults: [3, 7],
        untilMs: 1_234_567,
        weakness: "no-cooling",
      },
    });
    expect(parse({ seeds: "7", only: "none" }).common.onlyFaults).toEqual([]);
  });

  it.each<[Partial<HuntFlags>, string]>([
    [{ seeds: "x" }, '--seeds cannot be "x"; allowed is FROM..TO such as 1..200, or one seed such as 7'],
    [{ seeds: "1..." }, '--seeds cannot be "1..."'],
    [{ seeds: "9007199254740993" }, '--seeds cannot be "9007199254740993"'],
    [{ seeds: "9..3" }, "--seeds 9..3 ends before it begins; did you mean 3..9?"],
    [{ seeds: "0..99999999" }, "--seeds 0..99999999 are more than 10000000 seeds"],
    [{ faults: "crsh" }, '--faults knows no "crsh"; did you mean crash?'],
    [{ faults: "" }, '--faults knows no ""; allowed are ec2-error, '],
    [{ weakness: "no-sleep" }, '--weakness knows no "no-sleep"; '],
    [{ weakness: "no-cooling,no-intents" }, "--weakness takes one name"],
    [{ only: "3" }, "--only is for one seed: --seeds 1"],
    [{ seeds: "7", only: "3,x" }, '--only cannot be "3,x"; allowed are numbers of the plan such as 3,7, or none'],
    [{ seeds: "7", "until-seconds": "1.2345" }, '--until-seconds cannot be "1.2345"'],
  ])("%j is refused with what is allowed", (flags, message) => {
    expect(() => parse(flags)).toThrow(message);
  });

  it("and the command line that replays a world are each other's inverse", () => {
    const options = fc.record(
      {
        seed: fc.nat(),
        nodes: fc.integer({ min: 1, max: 50 }),
        hours: fc.integer({ min: 1, max: 720 }),
        faults: fc.oneof(
          fc.constantFrom("all", "none"),
          fc.uniqueArray(fc.constantFrom(...FAULT_KINDS), { minLength: 1 }),
        ),
        weakness: fc.constantFrom(...WEAKNESSES),
        onlyFaults: fc.uniqueArray(fc.integer({ min: 1, max: 999 })),
        untilMs: fc.nat(),
      },
      { requiredKeys: ["seed", "nodes", "hours", "faults"] },
    );
    fc.assert(
      fc.property(options, (world) => {
        const words = replayCommand(world as never).split(" ");
        const flag = (name: string) => (words.includes(name) ? words[words.indexOf(name) + 1] : undefined);
        const parsed = parse({
          seeds: flag("--seeds") ?? "",
          nodes: Number(flag("--nodes")),
          hours: Number(flag("--hours")),
          faults: flag("--faults"),
          only: flag("--only"),
          "until-seconds": flag("--until-seconds"),
          weakness: flag("--weakness"),
        });
        expect([...optionsOfSeeds(parsed)]).toEqual([world]);
      }),
    );
  });
});

describe("the report of many seeds", () => {
  it("sums up, ranks and weighs", () => {
    const tally = new SeedTally();
    tally.add(seedOutcome({ seed: 1, ...COMMON }, { readySeconds: [4, 1], idleAddresses: { mean: 10, peak: 12 } }));
    tally.add(
      seedOutcome(
        { seed: 2, ...COMMON, hours: 4 },
        {
          readySeconds: [3, 2],
          timeToAddressMs: [],
          ec2Calls: { AttachNetworkInterface: 10 },
          throttledCalls: 4,
          podsServed: 6,
          podsWaited: 0,
          idleAddresses: { mean: 4, peak: 5 },
        },
      ),
    );
    expect(tally.report()).toMatchObject({
      seeds: 2,
      steps: 2_003,
      simulatedHours: 18,
      violations: [],
      faults: { crash: 4, "ec2-slow": 2 },
      ec2Calls: { AssignPrivateIpAddresses: 7, AttachNetworkInterface: 10, DescribeSubnets: 3 },
      throttledShare: 0.25,
      readySeconds: { p50: 2, p99: 4, max: 4, bound: 0 },
      timeToAddressMs: { p50: 5, p99: 101, max: 101 },
      waitedShare: 0.125,
      idleAddresses: { mean: 6, peak: 12 },
    });
    expect(Object.keys(tally.report().ec2Calls)).toEqual([
      "AssignPrivateIpAddresses",
      "AttachNetworkInterface",
      "DescribeSubnets",
    ]);
  });

  it("counts no fault that was drawn for later than the broken promise", () => {
    const tally = new SeedTally();
    expect(tally.add(seedOutcome({ seed: FIRST_BROKEN_SEED, ...COMMON }))).toHaveLength(1);
    expect(tally.report().faults).toEqual({ crash: 1, "ec2-slow": 1 });
  });

  it("has another hash for another order, and can be asked for before the end", () => {
    const [one, other] = [seedOutcome({ seed: 1, ...COMMON }), seedOutcome({ seed: 2, ...COMMON })];
    const hashes = [
      [one, other],
      [other, one],
    ].map((outcomes) => {
      const tally = new SeedTally();
      for (const outcome of outcomes) {
        tally.add(outcome);
        tally.report();
      }
      return tally.report().hash;
    });
    expect(hashes[0]).not.toBe(hashes[1]);
  });

  it("is all zeros of nothing", () => {
    expect(new SeedTally().report()).toMatchObject({
      seeds: 0,
      throttledShare: 0,
      waitedShare: 0,
      readySeconds: { p50: 0, p99: 0, max: 0, bound: 0 },
      idleAddresses: { mean: 0, peak: 0 },
    });
  });

  it("counts only faults that came", () => {
    const numbers = (choice: Parameters<typeof injectedFaults>[1]) =>
      injectedFaults(FAULTS, choice).map(({ number }) => number);
    expect(numbers({})).toEqual([1, 2, 3]);
    expect(numbers({ onlyFaults: [3, 1] })).toEqual([1, 3]);
    expect(numbers({ untilMs: 120_000 })).toEqual([1]);
    expect(numbers({ onlyFaults: [] })).toEqual([]);
  });
});

describe("progress", () => {
  function line(isTerminal: boolean) {
    const written: string[] = [];
    let nowMs = 5_000;
    const clock: Clock = {
      nowMs: () => nowMs,
      monotonicMs: () => nowMs,
      after: (): Cancel => () => {},
      nextTurn: () => {},
    };
    const screen = { isTerminal, columns: 20, write: (text: string) => void written.push(text) };
    const pass = (ms: number) => {
      nowMs += ms;
    };
    return { progress: new ProgressLine(screen, clock), written, pass };
  }

  it("paints over one line of a terminal, not too often, and cuts it to the width", () => {
    const { progress, written, pass } = line(true);
    progress.show(() => "one");
    progress.show(() => "too soon");
    pass(250);
    progress.show(() => "a line that is longer than the terminal");
    progress.clear();
    progress.show(() => "at once");
    const erase = "\r\u001b[2K";
    expect(written).toEqual([`${erase}one`, `${erase}a line that is long`, erase, `${erase}at once`]);
  });

  it("is a line at most every 30 s elsewhere", () => {
    const { progress, written, pass } = line(false);
    for (let seconds = 0; seconds < 95; seconds += 1) {
      progress.show(() => `${seconds} s`);
      pass(1_000);
    }
    progress.clear();
    expect(written).toEqual(["30 s\n", "60 s\n", "90 s\n"]);
  });
});

describe("the commit", () => {
  const COMMIT = "0123456789abcdef0123456789abcdef01234567";

  it.each([
    [
      "a checkout on a branch",
      { ".git/HEAD": "ref: refs/heads/main\n", ".git/refs/heads/main": `${COMMIT}\n` },
      COMMIT,
    ],
    [
      "a checkout with packed references",
      { ".git/HEAD": "ref: refs/heads/main\n", ".git/packed-refs": `# pack\n${COMMIT} refs/heads/main\n` },
      COMMIT,
    ],
    ["a checkout of one commit", { ".git/HEAD": `${COMMIT}\n` }, COMMIT],
    [
      "a further work tree",
      {
        ".git": "gitdir: main/.git/worktrees/two\n",
        "main/.git/worktrees/two/HEAD": "ref: refs/heads/two\n",
        "main/.git/worktrees/two/commondir": "../..\n",
        "main/.git/refs/heads/two": `${COMMIT}\n`,
      },
      COMMIT,
    ],
    ["a branch without a commit", { ".git/HEAD": "ref: refs/heads/main\n" }, "unknown"],
    ["a reference that leads out of .git", { ".git/HEAD": "ref: refs/../../secret\n", secret: COMMIT }, "unknown"],
    ["something that is no checkout", {}, "unknown"],
  ])("of %s", async (_, files, expected) => {
    const folder = await temporaryFolder();
    for (const [name, text] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
      await writeFile(path.join(folder, name), text);
    }
    await mkdir(path.join(folder, "deep", "down"), { recursive: true });
    expect(commitOf(path.join(folder, "deep", "down"))).toBe(expected);
  });
});

describe("docs/simulation.md", () => {
  const page = readSource("docs/simulation.md");

  it.each([
    ["fault", FAULT_KINDS],
    ["weakness", WEAKNESSES],
    ["policy", [enidPolicy, ...POLICIES].map(({ name }) => name)],
  ])("has every %s", (_, names) => {
    expect(names.length).toBeGreaterThan(4);
    const cells = page.split("\n").map((line) => line.split("|")[1] ?? "");
    expect(names.filter((name) => !cells.some((cell) => cell.includes(`\`${name}\``)))).toEqual([]);
  });

  it("shows only command lines that enid takes", () => {
    const lines = [...page.matchAll(/^enid (.*)$/gm)].map(([, line = ""]) => line.split(" "));
    expect(lines.length).toBeGreaterThan(8);
    for (const [name, ...argv] of lines) {
      expect(name).toBe("simulate");
      const { seeds, ...flags } = parseArguments(simulate, argv, {}).flags as unknown as HuntFlags;
      if (seeds !== undefined) expect(() => parse({ seeds, ...flags }), argv.join(" ")).not.toThrow();
    }
  });
});

describe("what is printed", () => {
  it.each([
    [0, "0:00:00.000"],
    [754_321, "0:12:34.321"],
    [3_599_999.6, "1:00:00.000"],
    [360_000_001, "100:00:00.001"],
  ])("%d ms of virtual time as %s", (ms, text) => {
    expect(virtualTime(ms)).toBe(text);
  });

  it("names as many promises as docs/architecture.md has", () => {
    const page = readSource("docs/architecture.md");
    const promises = page.slice(page.indexOf("## Promises")).match(/^\d+\. /gm) ?? [];
    expect(promises.length).toBeGreaterThan(10);
    for (const [index] of promises.entries()) expect(promiseText(index + 1)).not.toBe("not a numbered promise");
    expect(promiseText(promises.length + 1)).toBe("not a numbered promise");
  });
});
