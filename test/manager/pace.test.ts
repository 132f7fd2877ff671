import { describe, expect, it } from "vitest";
import { LIMITS, Manager } from "../../src/manager/index.ts";
import { FakeProvider } from "../support/fake-provider.ts";
import { seededRandom } from "../support/virtual-clock.ts";
import { ProcessClock, WorldClock } from "../support/world-clock.ts";
import { add, configuration, LabStore, range, startedLab } from "./harness.ts";

const MINUTE_MS = 60_000;
const THROTTLED = { class: "throttled", ec2Code: "RequestLimitExceeded", effect: "none" } as const;
const UNKNOWN = { class: "transient", ec2Code: "TimeoutError", effect: "unknown" } as const;

/** A manager whose clock counts the timers that fire. */
async function pacedLab(parts: Parameters<typeof configuration>[0] = {}) {
  const world = new WorldClock();
  const clock = new ProcessClock(world);
  const provider = new FakeProvider(world);
  const store = new LabStore(world);
  const telemetry = { event: () => {}, cloudCall: () => {}, served: () => {} };
  const manager = new Manager({ provider, store, clock, random: seededRandom(1), bootId: "boot-1", telemetry });
  const started = manager.start({ kind: "valid", configuration: configuration(parts) });
  await world.drain();
  await started;
  const firedIn = async (ms: number) => {
    const before = clock.fired;
    await world.advance(ms);
    return clock.fired - before;
  };
  return { world, provider, store, manager, firedIn };
}

describe("the loop", () => {
  it("of an idle node wakes at its heartbeat and for metadata, and for nothing else", async () => {
    const { firedIn } = await pacedLab();
    await firedIn(MINUTE_MS);
    expect(await firedIn(10 * MINUTE_MS)).toBeLessThan(10 * (2 + 4));
  });

  it("fills up a buffer that could wait at the moment it is due, not at the next heartbeat", async () => {
    const { world, provider, manager, firedIn } = await pacedLab();
    await firedIn(10 * MINUTE_MS);
    const calls = provider.mutations.length;
    void add(manager, 1);
    await world.advance(LIMITS.refillDelayMs + LIMITS.refillLongestMs);
    expect(provider.mutations.length).toBe(calls);
    await world.advance(2_000);
    expect(provider.mutations.length).toBe(calls + 1);
  });

  it("of a full node with pods that come in vain does not spin", async () => {
    const { world, manager, firedIn } = await pacedLab();
    for (const n of range(30)) void add(manager, n);
    await world.advance(MINUTE_MS);
    for (const n of range(5, 50)) void add(manager, n);
    expect(await firedIn(MINUTE_MS)).toBeLessThan(30);
  });

  it("of a node that EC2 throttles does not spin", async () => {
    const { provider, manager, firedIn } = await pacedLab({ ipam: { "pre-allocate": 1 } });
    await firedIn(10_000);
    for (let n = 0; n < 200; n++) provider.fail("add-blocks", THROTTLED);
    for (const n of range(3)) void add(manager, n);
    expect(await firedIn(10 * MINUTE_MS)).toBeLessThan(250);
  });

  it("of a node whose disk is full does not spin, with growth wanted and a step unsettled", async () => {
    const { world, provider, store, manager, firedIn } = await pacedLab({ ipam: { "pre-allocate": 1 } });
    await firedIn(10_000);
    for (const n of range(9)) void add(manager, n);
    await world.advance(300);
    store.full = true;
    const calls = provider.log.length;
    expect(await firedIn(10 * MINUTE_MS)).toBeLessThan(10 * 60 * 3);
    expect(provider.log.length - calls).toBeLessThan(20);
  });

  it("of a node with a step that cannot be settled does not spin", async () => {
    const { provider, manager, firedIn } = await pacedLab({ ipam: { "pre-allocate": 1 } });
    await firedIn(10_000);
    provider.fail("create-interface", UNKNOWN);
    for (let n = 0; n < 500; n++) provider.fail("settle", UNKNOWN);
    for (const n of range(10)) void add(manager, n);
    expect(await firedIn(30 * MINUTE_MS)).toBeLessThan(700);
    expect(provider.settled.length).toBeLessThan(60);
  });

  it("serves a burst that never pauses: a pod that waits gets its plan within the longest burst", async () => {
    const { world, provider, manager } = await pacedLab({ ipam: { "pre-allocate": 0 } });
    await world.advance(5_000);
    const calls = provider.mutations.length;
    for (const n of range(LIMITS.burstLongestMs / 10 + 1)) {
      void add(manager, n);
      await world.advance(10);
    }
    expect(provider.mutations.length).toBeGreaterThan(calls);
  });
});

