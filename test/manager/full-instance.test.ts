import { describe, expect, it } from "vitest";
import { PRIMARY, SUBNET_A } from "../support/fake-provider.ts";
import { add, attachment, configuration, createLab, type Lab, range, startedLab } from "./harness.ts";

const MINUTE_MS = 60_000;
const STAYS = { "release-excess": false, "pre-allocate": 2 };
/** The last plan of an m5.large is made with all of its 27 addresses held. */
const SETTLE_MS = 30_000;

/** EC2 takes the address from its interface, whatever pod has it. */
function deny({ provider }: Lab, address: string): void {
  for (const one of provider.interfaces.values()) one.addresses = one.addresses.filter((other) => other !== address);
}

describe("a node that holds all that the instance can hold, but less than min-allocate asks for", () => {
  it("is ready when min-allocate is above the capacity", async () => {
    const { clock, running } = await startedLab({ ipam: { ...STAYS, "min-allocate": 40 } });
    await clock.advance(SETTLE_MS);
    expect(running.notReady()).toBeUndefined();
    expect(running.status()).toMatchObject({ ready: true, phase: "ready", pool: { total: 27 } });
  });

  it("is ready while an address that EC2 denied, and a pod still has, takes a slot", async () => {
    const lab = await startedLab({ ipam: { ...STAYS, "min-allocate": 27 } });
    const { clock, running } = lab;
    await clock.advance(SETTLE_MS);
    const address = String(await add(running, 1));
    deny(lab, address);
    await clock.advance(10 * MINUTE_MS);
    expect(running.status()).toMatchObject({ lost: [{ address }], capacity: 27 });
    expect(running.notReady()).toBeUndefined();
    expect(running.status().phase).toBe("ready");
    // Once its pod is gone the slot is filled again.
    await running.remove(attachment(1));
    await clock.advance(10 * MINUTE_MS);
    expect(running.status()).toMatchObject({ phase: "ready", pool: { total: 27 } });
  });

  it("is ready while single addresses fill the slots where prefixes are required and nothing is given back", async () => {
    const lab = await startedLab({ ipam: { ...STAYS, "min-allocate": 27 } });
    const { clock, running } = lab;
    await clock.advance(SETTLE_MS);
    const required = configuration({
      eni: { "prefix-delegation": "required" },
      ipam: { ...STAYS, "min-allocate": 100 },
    });
    await running.offerConfiguration({ kind: "valid", configuration: required });
    await clock.advance(10 * MINUTE_MS);
    expect(running.status()).toMatchObject({ capacity: 432, pool: { total: 27, prefixes: 0 } });
    expect(running.notReady()).toBeUndefined();
    const calls = lab.provider.mutations.length;
    await clock.advance(60 * MINUTE_MS);
    expect(lab.provider.mutations).toHaveLength(calls);
    expect(running.notReady()).toBeUndefined();
  });

  it("is ready again at once after a restart", async () => {
    const lab = await startedLab({ ipam: { ...STAYS, "min-allocate": 27 } });
    await lab.clock.advance(SETTLE_MS);
    const address = String(await add(lab.running, 1));
    deny(lab, address);
    await lab.clock.advance(10 * MINUTE_MS);
    await lab.running.stop(0);
    const again = lab.manager();
    await again.start({ kind: "valid", configuration: configuration({ ipam: { ...STAYS, "min-allocate": 27 } }) });
    await lab.clock.advance(SETTLE_MS);
    expect(again.notReady()).toBeUndefined();
  });
});

describe("a node that holds less than min-allocate asks for", () => {
  it("is not ready when it holds nothing at all, though the instance is full", async () => {
    const lab = createLab();
    const { limits } = lab.provider.facts;
    lab.provider.facts = { ...lab.provider.facts, limits: { ...limits, maxInterfaces: 1, ipv4PerInterface: 2 } };
    const running = lab.manager();
    const one = configuration({ ipam: { ...STAYS, "min-allocate": 1 } });
    await running.start({ kind: "valid", configuration: one });
    await lab.clock.advance(5_000);
    expect(running.notReady()).toBeUndefined();
    const address = String(await add(running, 1));
    deny(lab, address);
    await lab.clock.advance(10 * MINUTE_MS);
    expect(running.status().lost).toMatchObject([{ address }]);
    expect(running.notReady()).toMatchObject({ code: "ENID_NOT_READY" });
  });

  it("is not ready while the subnets are empty, for the instance has room", async () => {
    const lab = createLab();
    lab.provider.allowed = [SUBNET_A];
    lab.provider.freeInSubnets = 5;
    const running = lab.manager();
    await running.start({ kind: "valid", configuration: configuration({ ipam: { ...STAYS, "min-allocate": 40 } }) });
    await lab.clock.advance(3_000);
    lab.provider.freeInSubnets = 0;
    await lab.clock.advance(10 * MINUTE_MS);
    expect(running.status().pool.total).toBeGreaterThan(0);
    expect(running.notReady()).toMatchObject({ code: "ENID_NOT_READY" });
  });

  it("is not ready while the rest of what the instance can hold is on its way", async () => {
    const lab = createLab();
    lab.provider.callMs = 5_000;
    const running = lab.manager();
    await running.start({ kind: "valid", configuration: configuration({ ipam: { ...STAYS, "min-allocate": 40 } }) });
    const seen: [number, boolean][] = [];
    for (let second = 0; second < 60; second++) {
      await lab.clock.advance(1_000);
      seen.push([running.status().pool.total, running.notReady() === undefined]);
    }
    expect(seen.at(-1)).toEqual([27, true]);
    const totals = new Set(seen.map(([total]) => total));
    expect(totals.size).toBeGreaterThan(2);
    expect(seen.filter(([total, isReady]) => isReady && total < 27)).toEqual([]);
  });

  it("is not ready while EC2 throttles what would bring it", async () => {
    const lab = createLab();
    const throttled = { class: "throttled", ec2Code: "RequestLimitExceeded", effect: "none" } as const;
    for (let n = 0; n < 200; n++) lab.provider.fail("create-interface", throttled);
    const running = lab.manager();
    await running.start({ kind: "valid", configuration: configuration({ ipam: { ...STAYS, "min-allocate": 40 } }) });
    await lab.clock.advance(5 * MINUTE_MS);
    expect(lab.provider.interfaces.get(PRIMARY)?.addresses).toHaveLength(9);
    expect(running.notReady()).toMatchObject({ code: "ENID_NOT_READY" });
    lab.provider.failures.splice(0);
    await lab.clock.advance(5 * MINUTE_MS);
    expect(running.notReady()).toBeUndefined();
    expect(range(27)).toHaveLength(running.status().pool.total);
  });
});
