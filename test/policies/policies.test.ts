import { describe, expect, it } from "vitest";
import { POLICIES } from "../../src/simulator/policies/index.ts";
import { heldOf, idOf, type PodOnNode, Rig, type RigOptions } from "./rig.ts";

const NAMES = POLICIES.map(({ name }) => name);
const MINUTE_MS = 60_000;
const SETTINGS = {
  ipam: { "min-allocate": 14, "pre-allocate": 8 },
  eni: { "first-interface-index": 1, "subnet-tags": { pods: "yes" } },
} as const;

function rigOf(policy: string, nodes: number, further: Partial<RigOptions> = {}): Rig {
  const rig = new Rig({ policy, nodes, ...SETTINGS, ...further });
  rig.startAll();
  return rig;
}

describe("every policy", () => {
  it("has a name of its own and says what it stands for", () => {
    expect(NAMES).toEqual(["cilium-operator", "vpc-cni", "vpc-cni-warm-ip", "oracle"]);
    for (const { description } of POLICIES) expect(description).toMatch(/ready with min-allocate addresses/);
  });

  it.each(NAMES)("%s makes 10 nodes ready, each with addresses that EC2 gave to it alone", async (policy) => {
    const rig = rigOf(policy, 10);
    await rig.runUntilReady(5 * MINUTE_MS);
    const held = rig.agents.map((agent, node) => {
      expect(agent.idleAddresses()).toBeGreaterThanOrEqual(14);
      return heldOf(rig, node);
    });
    expect(new Set(held.flat()).size).toBe(held.flat().length);
  });

  it.each(NAMES)("%s gives no address twice while pods come and go", async (policy) => {
    const rig = rigOf(policy, 2);
    await rig.runUntilReady(5 * MINUTE_MS);
    const running: PodOnNode[] = [];
    for (let round = 0; round < 40; round += 1) {
      const pod = await rig.addPod(round % 2);
      expect(running.map(({ address }) => address)).not.toContain(pod.address);
      expect(heldOf(rig, pod.node)).toContain(pod.address);
      expect(rig.agents[pod.node]?.lookup(pod.attachment)?.address).toBe(pod.address);
      running.push(pod);
      if (round % 3 === 2) await rig.removePod(running.shift() as PodOnNode);
    }
    const again = await rig.agents[running[0]?.node ?? 0]?.add(running[0] as PodOnNode);
    expect(again).toEqual({ address: running[0]?.address });
  });

  it.each(NAMES)("%s gives pods the same addresses back after a restart, and none after a boot", async (policy) => {
    const rig = rigOf(policy, 1);
    await rig.runUntilReady(5 * MINUTE_MS);
    const pods = [await rig.addPod(0), await rig.addPod(0), await rig.addPod(0)];
    rig.agents[0]?.cut();
    rig.start(0);
    await rig.runFor(5 * MINUTE_MS);
    expect(rig.agents[0]?.notReady()).toBeUndefined();
    for (const { attachment, address } of pods) expect(rig.agents[0]?.lookup(attachment)?.address).toBe(address);
    const later = await rig.addPod(0);
    expect(pods.map(({ address }) => address)).not.toContain(later.address);
    rig.boot(0);
    await rig.runFor(5 * MINUTE_MS);
    for (const { attachment } of pods) expect(rig.agents[0]?.lookup(attachment)).toBeUndefined();
    expect(rig.agents[0]?.idleAddresses()).toBe(heldOf(rig, 0).length);
  });

  it.each(NAMES)("%s takes the same way for the same seed", async (policy) => {
    const run = async () => {
      const rig = rigOf(policy, 10, { seed: 7 });
      await rig.runUntilReady(5 * MINUTE_MS);
      await rig.addPod(3);
      await rig.runFor(10 * MINUTE_MS);
      return [rig.cloud.log.calls().map(({ atMs, action }) => `${atMs} ${action}`), [...rig.readyMs], rig.logged];
    };
    expect(await run()).toEqual(await run());
  });

  it.each(NAMES)("%s does nothing but its documented periodic calls on an idle node", async (policy) => {
    const rig = rigOf(policy, 1);
    await rig.runFor(10 * MINUTE_MS);
    const stepsBefore = rig.scheduler.steps;
    await rig.runFor(60 * MINUTE_MS);
    // The operator's resync each minute takes 5 calls of 2 events each and a pause; the daemon looks for leaks once.
    expect(rig.scheduler.steps - stepsBefore).toBeLessThan(60 * 20);
  });
});