describe("a success", () => {
  it("of a step that began before another one was throttled does not end the pause of that one", async () => {
    const { world, provider, manager } = await pacedLab({ ipam: { "pre-allocate": 1, "add-wait-seconds": 50 } });
    await world.advance(5_000);
    for (let n = 0; n < 4; n++) provider.fail("create-interface", THROTTLED);
    for (const n of range(12)) void add(manager, n);
    // The add and the create begin together; the create fails first, the add succeeds after it.
    await world.advance(900);
    const creates = () => provider.log.filter((line) => line === "create-interface failed").length;
    const soon = creates();
    await world.advance(900);
    expect(creates()).toBe(soon);
    await world.advance(MINUTE_MS);
    expect(manager.leases()).toHaveLength(12);
  });

  it("is not needed for what is over to leave the status: nothing wants to grow any more", async () => {
    const { world, provider, manager } = await pacedLab({ ipam: { "pre-allocate": 2 } });
    await world.advance(5_000);
    provider.fail("add-blocks", THROTTLED);
    void manager.setOverride("pre-allocate=3");
    await world.advance(1_000);
    expect(manager.status().degraded.map(({ name }) => name)).toEqual(["ec2-throttled"]);
    void manager.setOverride("pre-allocate=2");
    await world.advance(MINUTE_MS);
    expect(manager.status().degraded).toEqual([]);
  });
});

describe("a warm start with a start jitter", () => {
  const SPREAD = { eni: { "start-jitter-seconds": 600 }, ipam: { "pre-allocate": 4 } };

  async function restarted() {
    const lab = await startedLab(SPREAD);
    expect(await add(lab.running, 1)).toMatch(/^10\./);
    await lab.clock.advance(180_000);
    await lab.running.stop(0);
    lab.provider.log.splice(0);
    const again = lab.manager();
    await again.start({ kind: "valid", configuration: configuration(SPREAD) });
    return { ...lab, again };
  }

  it("serves at once, and asks EC2 at some moment of its window", async () => {
    const { clock, provider, again } = await restarted();
    expect(await add(again, 2)).toMatch(/^10\./);
    await clock.advance(10_000);
    expect(provider.log).toEqual([]);
    await clock.advance(620_000);
    expect(provider.log).toContain("observe cloud");
    expect(again.status()).toMatchObject({ ready: true, degraded: [] });
  });

  it("is over as soon as a pod waits for more than the state holds", async () => {
    const { clock, provider, again } = await restarted();
    const pods = Promise.all(range(8, 10).map((n) => add(again, n)));
    await clock.advance(15_000);
    expect((await pods).every((answer) => typeof answer === "string")).toBe(true);
    expect(provider.log).toContain("observe cloud");
  });

  it("begins at another moment each time", async () => {
    const { clock, provider, again, ...lab } = await restarted();
    let running = again;
    const moments = new Set<number>();
    for (let start = 0; start < 6; start++) {
      const startedAtMs = clock.nowMs();
      while (provider.log.length === 0) await clock.advance(5_000);
      moments.add(clock.nowMs() - startedAtMs);
      await clock.advance(60_000);
      await running.stop(0);
      provider.log.splice(0);
      running = lab.manager();
      await running.start({ kind: "valid", configuration: configuration(SPREAD) });
    }
    expect(moments.size).toBeGreaterThan(4);
  });
});
