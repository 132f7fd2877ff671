import { describe, expect, it } from "vitest";
import { sleep } from "../../src/adapters/index.ts";
import type { EnidError } from "../../src/errors.ts";
import { LIMITS, type Manager } from "../../src/manager/index.ts";
import { type FakeProvider, PRIMARY, SUBNET_A } from "../support/fake-provider.ts";
import type { VirtualClock } from "../support/virtual-clock.ts";
import { add, attachment, configuration, createLab, range, startedLab } from "./harness.ts";

const UNKNOWN = { class: "transient", ec2Code: "TimeoutError", effect: "unknown" } as const;
const NO_RIGHT = { class: "unauthorized", ec2Code: "UnauthorizedOperation", effect: "unknown" } as const;
const STALE = { class: "limit", ec2Code: "PrivateIpAddressLimitExceeded", effect: "none" } as const;
const VALID = { kind: "valid", configuration: configuration() } as const;

/** ADD with the time it takes. */
async function addIn(clock: VirtualClock, manager: Manager, n: number): Promise<void> {
  const answer = add(manager, n);
  await clock.advance(3_000);
  expect(await answer).toMatch(/^10\./);
}

/** The addresses that the cloud has on the node. */
function truth(provider: FakeProvider): string[] {
  return [...provider.interfaces.values()].flatMap(({ addresses }) => addresses);
}

describe("a create whose outcome is unknown", () => {
  it("puts no pod on its interface before it is settled, so that undoing it takes no address from a pod", async () => {
    const { clock, provider, running } = await startedLab({ ipam: { "add-wait-seconds": 50 } });
    // As without ec2:ModifyNetworkInterfaceAttribute: made and attached, but it cannot be finished, only undone.
    provider.fail("create-interface", UNKNOWN, true);
    for (let n = 0; n < 6; n++) provider.fail("settle", NO_RIGHT);
    // The picture is stale, so EC2 is observed while the interface is there.
    provider.fail("add-blocks", STALE);
    const answers = range(12).map((n) => add(running, n));
    await clock.advance(60 * 60_000);
    expect(provider.log).toContain("settle create-interface undo");
    // Those that waited in vain are told; the runtime asks again.
    const served = (await Promise.all(answers)).filter((answer) => typeof answer === "string");
    expect(served.length).toBeGreaterThanOrEqual(8);
    for (const address of served) expect(truth(provider)).toContain(address);
    expect(await add(running, 50)).toMatch(/^10\./);
  });

  it("is undone, not finished, when its subnet is no longer allowed after a restart", async () => {
    const lab = await startedLab();
    const waiting = range(12).map((n) => add(lab.running, n));
    await lab.clock.advance(500);
    const made = [...lab.provider.interfaces.values()].find(({ attached }) => !attached);
    lab.provider.allowed = lab.provider.allowed.filter((id) => id !== made?.subnetId);
    const again = lab.manager();
    const changed = configuration({ eni: { "subnet-tags": { other: "1" } } });
    await again.start({ kind: "valid", configuration: changed });
    await lab.clock.advance(10_000);
    expect(lab.provider.log).not.toContain("settle create-interface finish");
    expect([...lab.provider.interfaces.keys()]).not.toContain(made?.id);
    expect(again.status().intents).toEqual([]);
    void Promise.allSettled(waiting);
  });

  it("is undone when its security groups are no longer the ones of the settings", async () => {
    const lab = await startedLab();
    const waiting = range(12).map((n) => add(lab.running, n));
    await lab.clock.advance(500);
    lab.provider.securityGroups = ["sg-2"];
    const again = lab.manager();
    const changed = configuration({ eni: { "security-groups": ["sg-00000002"] } });
    await again.start({ kind: "valid", configuration: changed });
    await lab.clock.advance(10_000);
    expect(lab.provider.log).toContain("settle create-interface undo");
    expect(lab.provider.log).not.toContain("settle create-interface finish");
    void Promise.allSettled(waiting);
  });

  it("goes on only from ids that are durable: one that the disk refused is not known", async () => {
    const { clock, provider, running, store } = await startedLab();
    const waiting = range(12).map((n) => add(running, n));
    await clock.advance(100);
    store.full = true;
    await clock.advance(1_500);
    store.full = false;
    await clock.advance(10_000);
    const [created] = provider.settled.filter(({ step }) => step.kind === "create-interface");
    expect(created).toBeDefined();
    expect(created?.interfaceId).toBeUndefined();
    expect(running.status().intents).toEqual([]);
    expect([...provider.interfaces.values()].every(({ attached }) => attached)).toBe(true);
    await Promise.all(waiting);
  });

  it("is not undone because the disk is full, and EC2 is not asked again and again meanwhile", async () => {
    const { clock, provider, running, store } = await startedLab();
    const waiting = range(12).map((n) => add(running, n));
    await clock.advance(100);
    store.full = true;
    const calls = provider.log.length;
    await clock.advance(50_000);
    expect(provider.log.length - calls).toBeLessThan(5);
    store.full = false;
    await clock.advance(10_000);
    expect(provider.log).not.toContain("settle create-interface undo");
    expect(running.status().intents).toEqual([]);
    expect(running.status().pool.total).toBe(truth(provider).length);
    await Promise.all(waiting);
  });

  it("ends when settling finds that nothing of it is left", async () => {
    const { clock, provider, running } = await startedLab();
    provider.fail("create-interface", UNKNOWN);
    const empty = { class: "subnet-exhausted", ec2Code: "InsufficientFreeAddressesInSubnet", effect: "none" } as const;
    provider.fail("settle", empty);
    const waiting = range(12).map((n) => add(running, n));
    await clock.advance(2_000);
    expect(provider.settled).toHaveLength(1);
    expect(running.status().subnets.some(({ blockedUntilMs }) => blockedUntilMs > 0)).toBe(true);
    expect(running.status().intents.filter(({ state }) => state === "unsettled")).toEqual([]);
    await clock.advance(30_000);
    await Promise.all(waiting);
  });

  it("leaves no degradation behind once it is settled", async () => {
    const { clock, provider, running } = await startedLab({ ipam: { "pre-allocate": 2 } });
    provider.fail("add-blocks", UNKNOWN, true);
    await add(running, 1);
    await clock.advance(10_000);
    expect(running.status()).toMatchObject({ intents: [], degraded: [], pool: { total: 3 } });
  });
});

