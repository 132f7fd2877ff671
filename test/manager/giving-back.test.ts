import { describe, expect, it } from "vitest";
import type { Manager } from "../../src/manager/index.ts";
import { PRIMARY } from "../support/fake-provider.ts";
import { add, attachment, configuration, createLab, type Lab, range, startedLab } from "./harness.ts";

const MINUTE_MS = 60_000;
const QUIET = { "release-delay-seconds": 180, "cooling-seconds": 30 };

/** Pods come, and go again after a minute. */
async function comeAndGo({ clock }: Lab, running: Manager, count: number): Promise<void> {
  const added = Promise.all(range(count).map((n) => add(running, n)));
  await clock.advance(30_000);
  expect((await added).filter((answer) => typeof answer !== "string")).toEqual([]);
  await clock.advance(30_000);
  for (const n of range(count)) void running.remove(attachment(n));
  await clock.advance(1_000);
}

describe("addresses beyond the watermarks", () => {
  it("are given back after the quiet time, in one call, and not before", async () => {
    const lab = await startedLab({ ipam: { ...QUIET, "pre-allocate": 2 } });
    await comeAndGo(lab, lab.running, 7);
    expect(lab.running.status().pool).toMatchObject({ total: 9, excess: 0, cooling: 7 });
    await lab.clock.advance(31_000);
    expect(lab.running.status().pool).toMatchObject({ total: 9, excess: 7 });
    const releasableAtMs = lab.running.status().pool.releasableAtMs ?? 0;
    await lab.clock.advance(120_000);
    expect(lab.provider.mutations.filter((line) => line.startsWith("release"))).toEqual([]);
    await lab.clock.advance(releasableAtMs - lab.clock.nowMs() + 2_000);
    expect(lab.provider.mutations.filter((line) => line.startsWith("release"))).toEqual(["release-blocks 7"]);
    expect(lab.running.status()).toMatchObject({ pool: { total: 2, releasing: 0 }, givenBack: { addresses: 7 } });
    const calls = lab.provider.mutations.length;
    await lab.clock.advance(60 * MINUTE_MS);
    expect(lab.provider.mutations).toHaveLength(calls);
  });

  it("stay when release-excess is off", async () => {
    const lab = await startedLab({ ipam: { ...QUIET, "pre-allocate": 2, "release-excess": false } });
    await comeAndGo(lab, lab.running, 7);
    await lab.clock.advance(3 * 60 * MINUTE_MS);
    expect(lab.running.status().pool).toMatchObject({ total: 9, excess: 7 });
    expect(lab.running.status().pool.releasableAtMs).toBeUndefined();
  });

  it("never fall below min-allocate", async () => {
    const lab = await startedLab({ ipam: { ...QUIET, "pre-allocate": 1, "min-allocate": 6 } });
    await comeAndGo(lab, lab.running, 8);
    await lab.clock.advance(10 * MINUTE_MS);
    expect(lab.running.status().pool.total).toBe(6);
  });

  it("go with their interface, which is removed once nothing was leased on it for the idle time", async () => {
    const lab = await startedLab({ ipam: QUIET, eni: { "interface-idle-seconds": 600 } });
    await comeAndGo(lab, lab.running, 15);
    expect(lab.provider.interfaces.size).toBe(3);
    await lab.clock.advance(8 * MINUTE_MS);
    expect(lab.provider.mutations.filter((line) => line.startsWith("remove"))).toEqual([]);
    await lab.clock.advance(15 * MINUTE_MS);
    expect([...lab.provider.interfaces.keys()]).toEqual([PRIMARY]);
    expect(lab.running.status()).toMatchObject({ interfaces: [{ id: PRIMARY }], pool: { total: 8 }, intents: [] });
    await lab.clock.advance(60 * MINUTE_MS);
    expect(lab.running.status()).toMatchObject({ pool: { total: 8, excess: 0 }, degraded: [] });
  });

  it("are given back although an allowed subnet is empty (AliyunContainerService/terway#100)", async () => {
    const lab = await startedLab({ ipam: { ...QUIET, "pre-allocate": 2 } });
    await comeAndGo(lab, lab.running, 7);
    lab.provider.freeInSubnets = 0;
    await lab.clock.advance(10 * MINUTE_MS);
    expect(lab.running.status().pool.total).toBe(2);
  });

  it("stay while EC2 is sick, for giving back is what a sick cloud is spared first", async () => {
    const lab = await startedLab({ ipam: { ...QUIET, "pre-allocate": 2, "max-allocate": 9 } });
    await comeAndGo(lab, lab.running, 9);
    for (let n = 0; n < 100; n++) {
      const throttled = { class: "throttled", ec2Code: "RequestLimitExceeded", effect: "none" } as const;
      lab.provider.fail("release-blocks", throttled);
    }
    await lab.clock.advance(20 * MINUTE_MS);
    const tries = lab.provider.mutations.length;
    expect(lab.running.status()).toMatchObject({ pool: { total: 9, releasing: 0, free: 9 } });
    // Each failure doubles the pause, and what was to go serves pods meanwhile.
    expect(tries).toBeLessThan(40);
    expect(await add(lab.running, 50)).toMatch(/^10\./);
    lab.provider.failures.splice(0);
    await lab.clock.advance(20 * MINUTE_MS);
    expect(lab.running.status().pool.total).toBe(3);
  });

  it("whose giving back is not permitted stay, and growth goes on as if nothing were", async () => {
    const lab = await startedLab({ ipam: { ...QUIET, "pre-allocate": 2 } });
    await comeAndGo(lab, lab.running, 6);
    const denied = { class: "unauthorized", ec2Code: "UnauthorizedOperation", effect: "none" } as const;
    for (let n = 0; n < 100; n++) lab.provider.fail("release-blocks", denied);
    await lab.clock.advance(60 * MINUTE_MS);
    expect(lab.running.status().degraded).toMatchObject([{ name: "giving-back-failing" }]);
    expect(lab.provider.mutations.filter((line) => line.startsWith("release")).length).toBeLessThan(15);
    expect(lab.events.filter(({ name }) => name === "degraded")).toHaveLength(1);
    const more = Promise.all(range(12, 20).map((n) => add(lab.running, n)));
    await lab.clock.advance(10_000);
    expect((await more).every((answer) => typeof answer === "string")).toBe(true);
  });

  it("that failed to go are no failure any more once nothing of them could go", async () => {
    const parts = { ipam: { ...QUIET, "pre-allocate": 1 }, eni: { "prefix-delegation": "required" } };
    const lab = await startedLab(parts);
    const added = Promise.all(range(20).map((n) => add(lab.running, n)));
    await lab.clock.advance(10_000);
    await added;
    const busy = { class: "transient", ec2Code: "InternalError", effect: "none" } as const;
    lab.provider.fail("release-blocks", busy);
    for (const n of range(20)) void lab.running.remove(attachment(n));
    const isFailing = () => lab.running.status().degraded.some(({ name }) => name === "giving-back-failing");
    for (let tries = 0; tries < 40 && !isFailing(); tries++) await lab.clock.advance(10_000);
    expect(isFailing()).toBe(true);
    // Both prefixes are needed again, though most of the second one is beyond the watermarks.
    const again = Promise.all(range(17, 100).map((n) => add(lab.running, n)));
    await lab.clock.advance(60 * MINUTE_MS);
    expect((await again).every((answer) => typeof answer === "string")).toBe(true);
    expect(lab.running.status()).toMatchObject({ pool: { total: 32, excess: 14 }, degraded: [] });
  });

  it("that were leased again in the quiet time are not given back", async () => {
    const lab = await startedLab({ ipam: { ...QUIET, "pre-allocate": 2 } });
    await comeAndGo(lab, lab.running, 7);
    await lab.clock.advance(120_000);
    for (const n of range(7, 100)) expect(await add(lab.running, n)).toMatch(/^10\./);
    await lab.clock.advance(30 * MINUTE_MS);
    expect(lab.provider.mutations.filter((line) => line.startsWith("release"))).toEqual([]);
  });

  it("go on a node where pods come and go all the time as well, those that nobody needed", async () => {
    const lab = await startedLab({ ipam: { ...QUIET, "pre-allocate": 1, "release-delay-seconds": 60 } });
    await comeAndGo(lab, lab.running, 8);
    for (let minute = 0; minute < 20; minute++) {
      void add(lab.running, 200 + minute);
      await lab.clock.advance(20_000);
      void lab.running.remove(attachment(200 + minute));
      await lab.clock.advance(25_000);
    }
    expect(lab.running.status().pool.total).toBeLessThanOrEqual(4);
    expect(lab.provider.mutations.filter((line) => line.startsWith("release")).length).toBeLessThanOrEqual(4);
  });

  it("being given back when the process dies are given to no pod by the next one, and are settled", async () => {
    const lab = await startedLab({ ipam: { ...QUIET, "pre-allocate": 2 } });
    await comeAndGo(lab, lab.running, 7);
    lab.provider.callMs = 60_000;
    for (let tries = 0; tries < 40 && lab.store.load().intents.length === 0; tries++) await lab.clock.advance(10_000);
    expect(lab.store.load().intents).toMatchObject([{ step: { kind: "release-blocks" } }]);
    lab.provider.callMs = 300;
    const again = lab.manager();
    await again.start({ kind: "valid", configuration: configuration({ ipam: { ...QUIET, "pre-allocate": 2 } }) });
    expect(again.status().pool).toMatchObject({ total: 9, releasing: 7, free: 2 });
    await lab.clock.advance(2 * MINUTE_MS);
    expect(again.status()).toMatchObject({ intents: [], pool: { total: 2, releasing: 0 } });
  });

  it("that EC2 gives to another interface before it says that it has them join the pool there", async () => {
    const lab = await startedLab({ ipam: { ...QUIET, "cooling-seconds": 1 }, eni: { "interface-idle-seconds": 0 } });
    const { provider, running, clock } = lab;
    await comeAndGo(lab, running, 12);
    const execute = provider.execute.bind(provider);
    const recycled: string[] = [];
    provider.execute = async (intent, progress) => {
      const { step } = intent;
      if (step.kind !== "remove-interface") return execute(intent, progress);
      recycled.push(...(provider.interfaces.get(step.interfaceId)?.addresses ?? []));
      const outcome = await execute(intent, progress);
      await new Promise<void>((resolve) => clock.after(30_000, resolve));
      return outcome;
    };
    const fresh = provider.addresses.bind(provider);
    provider.addresses = (count) =>
      [...recycled.splice(0, count), ...fresh(Math.max(0, count - recycled.length))].slice(0, count);
    for (let tries = 0; tries < 60 && recycled.length === 0; tries++) await clock.advance(10_000);
    expect(recycled.length).toBeGreaterThan(0);
    const pods = range(12, 100).map((n) => add(running, n));
    await clock.advance(90_000);
    await Promise.all(pods);
    await clock.advance(60_000);
    expect(provider.mutations.filter((line) => line.startsWith("create-interface")).length).toBeGreaterThan(1);
    const truth = new Map([...provider.interfaces.values()].map(({ id, addresses }) => [id, addresses.length]));
    expect(new Map(running.status().interfaces.map(({ id, counts }) => [id, counts.total]))).toEqual(truth);
    const stored = lab.store.load().blocks;
    for (const [id, count] of truth) expect(stored.filter(({ interfaceId }) => interfaceId === id)).toHaveLength(count);
  });

  it("do not come back by an observation that lags", async () => {
    const lab = await startedLab({ ipam: { ...QUIET, "pre-allocate": 2 } });
    await comeAndGo(lab, lab.running, 7);
    const before = [...(lab.provider.interfaces.get(PRIMARY)?.addresses ?? [])];
    await lab.clock.advance(5 * MINUTE_MS);
    expect(lab.running.status().pool.total).toBe(2);
    // EC2 still shows what it had; the next look comes because metadata denies something else.
    const primary = lab.provider.interfaces.get(PRIMARY);
    if (primary === undefined) throw new Error("no primary");
    const kept = primary.addresses;
    primary.addresses = before;
    lab.running.status();
    await lab.clock.advance(20_000);
    primary.addresses = kept;
    await lab.clock.advance(3 * 60 * MINUTE_MS);
    expect(lab.running.status().pool.total).toBe(2);
    expect(lab.events.filter(({ name }) => name === "blocks-adopted")).toEqual([]);
  });
});

