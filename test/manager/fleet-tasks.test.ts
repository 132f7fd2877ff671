import { describe, expect, it } from "vitest";
import { FleetNode, MemoryServer, memoryFleetStore } from "../../src/fleet/index.ts";
import type { Change, Fleet, Leftover, Manager, Provider, Singletons } from "../../src/manager/index.ts";
import { FakeProvider, SUBNET_A } from "../support/fake-provider.ts";
import { seededRandom, type VirtualClock } from "../support/virtual-clock.ts";
import { add, configuration, createLab, LabStore, range } from "./harness.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

function fleetNode(server: MemoryServer, clock: VirtualClock, n: number): FleetNode {
  return new FleetNode({
    store: memoryFleetStore(server, `node-${n}`, clock),
    clock,
    random: seededRandom(50 + n),
    telemetry: { event: () => {} },
    settings: { name: "default", reservedShare: 0, buckets: {} },
    servers: ["redis:6379"],
    nodeName: `node-${n}`,
  });
}

/** Nodes of one cluster in one fleet, whose clouds show the same leftovers. */
async function cluster(count: number, clusterName: (n: number) => string = () => "prod") {
  const lab = createLab();
  const server = new MemoryServer({ clock: lab.clock, latencyMs: () => 2 });
  const leftovers: Leftover[] = [];
  const nodes = range(count).map((n) => {
    const provider = new FakeProvider(lab.clock);
    provider.facts = { ...provider.facts, instanceId: `i-${n}` };
    provider.cluster = leftovers;
    const fleet = fleetNode(server, lab.clock, n);
    const manager = lab.manager("boot-1", { provider, store: new LabStore(lab.clock), fleet, nodeName: `node-${n}` });
    return { name: `node-${n}`, provider, fleet, manager };
  });
  for (const [n, { manager }] of nodes.entries()) {
    await manager.start({ kind: "valid", configuration: configuration({ eni: { "cluster-name": clusterName(n) } }) });
  }
  await lab.clock.advance(MINUTE_MS);
  return { ...lab, server, nodes, leftovers };
}

type Node = Awaited<ReturnType<typeof cluster>>["nodes"][number];
const looks = ({ provider }: Node) => provider.log.filter((line) => line.startsWith("leftovers")).length;
const total = (nodes: readonly Node[]) => nodes.reduce((sum, node) => sum + looks(node), 0);

