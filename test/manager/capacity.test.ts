import { describe, expect, it } from "vitest";
import { effectiveSettings } from "../../src/configuration/index.ts";
import { NodeState } from "../../src/manager/node.ts";
import type { InterfaceRecord, NodeFacts, Resolution } from "../../src/manager/ports/index.ts";
import { PRIMARY, SUBNET_A, SUBNET_B } from "../support/fake-provider.ts";
import { add, attachment, configuration, createLab, range } from "./harness.ts";

const MINUTE_MS = 60_000;
const ELSEWHERE = "subnet-elsewhere";

const FACTS: NodeFacts = {
  instanceId: "i-1",
  instanceType: "m5.large",
  region: "eu-central-1",
  availabilityZone: "eu-central-1a",
  vpcId: "vpc-1",
  accountId: undefined,
  primaryInterfaceId: PRIMARY,
  primarySubnetId: ELSEWHERE,
  limits: { maxInterfaces: 3, ipv4PerInterface: 10, source: "ec2", hypervisor: "nitro", bareMetal: false },
};

const RESOLUTION: Resolution = {
  subnets: [{ id: SUBNET_A, cidr: "10.0.0.0/16", freeAddresses: 200, tags: {} }],
  refused: [],
  securityGroups: ["sg-1"],
};

function record(deviceIndex: number, more: Partial<InterfaceRecord> = {}): InterfaceRecord {
  const { networkCard = 0 } = more;
  return {
    id: deviceIndex === 0 && networkCard === 0 ? PRIMARY : `eni-${networkCard}-${deviceIndex}`,
    mac: `02:00:00:00:0${networkCard}:0${deviceIndex}`,
    deviceIndex,
    networkCard,
    subnetId: SUBNET_A,
    subnetCidr: "10.0.0.0/16",
    primaryAddress: `10.0.${networkCard}.${200 + deviceIndex}`,
    securityGroups: ["sg-1"],
    attachmentId: `attach-${networkCard}-${deviceIndex}`,
    madeBy: deviceIndex === 0 ? "other" : "enid",
    foreign: false,
    ...more,
  };
}

interface Case {
  readonly interfaces: readonly InterfaceRecord[];
  readonly eni?: object;
  readonly facts?: Partial<NodeFacts>;
  /** `undefined`: EC2 has not said yet which subnets are allowed. */
  readonly resolution?: Resolution | undefined;
}

function capacityOf({ interfaces, eni = {}, facts = {}, ...rest }: Case): number {
  const node = new NodeState(effectiveSettings(configuration({ eni }), {}));
  node.facts = { ...FACTS, ...facts };
  node.resolution = "resolution" in rest ? rest.resolution : RESOLUTION;
  for (const one of interfaces) node.interfaces.set(one.id, one);
  return node.capacity();
}

const elsewhere = (deviceIndex: number, more: Partial<InterfaceRecord> = {}) =>
  record(deviceIndex, { subnetId: ELSEWHERE, ...more });
const TWO_CARDS = {
  ...FACTS.limits,
  cards: [
    { card: 0, maxInterfaces: 3 },
    { card: 1, maxInterfaces: 2 },
  ],
};