describe("the groups of the primary interface", () => {
  it("are followed by the interfaces that enid made, when the settings name none", async () => {
    const lab = await startedLab();
    const added = range(17).map((n) => add(lab.running, n));
    await lab.clock.advance(3 * MINUTE_MS);
    await Promise.all(added);
    lab.provider.securityGroups = ["sg-7"];
    const primary = lab.provider.interfaces.get(PRIMARY);
    if (primary !== undefined) primary.securityGroups = ["sg-7"];
    await lab.clock.advance(5 * MINUTE_MS);
    const groups = [...lab.provider.interfaces.values()].map(({ securityGroups }) => securityGroups);
    expect(new Set(groups.flat())).toEqual(new Set(["sg-7"]));
    const changes = lab.provider.mutations.filter((line) => line === "set-security-groups");
    expect(changes).toHaveLength(lab.provider.interfaces.size - 1);
    await lab.clock.advance(60 * MINUTE_MS);
    expect(lab.provider.mutations.filter((line) => line === "set-security-groups")).toEqual(changes);
  });

  it("are followed also when an earlier change can never be settled, because its group is no more", async () => {
    const lab = await startedLab();
    const added = range(17).map((n) => add(lab.running, n));
    await lab.clock.advance(3 * MINUTE_MS);
    await Promise.all(added);
    const { provider } = lab;
    const primary = provider.interfaces.get(PRIMARY);
    const regroup = (group: string) => {
      provider.securityGroups = [group];
      if (primary !== undefined) primary.securityGroups = [group];
    };
    const noGroup = { class: "configuration", ec2Code: "InvalidGroup.NotFound", effect: "unknown" } as const;
    for (let n = 0; n < 3; n++) provider.fail("set-security-groups", noGroup);
    for (let n = 0; n < 500; n++) provider.fail("settle", noGroup);
    regroup("sg-gone");
    await lab.clock.advance(2 * MINUTE_MS);
    expect(lab.running.status().intents.map(({ state }) => state)).toEqual(["unsettled", "unsettled"]);
    provider.failures.splice(
      0,
      provider.failures.findIndex(({ kind }) => kind === "settle"),
    );
    regroup("sg-8");
    await lab.clock.advance(90 * MINUTE_MS);
    const groups = [...provider.interfaces.values()].map(({ securityGroups }) => securityGroups);
    expect(new Set(groups.flat())).toEqual(new Set(["sg-8"]));
    expect(lab.running.status()).toMatchObject({ intents: [], degraded: [] });
  });

  it("are not, when the settings name others", async () => {
    const lab = await startedLab({ eni: { "security-groups": ["sg-00000009"] } });
    const added = range(12).map((n) => add(lab.running, n));
    await lab.clock.advance(10_000);
    await Promise.all(added);
    const primary = lab.provider.interfaces.get(PRIMARY);
    if (primary !== undefined) primary.securityGroups = ["sg-7"];
    await lab.clock.advance(60 * MINUTE_MS);
    expect(lab.provider.mutations.filter((line) => line === "set-security-groups")).toEqual([]);
  });
});

