import { describe, expect, it } from "vitest";
import { type Clock, sleep } from "../../src/adapters/index.ts";
import { Dice, ProcessClock, Scheduler } from "../../src/simulator/engine/index.ts";
import { type LoggedCall, SimulatedCloud, SimulatedError } from "../../src/simulator/index.ts";
import { POLICIES } from "../../src/simulator/policies/index.ts";
import type { Agent, FleetContext, NodeContext, Policy } from "../../src/simulator/scenario/index.ts";
import { enidPolicy } from "../../src/simulator/world/index.ts";

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2026, 0, 1);
const CLUSTER = "shop";
const TYPE = "m5.large";
const KINDS = ["enid", "vpc-cni", "cilium-operator"] as const;
type Kind = (typeof KINDS)[number];

const COLLECTOR = "collector";

const id = (kind: string, number: number) => `${kind}-0${number.toString(16).padStart(16, "0")}`;

/** Interfaces of nodes that are no more, as each program leaves them when it dies between create and attach. */
const GONE = id("i", 0xdead);
const LONG_AGO = new Date(START_MS - 24 * HOUR_MS).toISOString();
const ENID_TAGS = {
  "enid.io/managed": "true",
  "enid.io/cluster": CLUSTER,
  "enid.io/instance-id": GONE,
  "enid.io/intent": "6e0cbd2a-5d3b-4b5e-9a53-6bdcbb2f0c11",
  "enid.io/created-at": LONG_AGO,
};
const LEFT = {
  enid: { description: `enid ${GONE}`, tags: ENID_TAGS },
  // The VPC CNI had the node after enid, tagged the interface and died before it deleted it.
  both: { description: `enid ${GONE}`, tags: { ...ENID_TAGS, "node.k8s.amazonaws.com/instance_id": GONE } },
  "vpc-cni": {
    description: `aws-K8S-${GONE}`,
    tags: { "node.k8s.amazonaws.com/instance_id": GONE, "node.k8s.amazonaws.com/createdAt": LONG_AGO },
  },
  "cilium-operator": { description: `Cilium-CNI (${GONE})`, tags: { "io.cilium/cilium-managed": "true" } },
  nobody: { description: "of a database", tags: {} },
} as const;
const LEFT_NAMES = Object.keys(LEFT) as (keyof typeof LEFT)[];
const leftId = (name: keyof typeof LEFT) => id("eni", 0xf00 + LEFT_NAMES.indexOf(name));

/**
 * Cilium's collector: each 5 minutes it deletes what it saw detached the time before, then looks anew (cilium/cilium,
 * pkg/aws/eni/eni_gc.go: StartENIGarbageCollector; pkg/defaults: ENIGarbageCollectionInterval, ...MaxPerInterval 25).
 */
async function collect(cloud: SimulatedCloud, clock: Clock): Promise<void> {
  const context = { requestId: COLLECTOR };
  for (let marked: readonly string[] = []; ; await sleep(clock, 300_000)) {
    for (const NetworkInterfaceId of marked) {
      try {
        cloud.call("DeleteNetworkInterface", { NetworkInterfaceId }, context);
      } catch (thrown) {
        if (!(thrown instanceof SimulatedError)) throw thrown;
      }
    }
    const Filter = [
      { Name: "status", Value: ["available"] },
      { Name: "tag:io.cilium/cilium-managed", Value: ["true"] },
    ];
    const { networkInterfaceSet = [] } = cloud.call("DescribeNetworkInterfaces", { Filter }, context) as {
      networkInterfaceSet?: readonly { networkInterfaceId: string }[];
    };
    marked = networkInterfaceSet.map(({ networkInterfaceId }) => networkInterfaceId).slice(0, 25);
  }
}

/** Three kinds of nodes in one cluster, one subnet and one account, on a virtual clock. */
class Mixed {
  readonly scheduler: Scheduler;
  readonly cloud: SimulatedCloud;
  readonly kinds: Kind[] = [];
  readonly agents: Agent[] = [];
  /** Of each interface that was attached, the kind of its node. */
  readonly attached = new Map<string, Kind>();
  /** Of each interface that was deleted, who did it. */
  readonly deleters = new Map<string, Kind>();
  readonly pods = new Map<string, { readonly node: number; readonly name: string }>();
  #count = 0;

