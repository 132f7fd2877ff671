import { describe, expect, it } from "vitest";
import type { Intent } from "../../src/manager/index.ts";
import { PRIMARY } from "../support/fake-provider.ts";
import { add, attachment, configuration, range, startedLab } from "./harness.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const UNKNOWN = { class: "transient", ec2Code: "TimeoutError", effect: "unknown" } as const;

describe("a block in use that EC2 denied", () => {
  it("is no alarm any more once it is given back with others", async () => {
    const { clock, provider, running } = await startedLab({
      ipam: { "pre-allocate": 1, "release-delay-seconds": 0, "cooling-seconds": 1 },
    });
    const answers = range(4).map((n) => add(running, n));
    await clock.advance(10_000);
    const [address] = await Promise.all(answers);
    const primary = provider.interfaces.get(PRIMARY);
    if (primary === undefined) throw new Error("no primary");
    primary.addresses = primary.addresses.filter((other) => other !== address);
    await clock.advance(5 * MINUTE_MS);
    expect(running.status().degraded).toMatchObject([{ name: "address-denied" }]);
    for (const n of range(4)) void running.remove(attachment(n));
    await clock.advance(5 * MINUTE_MS);
    expect(running.explain(String(address)).address).toBeUndefined();
    expect(running.status().degraded).toEqual([]);
  });

  it("is usable again when its interface is attached again, also a primary address", async () => {
    const lab = await startedLab({
      ipam: { "pre-allocate": 1, "release-excess": false },
      eni: { "use-primary-address": true },
    });
    const { clock, provider, running } = lab;
    const answers = range(12).map((n) => add(running, n));
    await clock.advance(10_000);
    await Promise.all(answers);
    const second = [...provider.interfaces.values()].find(({ id }) => id !== PRIMARY);
    const lease = running.leases().find(({ address }) => address === "10.0.0.9");
    if (second === undefined || lease === undefined) throw new Error("a pod with a primary address was expected");
    second.attached = false;
    await clock.advance(2 * HOUR_MS);
    expect(running.status().degraded).toMatchObject([{ name: "address-denied" }]);
    second.attached = true;
    await clock.advance(2 * HOUR_MS);
    expect(running.status().degraded).toEqual([]);
    await running.remove(lease.attachment);
    await clock.advance(MINUTE_MS);
    expect(running.explain("10.0.0.9").answer).toBe("10.0.0.9 is free");
  });
});

describe("a prefix in use that EC2 denied", () => {
  it("gives no pod another of its addresses after a restart either", async () => {
    const parts = {
      eni: { "prefix-delegation": "required", "start-jitter-seconds": 0 },
      ipam: { "pre-allocate": 1, "max-allocate": 16 },
    };
    const lab = await startedLab(parts);
    const address = String(await add(lab.running, 1));
    const primary = lab.provider.interfaces.get(PRIMARY);
    if (primary === undefined) throw new Error("no primary");
    const [prefix] = primary.prefixes ?? [];
    primary.prefixes = [];
    await lab.clock.advance(5 * MINUTE_MS);
    expect(lab.running.status().lost).toMatchObject([{ address }]);
    await lab.running.stop(0);
    const again = lab.manager();
    await again.start({ kind: "valid", configuration: configuration(parts) });
    expect(again.leases()).toMatchObject([{ address }]);
    // The pool has fifteen free addresses of the prefix, and none of them is the node's to give.
    const answer = add(again, 2);
    await lab.clock.advance(25_000);
    const other = String(await answer);
    const lastOctets = [prefix, address, other].map((text = "") => Number(text.replace(/\/.*/, "").split(".").at(-1)));
    const [first = 0, held = 0, given = 0] = lastOctets;
    expect(held - first).toBeLessThan(16);
    expect(given - first).toBeGreaterThanOrEqual(16);
    if (prefix !== undefined) primary.prefixes.push(prefix);
    await lab.clock.advance(3 * MINUTE_MS);
    expect(again.status().lost).toBeUndefined();
    expect(await add(again, 3)).toMatch(/^10\.1\./);
    expect(lab.store.load().blocks.every(({ lost }) => lost === undefined)).toBe(true);
  });
});

describe("a block that a step found at the start gives back while it cools", () => {
  it("is given to no pod when an observation shows it and its cooling ends before the step is settled", async () => {
    const lab = await startedLab({ ipam: { "pre-allocate": 1, "cooling-seconds": 30 } });
    const address = String(await add(lab.running, 1));
    await lab.clock.advance(5_000);
    void lab.running.remove(attachment(1));
    await lab.clock.advance(1_000);
    // The wall clock went back, say: the end of the cooling is in the state no more, the step that followed it is.
    const step = {
      kind: "release-blocks",
      interfaceId: PRIMARY,
      cidrs: [`${address}/32`],
      reason: "test",
    } as const;
    const intent: Intent = {
      id: "of-before",
      step,
      openedAtMs: lab.clock.nowMs(),
      before: [],
      securityGroups: [],
      deleteOnTermination: true,
    };
    void lab.running.stop(0);
    await lab.clock.advance(2_000);
    await lab.store.commit([{ kind: "intent-put", intent }]);
    for (let n = 0; n < 500; n++) lab.provider.fail("settle", UNKNOWN);
    const again = lab.manager();
    await again.start({
      kind: "valid",
      configuration: configuration({ ipam: { "pre-allocate": 1, "cooling-seconds": 30 } }),
    });
    await lab.clock.advance(5 * MINUTE_MS);
    expect(again.explain(address).address).toMatchObject({ state: "free", interfaceId: PRIMARY });
    const answers = range(6, 10).map((n) => add(again, n));
    await lab.clock.advance(30_000);
    expect(await Promise.all(answers)).not.toContain(address);
    lab.provider.failures.splice(0);
    await lab.clock.advance(5 * MINUTE_MS);
    expect(again.status().intents).toEqual([]);
    expect(lab.provider.interfaces.get(PRIMARY)?.addresses).not.toContain(address);
  });
});

describe("a block that somebody put on an interface that may carry no pods any more", () => {
  it("does not keep the idle interface for ever", async () => {
    const parts = {
      ipam: { "pre-allocate": 1, "cooling-seconds": 5 },
      eni: { "interface-idle-seconds": 60, "start-jitter-seconds": 0 },
    };
    const lab = await startedLab(parts);
    const answers = range(12).map((n) => add(lab.running, n));
    await lab.clock.advance(10_000);
    await Promise.all(answers);
    void lab.running.stop(0);
    await lab.clock.advance(2_000);
    const second = [...lab.provider.interfaces.values()].find(({ id }) => id !== PRIMARY);
    if (second === undefined) throw new Error("a second interface was expected");
    second.addresses.push("10.0.77.7");
    const again = lab.manager();
    await again.start({ kind: "valid", configuration: configuration(parts) });
    await lab.clock.advance(5_000);
    lab.provider.allowed = lab.provider.allowed.filter((id) => id !== second.subnetId);
    const changed = configuration({ ...parts, eni: { ...parts.eni, "subnet-tags": { other: "1" } } });
    await again.offerConfiguration({ kind: "valid", configuration: changed });
    for (const n of range(12)) void again.remove(attachment(n));
    await lab.clock.advance(3 * HOUR_MS);
    expect([...lab.provider.interfaces.keys()]).not.toContain(second.id);
    expect(again.status()).toMatchObject({ intents: [], degraded: [] });
  });
});