describe("a step", () => {
  it("is not carried out when the settings forbid it by the time its intent is durable", async () => {
    const { clock, provider, running, store } = await startedLab();
    const commit = store.commit.bind(store);
    store.commit = async (changes) => {
      await sleep(clock, 5);
      await commit(changes);
    };
    provider.allowed = ["subnet-b"];
    const changed = configuration({ eni: { "subnet-tags": { other: "1" } }, ipam: { "pre-allocate": 20 } });
    for (const n of range(12)) void add(running, n);
    // The step is planned under the old settings while the new ones are on their way to the disk, ahead of its intent.
    await clock.advance(LIMITS.burstQuietMs - 3);
    const offered = running.offerConfiguration({ kind: "valid", configuration: changed });
    await clock.advance(30_000);
    await offered;
    const created = store.log.filter((change) => change.kind === "intent-put");
    expect(created.some(({ intent }) => intent.step.kind === "add-blocks")).toBe(true);
    expect(provider.log.filter((line) => line.startsWith("add-blocks"))).toEqual(["add-blocks 8"]);
    expect(running.status().intents).toEqual([]);
  });

  it("that removes a leaked interface takes nothing from the interface that has its addresses now", async () => {
    const { clock, events, provider, running } = await startedLab({ ipam: { "release-excess": false } });
    const leaked = { id: "eni-leaked", deviceIndex: -1, subnetId: SUBNET_A, attached: false, intentId: "lost" };
    provider.interfaces.set("eni-leaked", { ...leaked, addresses: ["10.0.9.9"] });
    provider.interfaces.get(PRIMARY)?.addresses.push("10.0.9.9");
    await clock.advance(3 * 3_600_000);
    expect([...provider.interfaces.keys()]).toEqual([PRIMARY]);
    expect(running.explain("10.0.9.9").answer).toBe("10.0.9.9 is free");
    expect(events.filter(({ name }) => name === "blocks-adopted")).toHaveLength(1);
    expect(running.status().pool.total).toBe(9);
  });

  it("whose provider never answers, not even when it is cancelled, is given up and settled", async () => {
    const { clock, provider, running } = await startedLab({ ipam: { "pre-allocate": 2 } });
    const execute = provider.execute.bind(provider);
    provider.execute = () => new Promise(() => {});
    await add(running, 1);
    await clock.advance(60_000);
    provider.execute = execute;
    expect(running.status().intents).toMatchObject([{ state: "running" }]);
    await clock.advance(10 * 60_000);
    expect(running.status()).toMatchObject({ intents: [], pool: { free: 2 } });
  });

  it("whose answer comes after it was given up changes nothing any more", async () => {
    const { clock, provider, running } = await startedLab({ ipam: { "pre-allocate": 2 } });
    const execute = provider.execute.bind(provider);
    let late: () => void = () => {};
    provider.execute = async () => {
      await new Promise<void>((resolve) => {
        late = resolve;
      });
      const added = ["10.0.77.7/32"];
      const primary = provider.interfaces.get(PRIMARY);
      if (primary === undefined) throw new Error("no primary");
      return { kind: "done", interface: provider.observed(primary), added };
    };
    await add(running, 1);
    await clock.advance(20_000);
    provider.execute = execute;
    await clock.advance(10 * 60_000);
    late();
    await clock.advance(1_000);
    expect(() => running.explain("10.0.77.7")).toThrow();
    expect(running.status()).toMatchObject({ intents: [], pool: { total: 3 } });
  });
});