describe("leftovers of the cluster", () => {
  const HOUR_MS = 60 * MINUTE_MS;

  async function clusterLab(clusterName = "prod") {
    const lab = createLab();
    const running = lab.manager();
    await running.start({ kind: "valid", configuration: configuration({ eni: { "cluster-name": clusterName } }) });
    await lab.clock.advance(3_000);
    const old = { instanceId: "i-gone", createdAtMs: lab.clock.nowMs() - 24 * HOUR_MS };
    return { ...lab, running, old };
  }

  const removals = (lab: Lab) => lab.provider.mutations.filter((line) => line.startsWith("remove"));

  it("are removed once they are old and were seen twice", async () => {
    const lab = await clusterLab();
    lab.provider.cluster = [{ id: "eni-left", ...lab.old }];
    await lab.clock.advance(5 * HOUR_MS);
    expect(removals(lab)).toHaveLength(1);
    expect(lab.provider.cluster).toEqual([]);
    expect(lab.events.filter(({ name }) => name === "leftover-removed")).toHaveLength(1);
  });

  it("stay when they were attached or made anew in between, and when they are young", async () => {
    const lab = await clusterLab();
    const looks = () => lab.provider.log.filter((line) => line.startsWith("leftovers")).length;
    for (let hour = 0; hour < 40; hour++) {
      const young = { id: `eni-${hour}`, instanceId: "i-2", createdAtMs: lab.clock.nowMs() };
      lab.provider.cluster = [young];
      await lab.clock.advance(HOUR_MS / 2);
    }
    expect(looks()).toBeGreaterThan(10);
    expect(looks()).toBeLessThan(42);
    expect(removals(lab)).toEqual([]);
  });

  it("are left when somebody attached them while it was in doubt whether they were deleted", async () => {
    const lab = await clusterLab();
    lab.provider.cluster = [{ id: "eni-left", ...lab.old }];
    const unknown = { class: "transient", ec2Code: "TimeoutError", effect: "unknown" } as const;
    const inUse = { class: "gone", ec2Code: "InvalidNetworkInterface.InUse", effect: "unknown" } as const;
    lab.provider.fail("remove-interface", unknown);
    for (let n = 0; n < 500; n++) lab.provider.fail("settle", inUse);
    for (let hour = 0; hour < 10 && removals(lab).length === 0; hour++) await lab.clock.advance(HOUR_MS / 2);
    expect(removals(lab)).toHaveLength(1);
    lab.provider.cluster = [];
    await lab.clock.advance(HOUR_MS);
    expect(lab.running.status()).toMatchObject({ intents: [], degraded: [] });
  });

  it("of the node itself are left to its own observations, and none is looked for without a cluster name", async () => {
    const lab = await clusterLab();
    lab.provider.cluster = [{ id: "eni-own", ...lab.old, instanceId: "i-1" }];
    await lab.clock.advance(10 * HOUR_MS);
    expect(removals(lab)).toEqual([]);
    const unnamed = await clusterLab("");
    await unnamed.clock.advance(10 * HOUR_MS);
    expect(unnamed.provider.log.filter((line) => line.startsWith("leftovers"))).toEqual([]);
  });
});