describe("the central operator", () => {
  it("creates, attaches, marks and describes once for each node, after its two resyncs at the start", async () => {
    const rig = rigOf("cilium-operator", 1);
    await rig.runFor(30_000);
    expect(rig.calls()).toEqual({
      AttachNetworkInterface: 1,
      CreateNetworkInterface: 1,
      DescribeInstanceTypes: 1,
      DescribeNetworkInterfaces: 3,
      DescribeRouteTables: 2,
      DescribeSecurityGroups: 2,
      DescribeSubnets: 2,
      DescribeVpcs: 2,
      ModifyNetworkInterfaceAttribute: 1,
    });
  });

  it("assigns on the primary interface when that may carry pods", async () => {
    const rig = rigOf("cilium-operator", 1, { eni: { "first-interface-index": 0 } });
    await rig.runFor(30_000);
    expect(rig.calls()).toMatchObject({ AssignPrivateIpAddresses: 1, DescribeNetworkInterfaces: 3 });
    expect(rig.calls()).not.toHaveProperty("CreateNetworkInterface");
  });

  it("makes 4 calls a second and a burst of 20, whatever the number of nodes, and is not throttled", async () => {
    const rig = rigOf("cilium-operator", 200);
    await rig.runFor(60_000);
    const total = () => Object.values(rig.calls()).reduce((sum, calls) => sum + calls, 0);
    const before = total();
    expect(before).toBeLessThanOrEqual(20 + 4 * 60 + 1);
    await rig.runFor(60_000);
    expect(total() - before).toBeGreaterThanOrEqual(4 * 60 - 2);
    expect(total() - before).toBeLessThanOrEqual(4 * 60 + 2);
    await rig.runUntilReady(10 * MINUTE_MS);
    expect(rig.throttled()).toBe(0);
    expect(Math.max(...rig.readyMs.values())).toBeGreaterThan(((200 * 3 - 20) / 4) * 1_000);
  });

  it("learns of used addresses after at most 15 s and takes more before they are gone", async () => {
    const rig = rigOf("cilium-operator", 1);
    await rig.runUntilReady(MINUTE_MS);
    for (let pod = 0; pod < 10; pod += 1) await rig.addPod(0);
    await rig.runFor(30_000);
    expect(rig.calls()).toMatchObject({ CreateNetworkInterface: 2 });
    expect(rig.agents[0]?.idleAddresses()).toBeGreaterThanOrEqual(8);
  });

  it("refuses a pod at once when the pool is empty", async () => {
    const rig = rigOf("cilium-operator", 1, {
      instanceType: "m5.large",
      ipam: { "min-allocate": 1, "max-allocate": 1 },
    });
    await rig.runUntilReady(MINUTE_MS);
    await rig.addPod(0);
    await expect(rig.addPod(0, 5_000)).rejects.toThrow(/no address for default\/pod-2 within 0 ms/);
  });
});

