import { describe, expect, it } from "vitest";
import type { Observation } from "../../src/manager/index.ts";
import { PRIMARY } from "../support/fake-provider.ts";
import { add, attachment, type Lab, range, startedLab } from "./harness.ts";

const HOUR_MS = 3_600_000;

/** A node with 17 pods on two interfaces: the primary one is full, the other one has free slots. */
async function twoInterfaces() {
  const lab = await startedLab({ ipam: { "pre-allocate": 1 } });
  const answers = range(12).map((n) => add(lab.running, n));
  await lab.clock.advance(5_000);
  await Promise.all(answers);
  const second = [...lab.provider.interfaces.values()].find(({ id }) => id !== PRIMARY);
  const primary = lab.provider.interfaces.get(PRIMARY);
  if (second === undefined || primary === undefined) throw new Error("two interfaces were expected");
  return { ...lab, primary, second };
}

function names(lab: Pick<Lab, "events">): string[] {
  return lab.events.map(({ name }) => name);
}

describe("a leased address that came to another interface of the node", () => {
  it("stays denied where the pool has it, and takes its slot where it is", async () => {
    const lab = await twoInterfaces();
    const { clock, provider, running, primary, second } = lab;
    const [address = ""] = primary.addresses;
    primary.addresses = primary.addresses.filter((other) => other !== address);
    second.addresses.push(address);
    await clock.advance(2 * HOUR_MS);
    expect(running.status().degraded.map(({ name }) => name)).toEqual(["address-denied"]);
    expect(names(lab)).not.toContain("block-returned");
    // Filling up asks the other interface for no more than it really has slots for.
    await running.setOverride("pre-allocate=30");
    await clock.advance(60_000);
    expect(second.addresses.length).toBeLessThanOrEqual(9);
    expect(provider.interfaces.size).toBe(3);
  });

  it("joins the pool there once no pod has it any more", async () => {
    const { clock, running, primary, second } = await twoInterfaces();
    const [address = ""] = primary.addresses;
    const lease = running.leases().find((one) => one.address === address);
    primary.addresses = primary.addresses.filter((other) => other !== address);
    second.addresses.push(address);
    await clock.advance(2 * HOUR_MS);
    if (lease === undefined) throw new Error("it was leased");
    await running.remove(lease.attachment);
    await clock.advance(3 * HOUR_MS);
    expect(running.status().degraded).toEqual([]);
    expect(running.explain(address).address).toMatchObject({ state: "free", interfaceId: second.id });
  });
});

describe("an interface that somebody detached", () => {
  it("is kept for its leases, and forgotten and removed once they are over", async () => {
    const { clock, provider, running, second } = await twoInterfaces();
    second.attached = false;
    await clock.advance(2 * HOUR_MS);
    expect(running.leases()).toHaveLength(12);
    expect(running.status().interfaces.map(({ id }) => id)).toContain(second.id);
    for (const n of range(12)) await running.remove(attachment(n));
    await clock.advance(4 * HOUR_MS);
    expect(running.status().interfaces.map(({ id }) => id)).not.toContain(second.id);
    expect([...provider.interfaces.keys()]).not.toContain(second.id);
    expect(running.status().degraded).toEqual([]);
  });
});

describe("an observation", () => {
  it("of EC2 that is not complete does not count as having seen what the node holds", async () => {
    const lab = await startedLab();
    const { provider, clock } = lab;
    const observe = provider.observe.bind(provider);
    let partial = true;
    provider.observe = async (source): Promise<Observation> => {
      const whole = await observe(source);
      return partial && source === "cloud" ? { ...whole, complete: false, interfaces: [] } : whole;
    };
    const again = lab.manager("boot-2");
    const file = lab.running.status().configuration.file;
    expect(file).not.toBe("");
    await again.start({ kind: "none" });
    await clock.advance(60_000);
    expect(again.status().phase).toBe("starting");
    partial = false;
    await clock.advance(15_000);
    expect(again.status().phase).toBe("ready");
  });

  it("that fails is repeated with growing pauses, not faster than EC2 can bear", async () => {
    const { clock, provider, running } = await startedLab();
    const failure = { class: "throttled", ec2Code: "RequestLimitExceeded", effect: "none" } as const;
    for (let n = 0; n < 1_000; n++) provider.fail("observe cloud", failure);
    await clock.advance(2 * HOUR_MS);
    const tries = provider.log.filter((line) => line === "observe cloud").length;
    expect(tries).toBeGreaterThan(20);
    expect(tries).toBeLessThan(70);
    expect(running.status().degraded.map(({ name }) => name)).toEqual(["cloud-away"]);
  });

  it("of metadata that lags the attachment of a new interface asks EC2 nothing", async () => {
    const lab = await startedLab();
    const { clock, provider, running } = lab;
    const observe = provider.observe.bind(provider);
    provider.observe = async (source): Promise<Observation> => {
      const whole = await observe(source);
      if (source === "cloud") return whole;
      return { ...whole, interfaces: whole.interfaces.filter(({ id }) => id === PRIMARY) };
    };
    await clock.advance(55_000);
    const before = provider.log.filter((line) => line === "observe cloud").length;
    const answers = range(12).map((n) => add(running, n));
    await clock.advance(40_000);
    await Promise.all(answers);
    expect(provider.interfaces.size).toBeGreaterThan(1);
    expect(provider.log.filter((line) => line === "observe metadata").length).toBeGreaterThan(0);
    expect(provider.log.filter((line) => line === "observe cloud").length).toBe(before);
  });
});
