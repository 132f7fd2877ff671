import { beforeEach, describe, expect, it } from "vitest";
import { Dice, Scheduler } from "../../src/simulator/engine/index.ts";
import type { PodIdentity } from "../../src/simulator/workload/index.ts";
import type { FixedSetPlan } from "../../src/simulator/world/draw/fleet.ts";
import { FixedSet } from "../../src/simulator/world/fleet/stateful.ts";

const PLAN: FixedSetPlan = {
  ...{ namespace: "fixed", name: "db", replicas: 3, restEveryMs: 60_000, stepMs: 1_000, gapMs: 500 },
  ...{ moveShare: 0, evictMs: [10_000, 10_000], keepSeconds: 0 },
};

let scheduler: Scheduler;
let machines: { instanceId: string; on: boolean; reachable: boolean; pods: Map<string, PodIdentity> }[];
let set: FixedSet;
/** Names that ran twice at one moment, and what was told to kubelets. */
let most: number;
let stops: string[];

beforeEach(() => {
  scheduler = new Scheduler({ startMs: 0, dice: new Dice(1) });
  machines = [1, 2, 3].map((number) => ({ instanceId: `i-${number}`, on: true, reachable: true, pods: new Map() }));
  most = 0;
  stops = [];
});

function start(more: Partial<FixedSetPlan> = {}): void {
  const stage = {
    scheduler,
    machines: machines as never,
    canTake: (node: number) => machines[node]?.on === true,
    run: (node: number, pod: PodIdentity) => {
      machines[node]?.pods.set(pod.uid, pod);
      scheduler.after(100, () => set.addressed(pod.uid));
      const names = machines.flatMap(({ pods }) => [...pods.values()].map(({ name }) => name));
      most = Math.max(most, names.filter((name) => name === pod.name).length);
    },
    stop: (node: number, pod: PodIdentity) => {
      stops.push(`${pod.name} on ${node + 1}`);
      const { pods } = machines[node] as (typeof machines)[number];
      if (!pods.has(pod.uid)) return false;
      scheduler.after(200, () => {
        pods.delete(pod.uid);
        set.gone(pod.uid);
      });
      return true;
    },
    log: () => undefined,
  };
  set = new FixedSet({ ...PLAN, ...more }, stage, new Dice(7));
}

const run = (ms: number) => scheduler.run(scheduler.nowMs() + ms);
const nodes = () => set.pods().map((pod) => (pod === undefined ? "-" : pod.node + 1));
const uids = () => set.pods().map((pod) => pod?.identity.uid);

describe("a StatefulSet", () => {
  it("runs its pods, and restarts them from the last to the first, each where it was", async () => {
    start();
    await run(5_000);
    const [before, first] = [nodes(), uids()];
    expect(before).not.toContain("-");
    expect(set.unrest()).toEqual([]);
    await run(90_000);
    expect(nodes()).toEqual(before);
    expect(uids().filter((uid) => first.includes(uid))).toEqual([]);
    expect(stops.slice(0, 3).map((text) => text.slice(0, 4))).toEqual(["db-2", "db-1", "db-0"]);
    expect(most).toBe(1);
  });

  it("moves them, and never has two of a name", async () => {
    start({ moveShare: 1 });
    await run(5_000);
    const before = nodes();
    await run(90_000);
    expect(nodes().filter((node, ordinal) => node === before[ordinal])).toEqual([]);
    expect(most).toBe(1);
  });

  it("begins no restart once it is stopped, and brings back what is away", async () => {
    start();
    await run(62_000);
    set.stop();
    await run(10_000);
    expect(set.unrest()).toEqual([]);
    const before = uids();
    await run(200_000);
    expect(uids()).toEqual(before);
  });

  it("makes the pods of a dead node elsewhere, and tells its kubelet that they are over", async () => {
    start();
    await run(5_000);
    const lost = set.pods()[0];
    const machine = machines[lost?.node ?? 0] as (typeof machines)[number];
    machine.on = false;
    await run(9_000);
    expect(set.pods()[0]).toBe(lost);
    await run(9_000);
    expect(set.pods()[0]?.node).not.toBe(lost?.node);
    expect(stops).toContain(`db-0 on ${(lost?.node ?? 0) + 1}`);
    expect(most).toBe(1);
  });

  it("gives up the pods of a node that is cut off: they run on, abandoned, until it is back", async () => {
    start();
    await run(5_000);
    const lost = set.pods()[0];
    const uid = lost?.identity.uid ?? "";
    const machine = machines[lost?.node ?? 0] as (typeof machines)[number];
    machine.reachable = false;
    await run(20_000);
    expect(set.isAbandoned(uid)).toBe(true);
    expect(machine.pods.has(uid)).toBe(true);
    expect(set.unrest()).toEqual([]);
    expect(most).toBe(2);
    machine.reachable = true;
    await run(5_000);
    expect(machine.pods.has(uid)).toBe(false);
    expect(set.isAbandoned(uid)).toBe(false);
  });

  it("knows that the pods of another instance are nowhere", async () => {
    start();
    await run(5_000);
    const lost = set.pods()[0];
    const machine = machines[lost?.node ?? 0] as (typeof machines)[number];
    machine.on = false;
    machine.pods.clear();
    await run(2_500);
    machine.on = true;
    machine.instanceId = "i-new";
    await run(20_000);
    expect(set.pods()[0]?.identity.uid).not.toBe(lost?.identity.uid);
    expect(set.isAbandoned(lost?.identity.uid ?? "")).toBe(false);
    expect(set.unrest()).toEqual([]);
  });
});