describe("leftovers of the cluster in a fleet", () => {
  it("are looked for by one node, which removes them", async () => {
    const { clock, nodes, leftovers } = await cluster(4);
    leftovers.push({ id: "eni-left", instanceId: "i-gone", createdAtMs: clock.nowMs() - 24 * HOUR_MS });
    await clock.advance(5 * HOUR_MS);
    const sweepers = nodes.filter((node) => looks(node) > 0);
    expect(sweepers.map(({ fleet }) => fleet.singletons.holds("leak-sweep:prod"))).toEqual([true]);
    expect(total(nodes)).toBeLessThanOrEqual(10);
    const removals = nodes.map(({ provider }) => provider.mutations.filter((line) => line.startsWith("remove")).length);
    expect(removals.reduce((sum, count) => sum + count, 0)).toBe(1);
  });

  it("are another node's when the one that looked for them is gone", async () => {
    const { clock, nodes } = await cluster(3);
    await clock.advance(2 * HOUR_MS);
    const first = nodes.find((node) => looks(node) > 0) as Node;
    await Promise.all([first.manager.stop(0), first.fleet.stop(), clock.advance(5_000)]);
    const before = looks(first);
    await clock.advance(3 * HOUR_MS);
    expect(looks(first)).toBe(before);
    expect(nodes.filter((node) => node !== first && looks(node) > 0)).toHaveLength(1);
  });

  it("are each cluster's own, should a fleet be of several", async () => {
    const { clock, nodes } = await cluster(4, (n) => (n < 2 ? "one" : "two"));
    await clock.advance(3 * HOUR_MS);
    expect(nodes.map((node) => looks(node) > 0).toSorted()).toEqual([false, false, true, true]);
    expect(total(nodes.slice(0, 2))).toBeGreaterThan(0);
    expect(total(nodes.slice(2))).toBeGreaterThan(0);
  });

  it("are looked for by nobody while the fleet is away", async () => {
    const { clock, nodes, server } = await cluster(3);
    await clock.advance(2 * HOUR_MS);
    server.down(true);
    await clock.advance(MINUTE_MS);
    const before = total(nodes);
    expect(before).toBeGreaterThan(0);
    await clock.advance(6 * HOUR_MS);
    expect(total(nodes)).toBe(before);
    server.down(false);
    await clock.advance(2 * HOUR_MS);
    expect(total(nodes)).toBeGreaterThan(before);
  });

  it("are left by a node that loses the task while it begins to remove them", async () => {
    const lab = createLab();
    const task = { isOurs: true };
    const singletons: Singletons = { holds: () => task.isOurs, token: () => (task.isOurs ? 1 : 0) };
    const node = fleetNode(new MemoryServer({ clock: lab.clock }), lab.clock, 1);
    const fleet: Fleet = {
      budget: node.budget,
      facts: node.facts,
      fixed: node.fixed,
      profiles: node.profiles,
      singletons,
      urgency: (urgency) => node.urgency(urgency),
      identified: (member) => node.identified(member),
      report: () => node.report(),
      watch: (changed) => node.watch(changed),
    };
    const { commit } = lab.store;
    let begun = 0;
    lab.store.commit = async (changes: readonly Change[]) => {
      await commit.call(lab.store, changes);
      if (!changes.some((change) => change.kind === "intent-put" && change.intent.step.kind === "remove-interface"))
        return;
      begun++;
      task.isOurs = begun > 1;
    };
    const running: Manager = lab.manager("boot-1", { fleet });
    await running.start({ kind: "valid", configuration: configuration({ eni: { "cluster-name": "prod" } }) });
    lab.provider.cluster = [{ id: "eni-left", instanceId: "i-gone", createdAtMs: lab.clock.nowMs() - 24 * HOUR_MS }];
    while (begun === 0) await lab.clock.advance(10 * MINUTE_MS);
    await lab.clock.advance(3 * HOUR_MS);
    const removals = () => lab.provider.mutations.filter((line) => line.startsWith("remove"));
    expect(removals()).toEqual([]);
    expect(running.status()).toMatchObject({ intents: [] });
    task.isOurs = true;
    await lab.clock.advance(3 * HOUR_MS);
    expect(removals()).toHaveLength(1);
  });
});

describe("what is known of subnets", () => {
  /** The greatest ages that the manager asked for. */
  async function asked() {
    const lab = createLab();
    const ages: (number | undefined)[] = [];
    const resolve = lab.provider.resolve.bind(lab.provider);
    lab.provider.resolve = (...[selection, , maxAgeMs]: Parameters<Provider["resolve"]>) => {
      ages.push(maxAgeMs);
      return resolve(selection);
    };
    const running = lab.manager();
    await running.start({ kind: "valid", configuration: configuration() });
    await lab.clock.advance(3_000);
    return { ...lab, running, ages };
  }

  it("may be as old as the provider sees fit, and no older than the moment at which a subnet had less", async () => {
    const { clock, provider, running, ages } = await asked();
    expect(ages).toEqual([undefined]);
    const exhausted = {
      class: "subnet-exhausted",
      ec2Code: "InsufficientFreeAddressesInSubnet",
      effect: "none",
    } as const;
    provider.fail("add-blocks", { ...exhausted, subnetId: SUBNET_A });
    provider.fail("create-interface", { ...exhausted, subnetId: SUBNET_A });
    const failedAtMs = clock.nowMs();
    void Promise.all(range(12).map((n) => add(running, n)));
    await clock.advance(20 * MINUTE_MS);
    const ageMs = ages[1];
    expect(ageMs).toBeGreaterThanOrEqual(1);
    expect(ageMs).toBeLessThan(clock.nowMs() - failedAtMs);
    expect(ages.slice(2).every((age) => age === undefined)).toBe(true);
  });
});
