import { describe, expect, it } from "vitest";
import { PRIMARY } from "../support/fake-provider.ts";
import { add, attachment, configuration, createLab, range } from "./harness.ts";

const MINUTE_MS = 60_000;
const FIRST = "subnet-0000000a";
const SECOND = "subnet-0000000b";
const only = (subnet: string, ipam: object) => ({ eni: { "subnet-tags": {}, "subnet-ids": [subnet] }, ipam });

/** An m5.large that may use the first subnet alone, in which its primary interface is. */
async function inFirstSubnet(ipam: object) {
  const lab = createLab();
  const { provider, clock } = lab;
  provider.allowed = [FIRST, SECOND];
  provider.facts = { ...provider.facts, primarySubnetId: FIRST };
  const primary = provider.interfaces.get(PRIMARY);
  if (primary !== undefined) primary.subnetId = FIRST;
  const running = lab.manager();
  await running.start({ kind: "valid", configuration: configuration(only(FIRST, ipam)) });
  await clock.advance(3_000);
  return { ...lab, running };
}

/** An m5.large whose three interfaces in the first subnet are full of pods. */
async function fullInFirstSubnet(ipam: object) {
  const lab = await inFirstSubnet(ipam);
  const { clock, provider, running } = lab;
  const answers = Promise.all(range(27).map((n) => add(running, n)));
  await clock.advance(20_000);
  expect((await answers).every((answer) => typeof answer === "string")).toBe(true);
  expect([...provider.interfaces.values()].map(({ subnetId }) => subnetId)).toEqual([FIRST, FIRST, FIRST]);
  const move = () => running.offerConfiguration({ kind: "valid", configuration: configuration(only(SECOND, ipam)) });
  const end = async (pods: readonly number[]) => {
    for (const n of pods) void running.remove(attachment(n));
    await clock.advance(10_000);
  };
  /** New pods; answers the subnets of the interfaces that carry their addresses. */
  const come = async (count: number, first: number) => {
    const added = Promise.all(range(count, first).map((n) => add(running, n)));
    await clock.advance(60_000);
    return (await added).map((answer) => {
      const carrier = [...provider.interfaces.values()].find(({ addresses }) => addresses.includes(String(answer)));
      return carrier?.subnetId ?? String(answer);
    });
  };
  return { ...lab, move, end, come };
}

const COOL = { "pre-allocate": 2, "cooling-seconds": 1, "add-wait-seconds": 50 };

describe("empty interfaces of enid that fill the instance, once another subnet is the only allowed one", () => {
  it.each([
    ["with release-excess off", { ...COOL, "release-excess": false }],
    ["with release-excess on", { ...COOL, "release-delay-seconds": 3_600 }],
  ])("make place for pods that wait, %s", async (_, ipam) => {
    const lab = await fullInFirstSubnet(ipam);
    await lab.end(range(27));
    await lab.move();
    expect(await lab.come(12, 100)).toEqual(range(12).map(() => SECOND));
    expect([...lab.provider.interfaces.values()].map(({ subnetId }) => subnetId)).toEqual([FIRST, SECOND, SECOND]);
    expect(lab.running.status()).toMatchObject({ intents: [], waiting: [], pool: { leased: 12 } });
  });

  it.each([
    ["with release-excess off", { ...COOL, "release-excess": false }],
    ["with release-excess on", { ...COOL, "release-delay-seconds": 3_600 }],
  ])("make place for the buffer while no pod waits, %s", async (_, ipam) => {
    const lab = await fullInFirstSubnet(ipam);
    await lab.end(range(27));
    await lab.move();
    await lab.clock.advance(MINUTE_MS);
    const carried = [...lab.provider.interfaces.values()].map((one) => [one.subnetId, one.addresses.length]);
    // Nobody may remove the primary interface, and what it carries is left on it.
    expect(carried).toEqual([
      [FIRST, 9],
      [SECOND, 2],
    ]);
    expect(lab.running.notReady()).toBeUndefined();
    const calls = lab.provider.mutations.length;
    await lab.clock.advance(30 * MINUTE_MS);
    expect(lab.provider.mutations).toHaveLength(calls);
  });

  it("stay while a pod has an address on them, and go when it ends", async () => {
    const lab = await fullInFirstSubnet({ ...COOL, "release-excess": false });
    // One pod stays on each interface.
    const keepers = [...lab.provider.interfaces.values()].map(({ addresses }) => {
      const lease = lab.running.leases().find(({ address }) => addresses.includes(address));
      return Number(lease?.attachment.containerId.replace("container-", ""));
    });
    await lab.end(range(27).filter((n) => !keepers.includes(n)));
    await lab.move();
    await lab.clock.advance(10 * MINUTE_MS);
    expect(lab.provider.mutations.filter((line) => line.startsWith("remove"))).toEqual([]);
    expect(lab.running.leases()).toHaveLength(3);
    await lab.end(keepers.slice(1, 2));
    expect(await lab.come(5, 200)).toEqual(range(5).map(() => SECOND));
    expect(lab.provider.mutations.filter((line) => line.startsWith("remove"))).toHaveLength(1);
    expect(lab.running.leases()).toHaveLength(7);
  });

  it("stay where a place of the instance is free, with release-excess off", async () => {
    const ipam = { ...COOL, "release-excess": false };
    const lab = await inFirstSubnet(ipam);
    const answers = Promise.all(range(10).map((n) => add(lab.running, n)));
    await lab.clock.advance(20_000);
    await answers;
    for (const n of range(10)) void lab.running.remove(attachment(n));
    await lab.clock.advance(10_000);
    await lab.running.offerConfiguration({ kind: "valid", configuration: configuration(only(SECOND, ipam)) });
    await lab.clock.advance(30 * MINUTE_MS);
    expect(lab.provider.mutations.filter((line) => /^(remove|release)/.test(line))).toEqual([]);
    expect([...lab.provider.interfaces.values()].map(({ subnetId }) => subnetId)).toEqual([FIRST, FIRST, SECOND]);
  });
});