describe("a step that cannot be settled", () => {
  it.each(["add-blocks", "create-interface"])(
    "(%s) holds back growth for a minute, then it goes on beside it",
    async (kind) => {
      const { clock, provider, running } = await startedLab({ ipam: { "pre-allocate": 1, "add-wait-seconds": 50 } });
      // The primary interface is full when a create is to be the one that hangs.
      for (const n of range(kind === "add-blocks" ? 1 : 8, 100)) await addIn(clock, running, n);
      provider.fail(kind, UNKNOWN);
      for (let n = 0; n < 500; n++) provider.fail("settle", UNKNOWN);
      const first = range(3).map((n) => add(running, n));
      await clock.advance(120_000);
      await Promise.all(first);
      const answers = range(6, 10).map((n) => add(running, n));
      await clock.advance(51_000);
      for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^10\./);
      expect(running.status().intents).toMatchObject([{ kind, state: "unsettled" }]);
      expect(provider.settled.length).toBeLessThan(20);
    },
  );
});

describe("a full disk", () => {
  it("holds back growth without spinning, tells the pod that waits why, and growth goes on when it is over", async () => {
    const lab = createLab();
    const running = lab.manager();
    await running.start(VALID);
    await lab.clock.advance(700);
    lab.store.full = true;
    const before = lab.events.length;
    const waiting = add(running, 1);
    await lab.clock.advance(25_000);
    expect(lab.events.length - before).toBeLessThan(40);
    expect(lab.provider.mutations).toEqual([]);
    const error = (await waiting) as EnidError;
    expect(error.message).toContain("the disk is full");
    lab.store.full = false;
    await lab.clock.advance(10_000);
    expect(running.status()).toMatchObject({ ready: true, degraded: [], pool: { total: 8 } });
    expect(await add(running, 2)).toMatch(/^10\./);
  });

  it("keeps what DEL and adoption wrote late in order", async () => {
    const { clock, running, store } = await startedLab({ ipam: { "pre-allocate": 2, "cooling-seconds": 0 } });
    await Promise.all(range(2).map((n) => add(running, n)));
    store.full = true;
    await Promise.all(range(2).map((n) => running.remove(attachment(n))));
    await clock.advance(5_000);
    store.full = false;
    await clock.advance(20_000);
    const answers = await Promise.all(range(2, 10).map((n) => add(running, n)));
    expect(
      store
        .load()
        .leases.map(({ address }) => address)
        .sort(),
    ).toEqual(answers.sort());
    expect(store.load().cooling).toEqual([]);
  });
});