describe("what the node can hold counts no address that an interface in the way would have had", () => {
  it.each<[string, number, Case]>([
    ["all of an m5.large is its own", 27, { interfaces: [record(0)] }],
    ["the primary one is in a subnet that is not allowed", 18, { interfaces: [elsewhere(0)] }],
    ["the primary one is foreign", 18, { interfaces: [record(0, { foreign: true })] }],
    ["it is foreign and elsewhere: once is enough", 18, { interfaces: [elsewhere(0, { foreign: true })] }],
    ["a further one is foreign", 18, { interfaces: [record(0), record(1, { foreign: true })] }],
    ["a further one is elsewhere", 18, { interfaces: [record(0), elsewhere(1)] }],
    ["only one is left for pods", 9, { interfaces: [elsewhere(0), record(1, { foreign: true }), record(2)] }],
    ["none is left for pods", 0, { interfaces: [elsewhere(0), elsewhere(1), elsewhere(2)] }],
    ["one that hangs on nothing is in nobody's way", 27, { interfaces: [record(0), elsewhere(-1)] }],
  ])("%s: %i", (_, most, of) => {
    expect(capacityOf(of)).toBe(most);
  });

  it.each<[string, number, Case]>([
    ["all its own, but for the address of the node", 29, { interfaces: [record(0)] }],
    ["the primary one is elsewhere: its primary address was no pod's anyway", 20, { interfaces: [elsewhere(0)] }],
    [
      "a further one is foreign, with its primary address",
      19,
      { interfaces: [record(0), record(1, { foreign: true })] },
    ],
  ])("with use-primary-address, %s: %i", (_, most, of) => {
    expect(capacityOf({ ...of, eni: { "use-primary-address": true } })).toBe(most);
  });

  it.each<[string, number, Case]>([
    ["all its own", 27 * 16, { interfaces: [record(0)] }],
    ["the primary one is elsewhere", 18 * 16, { interfaces: [elsewhere(0)] }],
    ["a further one is foreign", 18 * 16, { interfaces: [record(0), record(1, { foreign: true })] }],
  ])("with prefixes, %s: %i", (_, most, of) => {
    expect(capacityOf({ ...of, eni: { "prefix-delegation": "required" } })).toBe(most);
  });

  it("with prefixes and use-primary-address, a foreign one takes its prefixes and its one primary address", () => {
    const eni = { "prefix-delegation": "required", "use-primary-address": true };
    expect(capacityOf({ interfaces: [record(0)], eni })).toBe(27 * 16 + 2);
    expect(capacityOf({ interfaces: [record(0), record(1, { foreign: true })], eni })).toBe(18 * 16 + 1);
  });

  it.each<[string, number, Case]>([
    ["the primary one takes no place of pods, wherever it is", 18, { interfaces: [elsewhere(0)] }],
    ["nor when it is foreign", 18, { interfaces: [record(0, { foreign: true })] }],
    ["a further one does", 9, { interfaces: [elsewhere(0), record(1, { foreign: true })] }],
  ])("with first-interface-index 1, %s: %i", (_, most, of) => {
    expect(capacityOf({ ...of, eni: { "first-interface-index": 1 } })).toBe(most);
  });

  it.each<[string, number, Case]>([
    ["all its own", 45, { interfaces: [record(0)] }],
    ["the primary one is elsewhere", 36, { interfaces: [elsewhere(0)] }],
    [
      "one of the launch (EFA) is on the other card",
      36,
      { interfaces: [record(0), record(0, { networkCard: 1, foreign: true })] },
    ],
    ["one on each card is in the way", 27, { interfaces: [elsewhere(0), elsewhere(1, { networkCard: 1 })] }],
    ["one on the other card is not attached", 45, { interfaces: [record(0), elsewhere(-1, { networkCard: 1 })] }],
  ])("with two network cards, %s: %i", (_, most, of) => {
    expect(capacityOf({ ...of, facts: { limits: TWO_CARDS } })).toBe(most);
  });

  it("with two network cards, first-interface-index spares index 0 of the default card and of no other", () => {
    const interfaces = [elsewhere(0), elsewhere(0, { networkCard: 1 })];
    expect(capacityOf({ interfaces, eni: { "first-interface-index": 1 }, facts: { limits: TWO_CARDS } })).toBe(27);
  });

  it("takes primary addresses of another card for what they are: of an interface that enid could have made", () => {
    const interfaces = [record(0), record(0, { networkCard: 1, foreign: true })];
    const of = { interfaces, eni: { "use-primary-address": true }, facts: { limits: TWO_CARDS } };
    // Five interfaces with nine each and four primary addresses, without nine and one.
    expect(capacityOf(of)).toBe(45 + 4 - 10);
  });

  it("takes nothing off for subnets while nobody knows which ones are allowed, but for what is foreign", () => {
    expect(capacityOf({ interfaces: [elsewhere(0)], resolution: undefined })).toBe(27);
    const interfaces = [elsewhere(0), elsewhere(1, { foreign: true })];
    expect(capacityOf({ interfaces, resolution: undefined })).toBe(18);
  });

  it("is 0 while the limits of the instance are unknown", () => {
    const node = new NodeState(effectiveSettings(configuration(), {}));
    node.interfaces.set(PRIMARY, elsewhere(0));
    expect(node.capacity()).toBe(0);
  });
});

describe("a node whose primary interface is in a subnet that is not allowed", () => {
  const parts = { ipam: { "pre-allocate": 2, "min-allocate": 24 }, eni: { "first-interface-index": 0 } };

  async function started() {
    const lab = createLab();
    const primary = lab.provider.interfaces.get(PRIMARY);
    if (primary === undefined) throw new Error("no primary interface");
    primary.subnetId = ELSEWHERE;
    lab.provider.allowed = [SUBNET_B];
    const running = lab.manager();
    await running.start({ kind: "valid", configuration: configuration(parts) });
    await lab.clock.advance(MINUTE_MS);
    return { ...lab, running };
  }

  it("is ready with all that the other interfaces hold, though min-allocate asks for more", async () => {
    const { provider, running } = await started();
    expect(provider.interfaces.get(PRIMARY)?.addresses).toEqual([]);
    expect(running.status()).toMatchObject({ phase: "ready", ready: true, capacity: 18, pool: { total: 18 } });
    expect(running.notReady()).toBeUndefined();
  });

  it("stays ready when its pods come and go, and asks EC2 for nothing more", async () => {
    const { clock, provider, running } = await started();
    const answers = range(18).map((n) => add(running, n));
    await clock.advance(MINUTE_MS);
    expect((await Promise.all(answers)).every((answer) => typeof answer === "string")).toBe(true);
    const before = provider.mutations.length;
    for (const n of range(18)) void running.remove(attachment(n));
    await clock.advance(30 * MINUTE_MS);
    expect(running.status()).toMatchObject({ phase: "ready", capacity: 18 });
    expect(provider.mutations.length).toBe(before);
  });

  it("can hold more again once the settings allow that subnet", async () => {
    const { clock, provider, running } = await started();
    provider.allowed = [SUBNET_B, ELSEWHERE];
    const changed = configuration({ ...parts, eni: { ...parts.eni, "subnet-tags": { other: "1" } } });
    await running.offerConfiguration({ kind: "valid", configuration: changed });
    await clock.advance(2 * MINUTE_MS);
    expect(running.status()).toMatchObject({ phase: "ready", capacity: 27 });
    expect(running.status().pool.total).toBeGreaterThanOrEqual(24);
  });
});
