import { describe, expect, it } from "vitest";
import {
  AGENT_FAULT_KINDS,
  FAULT_KINDS,
  type LogEntry,
  planOf,
  runSeed,
  type SeedOptions,
  traceOf,
} from "../../src/simulator/world/index.ts";

const OPTIONS = { seed: 5, nodes: 2, hours: 1, faults: "all" } as const;

describe("a world", () => {
  it("says its plan before it runs, and then has the faults of the plan", async () => {
    const { plan, faults } = planOf(OPTIONS);
    const entries: LogEntry[] = [];
    const outcome = await runSeed(OPTIONS, (entry) => entries.push(entry));
    expect(outcome.plan).toEqual(plan);
    expect(outcome.faults).toEqual(faults);
    const begun = entries.filter(({ kind, text }) => kind === "fault" && text.includes("begins"));
    expect(begun.map(({ text }) => Number(text.split(" ")[0]))).toEqual(faults.map(({ number }) => number));
    expect(entries.length).toBe(outcome.events);
  });

  it("is over, and told as a violation of no promise, when something in it throws", async () => {
    const outcome = await runSeed(OPTIONS, ({ kind }) => {
      if (kind === "fault") throw new Error("nobody may throw this");
    });
    expect(outcome.violations).toEqual([
      expect.objectContaining({ seed: 5, promise: 0, text: expect.stringContaining("nobody may throw this") }),
    ]);
  });

  it("is another one with another seed, and with another number of nodes", async () => {
    const { hash } = await runSeed(OPTIONS);
    expect((await runSeed({ ...OPTIONS, seed: 6 })).hash).not.toBe(hash);
    expect((await runSeed({ ...OPTIONS, nodes: 3 })).hash).not.toBe(hash);
    expect((await runSeed(OPTIONS)).hash).toBe(hash);
  });

  it("leaves the other faults as they are when one is left out", () => {
    const all = planOf(OPTIONS).faults;
    const fewer = planOf({ ...OPTIONS, onlyFaults: [1, 3] }).faults;
    expect(fewer).toEqual(all.filter(({ number }) => number === 1 || number === 3));
  });

  it("runs as it ran until the first fault that is left out", async () => {
    // Pods of this world are added at the same moment: which of them is first is drawn.
    const options = { seed: 40, nodes: 3, hours: 2, faults: "all", untilMs: 1_800_000 } as const;
    const { faults } = planOf(options);
    const kept = faults.filter(({ fromMs }) => fromMs < 900_000).map(({ number }) => number);
    const until = async (chosen: SeedOptions): Promise<readonly LogEntry[]> => {
      const entries: LogEntry[] = [];
      await runSeed(chosen, (entry) => entries.push(entry));
      return entries.filter(({ atMs }) => atMs < 900_000);
    };
    const whole = await until(options);
    expect(whole.length).toBeGreaterThan(10);
    expect(kept.length).toBeLessThan(faults.length);
    expect(await until({ ...options, onlyFaults: kept })).toEqual(whole);
  });

  it("has no faults when none are wanted, and every kind that is named", () => {
    expect(planOf({ ...OPTIONS, faults: "none" }).faults).toEqual([]);
    for (const kind of FAULT_KINDS) {
      const fleet = AGENT_FAULT_KINDS.includes(kind) ? "agents" : "stateful";
      const kinds = planOf({ ...OPTIONS, fleet, faults: [kind] }).faults.map((fault) => fault.kind);
      expect(kinds.length).toBeGreaterThan(0);
      expect(new Set(kinds)).toEqual(new Set([kind]));
    }
  });

  it("ends its faults early when told so", async () => {
    const entries: LogEntry[] = [];
    const outcome = await runSeed({ ...OPTIONS, untilMs: 600_000 }, (entry) => entries.push(entry));
    const begun = entries.filter(({ kind, text }) => kind === "fault" && text.includes("begins"));
    expect(begun.every(({ atMs }) => atMs <= 600_000)).toBe(true);
    expect(begun.length).toBeLessThan(outcome.faults.length);
  });

  it("tells the story of one pod, one address and one interface", async () => {
    const entries: LogEntry[] = [];
    await runSeed(OPTIONS, (entry) => entries.push(entry));
    const served = entries.find(({ kind, text }) => kind === "pod" && /^add .* daemon 0 10\./.test(text));
    const [, pod = "", , , , address = ""] = served?.text.split(" ") ?? [];
    const ofPod = await traceOf(OPTIONS, pod);
    expect(ofPod.entries).toContainEqual(served);
    expect(ofPod.entries.every(({ text }) => text.includes(pod))).toBe(true);
    const ofAddress = await traceOf(OPTIONS, address);
    expect(ofAddress.entries).toContainEqual(served);
    // "10.65.0.1" is not "10.65.0.12".
    expect(ofAddress.entries.every(({ text }) => new RegExp(`${address}(?!\\d)`).test(text))).toBe(true);
    const made = entries.find(({ kind, text }) => kind === "ec2" && text.startsWith("AttachNetworkInterface"));
    const id = /eni-[0-9a-f]+/.exec(made?.text ?? "")?.[0] ?? "";
    expect((await traceOf(OPTIONS, id)).entries).toContainEqual(made);
  });
});
