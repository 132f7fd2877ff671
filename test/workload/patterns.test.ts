import { describe, expect, it } from "vitest";
import type { WorkloadSpec } from "../../src/simulator/workload/index.ts";
import { played, RecordingStage } from "./recording-stage.ts";

const HOUR = 3_600;

describe("the patterns of a workload", () => {
  it("steady brings pods at its rate, and they live as long as it says on average", async () => {
    const stage = new RecordingStage({ nodes: 20, podLimit: 100 });
    const spec: WorkloadSpec = { pattern: "steady", podsPerNodeHour: 30, lifetimeSeconds: 600 };
    const { counts } = await played(stage, [spec], 5 * HOUR);
    expect(counts.run).toBeGreaterThan(3_000 * 0.93);
    expect(counts.run).toBeLessThan(3_000 * 1.07);
    const born = new Map(stage.of("run").map(({ pod, atMs }) => [pod?.uid, atMs]));
    const lives = stage.of("stop").map(({ pod, atMs }) => atMs - (born.get(pod?.uid) ?? 0));
    const meanSeconds = lives.reduce((sum, life) => sum + life, 0) / lives.length / 1_000;
    expect(meanSeconds).toBeGreaterThan(540);
    expect(meanSeconds).toBeLessThan(660);
    expect(stage.problems).toEqual([]);
  });

  it("bursts bring their pods within their seconds", async () => {
    const stage = new RecordingStage({ nodes: 10 });
    const spec: WorkloadSpec = {
      pattern: "bursts",
      everySeconds: 900,
      pods: 40,
      withinSeconds: 4,
      lifetimeSeconds: 30,
    };
    await played(stage, [spec], 3 * HOUR);
    const starts = stage.of("run").map(({ atMs }) => atMs);
    expect(starts.length).toBeGreaterThan(80);
    const first = starts.slice(0, 40);
    expect((first.at(-1) ?? 0) - (first[0] ?? 0)).toBeLessThanOrEqual(4_000);
    expect((first.at(-1) ?? 0) - (first[0] ?? 0)).toBeGreaterThanOrEqual(3_800);
  });

  it("cron brings a wave at its hour of each day, and all its jobs end", async () => {
    const stage = new RecordingStage({ nodes: 10 });
    const spec: WorkloadSpec = { pattern: "cron", atHour: 2, pods: 50, withinSeconds: 0, lifetimeSeconds: 60 };
    const { counts } = await played(stage, [spec], 49 * HOUR);
    const hours = new Set(stage.of("run").map(({ atMs }) => atMs / 3_600_000));
    expect([...hours]).toEqual([2, 26]);
    expect(counts).toMatchObject({ run: 100, stopped: 100, pending: 0 });
    const ends = stage.of("stop").map(({ atMs }) => (atMs % 3_600_000) / 1_000);
    expect(Math.min(...ends)).toBeGreaterThanOrEqual(30);
    expect(Math.max(...ends)).toBeLessThanOrEqual(90);
  });

  it("cron brings a wave every so many seconds", async () => {
    const stage = new RecordingStage({ nodes: 4 });
    await played(stage, [{ pattern: "cron", everySeconds: 600, pods: 8, withinSeconds: 0, lifetimeSeconds: 5 }], 1_900);
    expect([...new Set(stage.of("run").map(({ atMs }) => atMs / 1_000))]).toEqual([600, 1_200, 1_800]);
  });

  it("a rollout replaces every pod and never has more or fewer than surge and unavailability allow", async () => {
    const stage = new RecordingStage({ nodes: 10 });
    const spec: WorkloadSpec = {
      pattern: "rollout",
      replicas: 20,
      everySeconds: 1_000,
      maxSurge: 0.25,
      maxUnavailable: 0.1,
      podReadySeconds: 15,
    };
    const { counts } = await played(stage, [spec], 2_500);
    expect(counts).toMatchObject({ run: 60, stopped: 40, pending: 0 });
    let live = 0;
    const seen: number[] = [];
    for (const { kind, atMs } of stage.events) {
      live += kind === "run" ? 1 : -1;
      if (atMs > 0) seen.push(live);
    }
    expect(Math.max(...seen)).toBeLessThanOrEqual(25);
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(18);
    expect(stage.liveCount).toBe(20);
  });

  it("a rollout without surge and unavailability replaces one pod at a time", async () => {
    const stage = new RecordingStage({ nodes: 2 });
    const spec: WorkloadSpec = { pattern: "rollout", replicas: 3, everySeconds: 100, maxSurge: 0, maxUnavailable: 0 };
    const { counts } = await played(stage, [spec], 190);
    expect(counts).toMatchObject({ run: 6, stopped: 3 });
    expect(stage.liveCount).toBe(3);
  });

  it("a drain closes nodes, moves their pods elsewhere, and opens them again", async () => {
    const stage = new RecordingStage({ nodes: 6 });
    const specs: WorkloadSpec[] = [
      { pattern: "fill", podsPerNode: 5 },
      { pattern: "drain", everySeconds: 300, closedSeconds: 120 },
    ];
    const { counts } = await played(stage, specs, 2 * HOUR);
    expect(stage.of("close").length).toBeGreaterThan(10);
    expect(counts.evicted).toBeGreaterThan(20);
    expect(stage.liveCount).toBe(30);
    for (const { node, atMs } of stage.of("close")) {
      const reopened = stage.of("open").find((event) => event.node === node && event.atMs > atMs);
      expect(reopened === undefined || reopened.atMs === atMs + 120_000).toBe(true);
    }
    expect(stage.problems).toEqual([]);
  });

  it("a StatefulSet restarts from its last pod to its first, each under its name, some on other nodes", async () => {
    const stage = new RecordingStage({ nodes: 8 });
    const spec: WorkloadSpec = {
      pattern: "stateful",
      replicas: 5,
      everySeconds: 600,
      stepSeconds: 20,
      gapSeconds: 3,
      moveShare: 0.5,
    };
    await played(stage, [spec], 1_900);
    const names = [...new Set(stage.of("run").map(({ pod }) => pod?.name))];
    expect(names).toHaveLength(5);
    const firstRound = stage.of("stop").slice(0, 5);
    expect(firstRound.map(({ pod }) => pod?.name)).toEqual(names.toReversed());
    expect(firstRound.map(({ atMs }) => atMs / 1_000)).toEqual([600, 623, 646, 669, 692]);
    const returns = stage.of("run").slice(5);
    const moved = returns.filter(({ pod, node, atMs }) => {
      const before = stage.of("stop").findLast((stop) => stop.pod?.name === pod?.name && stop.atMs < atMs);
      return before?.node !== node;
    });
    expect(returns).toHaveLength(15);
    expect(moved.length).toBeGreaterThan(2);
    expect(moved.length).toBeLessThan(13);
    expect(new Set(stage.of("run").map(({ pod }) => pod?.uid)).size).toBe(20);
    expect(stage.problems).toEqual([]);
  });

  it("fill begins on each node as soon as it takes pods", async () => {
    const stage = new RecordingStage({ nodes: 3 });
    stage.down.add(1);
    stage.clock.after(30_500, () => stage.down.delete(1));
    await played(stage, [{ pattern: "fill", podsPerNode: 4 }], 60);
    const times = [0, 1, 2].map((node) =>
      stage
        .of("run")
        .filter((run) => run.node === node)
        .map(({ atMs }) => atMs),
    );
    expect(times).toEqual([
      [0, 0, 0, 0],
      [31_000, 31_000, 31_000, 31_000],
      [0, 0, 0, 0],
    ]);
  });

  it("a scale-up goes to the least filled nodes; what finds no place waits for one", async () => {
    const stage = new RecordingStage({ nodes: 5, podLimit: 10 });
    stage.down.add(4);
    stage.clock.after(100_000, () => stage.down.delete(4));
    const play = await played(stage, [{ pattern: "scale-up", pods: 45, atSeconds: 10, withinSeconds: 20 }], 90);
    expect(stage.live.map(({ size }) => size)).toEqual([10, 10, 10, 10, 0]);
    expect(play.counts).toMatchObject({ run: 40, pending: 5 });

    const later = new RecordingStage({ nodes: 5, podLimit: 10 });
    later.down.add(4);
    later.clock.after(100_000, () => later.down.delete(4));
    const longer = await played(later, [{ pattern: "scale-up", pods: 45, atSeconds: 10, withinSeconds: 20 }], 110);
    expect(later.live.map(({ size }) => size)).toEqual([10, 10, 10, 10, 5]);
    expect(longer.counts).toMatchObject({ run: 45, pending: 0 });
  });

  it("spreads evenly and packs tightly", async () => {
    const spreading = new RecordingStage({ nodes: 4, podLimit: 12 });
    await played(spreading, [{ pattern: "scale-up", pods: 24, atSeconds: 0, withinSeconds: 10 }], 60);
    expect(spreading.live.map(({ size }) => size)).toEqual([6, 6, 6, 6]);
    const packing = new RecordingStage({ nodes: 4, podLimit: 12 });
    const spec: WorkloadSpec = { pattern: "scale-up", pods: 24, atSeconds: 0, withinSeconds: 10, placement: "pack" };
    await played(packing, [spec], 60);
    expect(packing.live.map(({ size }) => size).toSorted((one, other) => one - other)).toEqual([0, 0, 12, 12]);
  });

  it("keeps to its own hours", async () => {
    const stage = new RecordingStage({ nodes: 4 });
    const spec: WorkloadSpec = {
      pattern: "steady",
      podsPerNodeHour: 200,
      lifetimeSeconds: 10,
      fromSeconds: 600,
      untilSeconds: 1_200,
    };
    await played(stage, [spec], HOUR);
    const starts = stage.of("run").map(({ atMs }) => atMs / 1_000);
    expect(starts.length).toBeGreaterThan(50);
    expect(Math.min(...starts)).toBeGreaterThanOrEqual(600);
    expect(Math.max(...starts)).toBeLessThanOrEqual(1_200);
  });

  it("does nothing more once it was stopped", async () => {
    const stage = new RecordingStage({ nodes: 4 });
    const play = await played(stage, [{ pattern: "steady", podsPerNodeHour: 100, lifetimeSeconds: 60 }], 0);
    expect(play.counts.run).toBe(0);
    const other = new RecordingStage({ nodes: 4 });
    other.clock.after(600_000, () => otherPlay.stop());
    const { playWorkload } = await import("../../src/simulator/workload/index.ts");
    const otherPlay = playWorkload(
      other,
      [{ pattern: "steady", podsPerNodeHour: 100, lifetimeSeconds: 60 }],
      other.clock.monotonicMs() + 3_600_000,
    );
    await other.clock.run(other.clock.nowMs() + 3_600_000);
    expect(other.events.length).toBeGreaterThan(50);
    expect(Math.max(...other.events.map(({ atMs }) => atMs))).toBeLessThanOrEqual(600_000);
  });
});