describe("the VPC CNI", () => {
  it("starts with a describe, a tag, a look at the subnet and one assign of all that the interface holds", async () => {
    const rig = rigOf("vpc-cni", 1);
    await rig.runUntilReady(MINUTE_MS);
    expect(rig.calls()).toEqual({
      AssignPrivateIpAddresses: 1,
      CreateTags: 1,
      DescribeNetworkInterfaces: 1,
      DescribeSubnets: 1,
    });
    expect(rig.agents[0]?.idleAddresses()).toBe(14);
  });

  it("takes a whole further interface with the first pod, within a round of 5 s", async () => {
    const rig = rigOf("vpc-cni", 1);
    await rig.runUntilReady(MINUTE_MS);
    await rig.addPod(0);
    await rig.runFor(60_000);
    expect(rig.calls()).toMatchObject({
      CreateNetworkInterface: 1,
      DescribeInstances: 1,
      AttachNetworkInterface: 1,
      ModifyNetworkInterfaceAttribute: 1,
      DescribeSubnets: 3,
    });
    expect(rig.agents[0]?.idleAddresses()).toBe(27);
  });

  it("gives the interface back after the pod is gone, cooled for 30 s", async () => {
    const rig = rigOf("vpc-cni", 1);
    await rig.runUntilReady(MINUTE_MS);
    const pod = await rig.addPod(0);
    await rig.runFor(5 * MINUTE_MS);
    await rig.removePod(pod);
    const next = await rig.addPod(0);
    expect(next.address).not.toBe(pod.address);
    await rig.removePod(next);
    await rig.runFor(5 * MINUTE_MS);
    expect(rig.calls()).toMatchObject({ DetachNetworkInterface: 1 });
    expect(rig.cloud.interfacesOf(idOf("i", 1))).toHaveLength(1);
  });

  it("describes each interface's subnet anew after a restart: N + 2 describes and no change", async () => {
    const rig = rigOf("vpc-cni", 1);
    await rig.runUntilReady(MINUTE_MS);
    await rig.addPod(0);
    await rig.runFor(10 * MINUTE_MS);
    const before = rig.calls();
    rig.agents[0]?.cut();
    rig.start(0);
    await rig.runFor(10 * MINUTE_MS);
    const after = rig.calls();
    const more = Object.fromEntries(Object.entries(after).map(([name, calls]) => [name, calls - (before[name] ?? 0)]));
    // Two interfaces; the second tagged at its making. The second describe looks for leaked interfaces.
    expect(more).toMatchObject({ DescribeNetworkInterfaces: 2, DescribeSubnets: 2, CreateTags: 0 });
    expect(more).toMatchObject({ AssignPrivateIpAddresses: 0, CreateNetworkInterface: 0 });
  });

  it("is throttled when 500 daemons start at once, ends and starts again, and comes up in the end", async () => {
    const rig = rigOf("vpc-cni", 500);
    await rig.runUntilReady(30 * MINUTE_MS);
    expect(rig.throttled()).toBeGreaterThan(1_000);
    expect(rig.logged.some((line) => line.includes("ipamd ends: RequestLimitExceeded"))).toBe(true);
    expect(Math.max(...rig.readyMs.values())).toBeGreaterThan(((500 - 100) / 5) * 1_000);
  });

  it("with WARM_IP_TARGET=16 holds 16 addresses beyond its pods and gives back what is over", async () => {
    const rig = rigOf("vpc-cni-warm-ip", 1);
    await rig.runFor(MINUTE_MS);
    expect(heldOf(rig, 0)).toHaveLength(16);
    const pods: PodOnNode[] = [];
    for (let pod = 0; pod < 5; pod += 1) pods.push(await rig.addPod(0));
    await rig.runFor(MINUTE_MS);
    expect(heldOf(rig, 0)).toHaveLength(21);
    for (const pod of pods) await rig.removePod(pod);
    await rig.runFor(5 * MINUTE_MS);
    expect(heldOf(rig, 0)).toHaveLength(16);
    expect(rig.calls().UnassignPrivateIpAddresses).toBeGreaterThanOrEqual(1);
  });
});

describe("the oracle", () => {
  it("makes only the calls that are needed", async () => {
    const rig = rigOf("oracle", 10);
    await rig.runUntilReady(MINUTE_MS);
    await rig.runFor(MINUTE_MS);
    expect(rig.calls()).toEqual({
      AttachNetworkInterface: 10,
      CreateNetworkInterface: 10,
      ModifyNetworkInterfaceAttribute: 10,
    });
  });

  it("reaches the bound of the token buckets within 3 per cent, and is never throttled", async () => {
    const nodes = 800;
    const rig = rigOf("oracle", nodes, { settings: { attachMs: 2_000 } });
    await rig.runUntilReady(10 * MINUTE_MS);
    expect(rig.throttled()).toBe(0);
    // Attaching has the smallest bucket: 50, and 5/s. Then it takes its own latency and 2 s until it is attached.
    const boundMs = ((nodes - 50) / 5) * 1_000 + 133 + 438 + 2_000;
    const allReadyMs = Math.max(...rig.readyMs.values());
    expect(allReadyMs).toBeGreaterThan(boundMs * 0.97);
    expect(allReadyMs).toBeLessThan(boundMs * 1.03);
  });

  it("serves a pod that waits before nodes that start", async () => {
    const rig = new Rig({ policy: "oracle", nodes: 300, ...SETTINGS });
    rig.start(0);
    await rig.runFor(30_000);
    for (let pod = 0; pod < 6; pod += 1) await rig.addPod(0);
    for (let node = 1; node < 300; node += 1) rig.start(node);
    await rig.runFor(1_000);
    const sinceMs = rig.scheduler.elapsedMs();
    for (let pod = 0; pod < 12; pod += 1) await rig.addPod(0);
    expect(rig.scheduler.elapsedMs() - sinceMs).toBeLessThan(10_000);
    await rig.runUntilReady(5 * MINUTE_MS);
    expect(Math.max(...rig.readyMs.values())).toBeGreaterThan(45_000);
  });

  it("goes on when a subnet is empty, in the next one", async () => {
    const rig = rigOf("oracle", 10, { podCidr: "10.1.0.0/28" });
    await rig.runUntilReady(2 * MINUTE_MS);
    expect(rig.agents.every((agent) => agent.idleAddresses() === 14)).toBe(true);
  });
});
