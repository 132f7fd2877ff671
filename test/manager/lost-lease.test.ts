import { describe, expect, it } from "vitest";
import { PRIMARY } from "../support/fake-provider.ts";
import { add, attachment, configuration, startedLab } from "./harness.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const PARTS = { ipam: { "pre-allocate": 4, "cooling-seconds": 30, "release-excess": false } };
/** Metadata is looked at every minute, then EC2 twice, half a minute apart. */
const USUAL_MS = 3 * MINUTE_MS;

/** A node with two pods; EC2 has taken the address of the first one away and said so twice. */
async function lostLease() {
  const lab = await startedLab(PARTS);
  const { clock, provider, running, events } = lab;
  const address = String(await add(running, 1));
  await add(running, 2);
  await clock.advance(5 * MINUTE_MS);
  const primary = provider.interfaces.get(PRIMARY);
  if (primary === undefined) throw new Error("no primary interface");
  primary.addresses = primary.addresses.filter((other) => other !== address);
  await clock.advance(USUAL_MS);
  expect(running.status()).toMatchObject({ degraded: [{ name: "address-denied" }], lost: [{ address }] });
  const told = (name: string) => events.filter((event) => event.name === name);
  const describes = () => provider.log.filter((line) => line === "observe cloud").length;
  return { ...lab, address, primary, told, describes };
}

describe("a leased address that EC2 denied twice", () => {
  it("is told of once and asked for again no oftener than hourly, for as long as its lease lives", async () => {
    const { clock, running, provider, address, told, describes } = await lostLease();
    expect(told("leased-block-lost")).toHaveLength(1);
    const calls = { describes: describes(), changes: provider.mutations.length };
    await clock.advance(12 * HOUR_MS);
    expect(told("leased-block-lost")).toHaveLength(1);
    expect(describes() - calls.describes).toBeGreaterThan(8);
    expect(describes() - calls.describes).toBeLessThanOrEqual(12);
    expect(provider.mutations.length).toBe(calls.changes);
    expect(running.leases().map((lease) => lease.address)).toContain(address);
    expect(running.status()).toMatchObject({ degraded: [{ name: "address-denied" }], lost: [{ address }] });
    const [lost, kept] = [attachment(1), attachment(2)].map((one) => running.lookup(one));
    expect(lost && running.lost(lost)).toMatchObject({ code: "ENID_ADDRESS_LOST", values: { cidr: `${address}/32` } });
    expect(kept && running.lost(kept)).toBeUndefined();
  });

  it("leaves the pool in the usual time once its lease is over and it has cooled", async () => {
    const { clock, running, store, address, told, describes } = await lostLease();
    await clock.advance(3 * HOUR_MS);
    await running.remove(attachment(1));
    await clock.advance(20_000);
    expect(running.explain(address).address).toMatchObject({ state: "cooling" });
    const before = describes();
    await clock.advance(USUAL_MS);
    expect(running.explain(address).address).toBeUndefined();
    expect(store.load().blocks.map(({ cidr }) => cidr)).not.toContain(`${address}/32`);
    expect(told("block-lost")).toHaveLength(1);
    expect(told("leased-block-lost")).toHaveLength(1);
    expect(running.status().degraded).toEqual([]);
    expect(running.status().lost).toBeUndefined();
    // Two denials, no more.
    expect(describes() - before).toBe(2);
  });

  it("is given to no other pod while it cools and until EC2 has confirmed that it is lost", async () => {
    const { clock, running, address } = await lostLease();
    await running.remove(attachment(1));
    const given: unknown[] = [];
    for (let n = 10; n < 30; n++) {
      const answer = add(running, n);
      await clock.advance(10_000);
      given.push(await answer);
    }
    expect(given).toHaveLength(20);
    expect(given).not.toContain(address);
  });

  it("comes back to its pod when EC2 has it again", async () => {
    const { clock, running, primary, store, address, told } = await lostLease();
    await clock.advance(HOUR_MS);
    primary.addresses.push(address);
    await clock.advance(2 * MINUTE_MS);
    expect(told("block-returned")).toHaveLength(1);
    expect(running.status().lost).toBeUndefined();
    expect(running.explain(address).address).toMatchObject({ state: "leased" });
    await clock.advance(1_000);
    expect(store.load().blocks.find(({ cidr }) => cidr === `${address}/32`)?.lost).toBeUndefined();
    await clock.advance(2 * HOUR_MS);
    expect(running.status().degraded).toEqual([]);
    await running.remove(attachment(1));
    await clock.advance(MINUTE_MS);
    expect(running.explain(address).address).toMatchObject({ state: "free" });
  });

  it("is denied anew, and told of anew, when it went away a second time", async () => {
    const { clock, running, primary, address, told } = await lostLease();
    primary.addresses.push(address);
    await clock.advance(10 * MINUTE_MS);
    primary.addresses = primary.addresses.filter((other) => other !== address);
    await clock.advance(10 * MINUTE_MS);
    expect(told("leased-block-lost")).toHaveLength(2);
    expect(running.status()).toMatchObject({ degraded: [{ name: "address-denied" }], lost: [{ address }] });
  });

  it("is shown after a restart as well, without asking EC2 again and again", async () => {
    const { clock, running, address, manager, told, provider } = await lostLease();
    await running.stop(0);
    const again = manager();
    await again.start({
      kind: "valid",
      configuration: configuration({ ...PARTS, eni: { "start-jitter-seconds": 0 } }),
    });
    await clock.advance(USUAL_MS);
    expect(again.status()).toMatchObject({ degraded: [{ name: "address-denied" }], lost: [{ address }] });
    expect(told("degraded").filter(({ fields }) => fields?.state === "address-denied")).toHaveLength(2);
    const before = provider.log.filter((line) => line === "observe cloud").length;
    await clock.advance(6 * HOUR_MS);
    expect(provider.log.filter((line) => line === "observe cloud").length - before).toBeLessThanOrEqual(6);
    expect(told("leased-block-lost")).toHaveLength(1);
    await again.remove(attachment(1));
    await clock.advance(30_000 + USUAL_MS);
    expect(again.status().degraded).toEqual([]);
    expect(again.explain(address).address).toBeUndefined();
  });
});
