import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/adapters/index.ts";
import { type Progress, readScenario, runScenario, type ScenarioRun } from "../../src/simulator/scenario/index.ts";
import { plainPolicy } from "./plain-policy.ts";

function scenario(more: object = {}) {
  const text = JSON.stringify({
    name: "small",
    description: "A few nodes.",
    hours: 1,
    nodes: [{ count: 10, type: "m5.xlarge" }],
    subnets: [{ cidr: "10.64.0.0/22" }],
    settings: { ipam: { "min-allocate": 8 } },
    ...more,
  });
  return readScenario(text, "test");
}

function run(more: object = {}, others: Partial<ScenarioRun> = {}) {
  return runScenario({ scenario: scenario(more), policy: plainPolicy(), clock: systemClock, ...others });
}

describe("a run of a scenario", () => {
  it("ends when all nodes are ready, if that is asked for, close above the bound", async () => {
    const outcome = await run({
      nodes: [{ count: 300, type: "m5.xlarge" }],
      until: "all-ready",
      subnets: [{ cidr: "10.64.0.0/19" }],
    });
    const { readySeconds, ec2Calls, throttledShare, simulatedHours } = outcome.report;
    expect(outcome).toMatchObject({
      complete: true,
      nodes: { total: 300, ready: 300 },
      policy: "plain",
      scenario: "small",
    });
    // (300 - 100) / 5 and 70 % of 294 ms.
    expect(readySeconds.bound).toBeCloseTo(40.2058, 4);
    expect(readySeconds.max).toBeGreaterThanOrEqual(readySeconds.bound);
    expect(readySeconds.max).toBeLessThan(readySeconds.bound + 3);
    expect(readySeconds.p50).toBeLessThan(readySeconds.max);
    const calls = ec2Calls.AssignPrivateIpAddresses ?? 0;
    expect(Object.keys(ec2Calls)).toEqual(["AssignPrivateIpAddresses"]);
    expect(throttledShare).toBeCloseTo((calls - 300) / calls, 9);
    const lastSeconds = outcome.series.at(-1)?.atSeconds ?? 0;
    expect(simulatedHours).toBeCloseTo((300 * lastSeconds) / 3_600, 6);
    expect(outcome.report.idleAddresses.peak).toBe(2_400);
    expect(outcome.report.violations).toEqual([]);
  });

  it("goes on to its end otherwise, and counts pods, waits and addresses", async () => {
    const workload = [
      { pattern: "fill", podsPerNode: 5 },
      { pattern: "scale-up", pods: 60, atSeconds: 600, withinSeconds: 60 },
    ];
    const outcome = await run({ workload });
    expect(outcome.complete).toBe(true);
    expect(outcome.pods).toEqual({ served: 110, unserved: 0, failedAttempts: 0 });
    // Each node holds 8 and gets 11 pods: at least three of them wait for a call each.
    expect(outcome.report.waitedShare).toBeGreaterThanOrEqual(30 / 110);
    expect(outcome.report.waitedShare).toBeLessThan(45 / 110);
    const { p50, max } = outcome.report.timeToAddressMs;
    expect(p50).toBeLessThan(60);
    expect(max).toBeGreaterThan(200);
    expect(outcome.series.at(-1)).toMatchObject({
      readyNodes: 10,
      usedAddresses: 110,
      waitingPods: 0,
      atSeconds: 3_600,
    });
    expect(outcome.report.simulatedHours).toBeCloseTo(10, 6);
  });

  it("gives the same figures and hash again, and others from another seed", async () => {
    const workload = [{ pattern: "steady", podsPerNodeHour: 20, lifetimeSeconds: 300 }];
    const one = await run({ workload });
    const again = await run({ workload });
    const other = await run({ workload, seed: 2 });
    expect({ ...again, wallSeconds: 0 }).toEqual({ ...one, wallSeconds: 0 });
    expect(other.report.hash).not.toBe(one.report.hash);
  });

  it("adds up: calls of the series are those of the report, and times are even", async () => {
    const workload = [{ pattern: "bursts", everySeconds: 600, pods: 20, lifetimeSeconds: 100 }];
    const { series, report } = await run({ workload, hours: 2 });
    const sum = (key: "calls" | "throttledCalls") => series.reduce((total, sample) => total + sample[key], 0);
    const calls = Object.values(report.ec2Calls).reduce((total, count) => total + count, 0);
    expect(sum("calls")).toBe(calls);
    expect(sum("throttledCalls")).toBe(Math.round(report.throttledShare * calls));
    expect(series.length).toBeLessThanOrEqual(2_000);
    expect(series.length).toBeGreaterThan(900);
    const distances = series.slice(1, -1).map(({ atSeconds }, at) => atSeconds - (series[at]?.atSeconds ?? 0));
    expect(new Set(distances).size).toBe(1);
  });

  it("restarts every daemon while pods go on, and waits until all serve again", async () => {
    const outcome = await run({
      workload: [
        { pattern: "fill", podsPerNode: 4 },
        { pattern: "steady", podsPerNodeHour: 60, lifetimeSeconds: 60 },
      ],
      restarts: [{ atSeconds: 1_800, spreadSeconds: 20, downSeconds: 30 }],
    });
    expect(outcome.complete).toBe(true);
    expect(outcome.report.violations).toEqual([]);
    const during = outcome.series.filter(({ atSeconds }) => atSeconds > 1_801 && atSeconds < 1_830);
    expect(Math.min(...during.map(({ readyNodes }) => readyNodes))).toBe(0);
    expect(outcome.nodes.ready).toBe(10);
  });

  it("lets a subnet run dry, and shows how little was left and who got nothing", async () => {
    const outcome = await run({
      subnets: [{ cidr: "10.64.0.0/24" }],
      exhaustion: [{ fromSeconds: 60, untilSeconds: 600, addresses: 250 }],
      workload: [{ pattern: "scale-up", pods: 120, atSeconds: 900, withinSeconds: 10 }],
    });
    expect(outcome.subnets).toEqual([{ id: expect.any(String), cidr: "10.64.0.0/24", size: 251, leastFree: 0 }]);
    expect(outcome.pods.served).toBe(80);
    expect(outcome.pods.unserved).toBe(40);
    expect(outcome.complete).toBe(false);
  });

  it("lets nobody come in its last minute, so that who waits at its end has waited for long", async () => {
    const entries: { kind: string; atMs: number }[] = [];
    const workload = [{ pattern: "cron", everySeconds: 60, pods: 10, lifetimeSeconds: 5 }];
    const outcome = await run({ workload }, { log: (entry) => entries.push(entry) });
    const pods = entries.filter(({ kind }) => kind === "pod").map(({ atMs }) => atMs);
    expect(Math.max(...pods)).toBeGreaterThan(3_480_000);
    expect(Math.max(...pods)).toBeLessThan(3_542_000);
    expect(outcome.complete).toBe(true);
  });

  it("is not complete when nodes are not ready at its end", async () => {
    const account = { buckets: { AssignPrivateIpAddresses: { capacity: 1, refillPerSecond: 0.001 } } };
    const outcome = await run({ account, hours: 0.1 });
    expect(outcome).toMatchObject({ complete: false, nodes: { total: 10, ready: 1 } });
  });

  it("finds an address that two live pods have, and one that is not the node's", async () => {
    const workload = [{ pattern: "fill", podsPerNode: 6 }];
    const twice = await run({ workload, hours: 0.1 }, { policy: plainPolicy({ doubleEvery: 5 }) });
    expect(twice.report.violations.length).toBeGreaterThan(5);
    expect(new Set(twice.report.violations.map(({ promise }) => promise))).toEqual(new Set([1]));
    const invented = await run({ workload, hours: 0.1 }, { policy: plainPolicy({ inventEvery: 5 }) });
    expect(invented.report.violations.map(({ promise }) => promise)).toContain(4);
    expect(invented.report.violations[0]?.text).toContain("10.99.0.1");
  });

  it("tells how far it is, and stops when it is told to", async () => {
    const told: Progress[] = [];
    await run({}, { onProgress: (progress) => told.push(progress) });
    expect(told[0]).toMatchObject({ atSeconds: 0, ofSeconds: 3_600, nodes: 10 });
    const reason = new Error("enough");
    const controller = new AbortController();
    const stopped = run({ hours: 700 }, { onProgress: () => controller.abort(reason), signal: controller.signal });
    await expect(stopped).rejects.toBe(reason);
  });
});