  constructor(perKind: number, seed: number) {
    const dice = new Dice(seed);
    this.scheduler = new Scheduler({ startMs: START_MS, dice: dice.fork("order") });
    for (const kind of KINDS) for (let n = 0; n < perKind; n += 1) this.kinds.push(kind);
    this.cloud = new SimulatedCloud({
      clock: this.scheduler,
      random: dice.fork("cloud"),
      onCall: (call) => this.#heard(call),
      description: {
        region: "us-east-1",
        account: "123456789012",
        vpcs: [{ id: id("vpc", 1), cidrs: ["10.0.0.0/16"] }],
        subnets: [{ id: id("subnet", 1), vpc: id("vpc", 1), cidr: "10.0.0.0/22", zone: "us-east-1a" }],
        securityGroups: [{ id: id("sg", 1), vpc: id("vpc", 1), name: "default" }],
        instances: this.kinds.map((_, node) => {
          return { id: id("i", node + 1), type: TYPE, subnet: id("subnet", 1), primaryInterface: id("eni", node + 1) };
        }),
        interfaces: LEFT_NAMES.map((name) => ({ id: leftId(name), subnet: id("subnet", 1), ...LEFT[name] })),
      },
    });
    const policies = new Map<string, Policy>([enidPolicy, ...POLICIES].map((policy) => [policy.name, policy]));
    const world: FleetContext = {
      cloud: this.cloud,
      clock: this.scheduler,
      dice: dice.fork("fleet"),
      nodeCount: this.kinds.length,
      log: () => undefined,
    };
    const fleets = new Map(KINDS.map((kind) => [kind, policies.get(kind)?.createFleet(world)]));
    for (const [node, kind] of this.kinds.entries()) {
      const agent = fleets.get(kind)?.start(this.#context(node, dice.fork(`node ${node}`)));
      if (agent === undefined) throw new Error(`no policy ${kind}`);
      this.agents.push(agent);
    }
    void collect(this.cloud, this.scheduler);
  }

  async runFor(ms: number): Promise<void> {
    await this.scheduler.run(this.scheduler.nowMs() + ms);
  }

  /** Pods come until each node has `perNode`. */
  async fill(perNode: number): Promise<void> {
    for (let n = 0; n < perNode; n += 1) for (const node of this.agents.keys()) await this.#add(node);
  }

  async empty(): Promise<void> {
    const ended = [...this.pods].map(([address, { node, name }]) => {
      this.pods.delete(address);
      return this.agents[node]?.remove(attachment(name), pod(name));
    });
    await this.runFor(1_000);
    await Promise.all(ended);
  }

  /** Each pod's address is on its own node, and on no other. */
  verify(): void {
    for (const [address, { node, name }] of this.pods) {
      const held = this.cloud
        .interfacesOf(id("i", node + 1))
        .find(({ id: one }) => one === this.cloud.ownerOf(address));
      expect(held, `${address} of ${name} on node ${node} (${this.kinds[node]})`).toBeDefined();
    }
  }

  async #add(node: number): Promise<void> {
    this.#count += 1;
    const name = `pod-${this.#count}`;
    for (let tries = 0; tries < 120; tries += 1) {
      let given: string | undefined;
      this.agents[node]?.add({ attachment: attachment(name), pod: pod(name) }).then(
        ({ address }) => {
          given = address;
        },
        () => undefined,
      );
      await this.runFor(1_000);
      if (given === undefined) continue;
      expect(this.pods.get(given), `${given} is another pod's`).toBeUndefined();
      this.pods.set(given, { node, name });
      return;
    }
    throw new Error(`no address for ${name} on node ${node} (${this.kinds[node]})`);
  }

  #context(node: number, dice: Dice): NodeContext {
    const settings = {
      eni: { "first-interface-index": 0, "cluster-name": CLUSTER, "interface-idle-seconds": 60 },
      ipam: { "pre-allocate": 4, "release-delay-seconds": 60 },
    };
    return {
      node,
      name: `node-${node}`,
      instanceId: id("i", node + 1),
      instanceType: TYPE,
      bootId: "boot-0",
      settings: this.kinds[node] === "enid" ? settings : { eni: { "first-interface-index": 0 }, ipam: {} },
      clock: new ProcessClock(this.scheduler),
      dice,
    };
  }

  #heard(call: LoggedCall): void {
    const { action, hadEffect, parameters } = call;
    const interfaceId = String(parameters.NetworkInterfaceId);
    if (!hadEffect) return;
    if (action === "DeleteNetworkInterface") this.deleters.set(interfaceId, callerOf(call));
    if (action !== "AttachNetworkInterface") return;
    const kind = this.kinds.find((_, node) => id("i", node + 1) === parameters.InstanceId);
    if (kind !== undefined) this.attached.set(interfaceId, kind);
  }
}

/** Each program by how it names its requests; the operator itself deletes nothing but what it cannot attach. */
function callerOf({ requestId }: LoggedCall): Kind {
  if (requestId === COLLECTOR) return "cilium-operator";
  return requestId === "" ? "vpc-cni" : "enid";
}

const attachment = (name: string) => ({ network: "pods", containerId: name, interfaceName: "eth0" });
const pod = (name: string) => ({ namespace: "default", name, uid: `uid-${name}` });

describe("a cluster with nodes of enid, of the VPC CNI and of Cilium's operator", () => {
  it.each([7, 8])(
    "lives for hours: no address is given twice, each program removes its own leftovers alone (seed %d)",
    async (seed) => {
      const mixed = new Mixed(2, seed);
      await mixed.runFor(300_000);
      for (let round = 0; round < 4; round += 1) {
        await mixed.fill(12);
        mixed.verify();
        await mixed.runFor(HOUR_MS / 2);
        mixed.verify();
        await mixed.empty();
        await mixed.runFor(HOUR_MS);
      }
      const leftovers = LEFT_NAMES.map((name) => [name, mixed.deleters.get(leftId(name)) ?? "nobody"]);
      expect(Object.fromEntries(leftovers)).toEqual({
        enid: "enid",
        both: "enid",
        "vpc-cni": "vpc-cni",
        "cilium-operator": "cilium-operator",
        nobody: "nobody",
      });
      const ofNodes = [...mixed.deleters].filter(([interfaceId]) => mixed.attached.has(interfaceId));
      expect(ofNodes.filter(([interfaceId, kind]) => mixed.attached.get(interfaceId) !== kind)).toEqual([]);
      // Interfaces came and went while the collectors looked.
      expect(new Set(ofNodes.map(([, kind]) => kind))).toEqual(new Set(["enid", "vpc-cni"]));
      expect(mixed.cloud.truth().orphans).toEqual([leftId("nobody")]);
    },
    60_000,
  );
});
