import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { DaemonProcess } from "../../scripts/lab/daemon.ts";
import { callDaemon, type LabPod, labPods } from "../../scripts/lab/plugin.ts";
import { type Clock, sleep, systemClock } from "../../src/adapters/index.ts";
import type { AdoptionReport, StatusReport } from "../../src/manager/index.ts";
import type { Lease } from "../../src/pool/index.ts";
import { Dice } from "../../src/simulator/engine/index.ts";
import {
  type InstanceDescription,
  loadModel,
  type NetworkInterface,
  type RunningSimulator,
  startSimulator,
} from "../../src/simulator/index.ts";
import { CiliumAgent } from "../../src/simulator/policies/cilium-agent.ts";
import { CiliumOperator } from "../../src/simulator/policies/cilium-operator.ts";
import { VpcCniDaemon } from "../../src/simulator/policies/vpc-cni-daemon.ts";
import type { Agent, FleetContext, NodeContext } from "../../src/simulator/scenario/index.ts";
import { callEnid } from "../cli/run-enid.ts";
import { PodBook } from "./pod-book.ts";

export const CLUSTER = "shop";
export const SUBNET = "subnet-0ab00000000000001";
const VPC = "vpc-0ab00000000000001";
const TYPE = "m5.xlarge";
/** Of the cloud and of the peers: their rounds of 5 s take 50 ms. */
const SPEED = 100;
const LIMIT_MS = 60_000;
const NETWORK = "cilium";
/** Cilium's operator looks at all instances once a minute; longer, as EC2 may take its time to show what changed. */
const RESYNC_MS = 130_000;

export type Peer = "vpc-cni" | "cilium";

/** The number of a node, from 1, is in the ids of its instance and of its primary interface. */
export const instanceOf = (node: number) => `i-0ab0000000000000${node}`;
export const primaryOf = (node: number) => `eni-0ab0000000000000${node}`;

/** A clock on which everything is `SPEED` times as fast. */
const fastClock: Clock = {
  nowMs: () => START_MS + (systemClock.monotonicMs() - START_MONOTONIC_MS) * SPEED,
  monotonicMs: () => systemClock.monotonicMs() * SPEED,
  after: (delayMs, callback) => systemClock.after(delayMs / SPEED, callback),
  nextTurn: (callback) => systemClock.nextTurn(callback),
};
const START_MS = systemClock.nowMs();
const START_MONOTONIC_MS = systemClock.monotonicMs();

/** enid on a node, as a process over HTTP. */
export interface EnidNode {
  readonly node: number;
  /** Without it the daemon is started and not waited for. */
  start(phase?: StatusReport["phase"]): Promise<StatusReport>;
  stop(): Promise<void>;
  until(condition: (status: StatusReport) => boolean): Promise<StatusReport>;
  leases(): Promise<readonly Lease[]>;
  /** The standard output of a command that ends with 0. */
  enid(...args: readonly string[]): Promise<string>;
  adopt(from: Peer, record: unknown, ...args: readonly string[]): Promise<AdoptionReport>;
  add(pod: LabPod): Promise<string>;
  remove(pod: LabPod): Promise<void>;
}

/** The other program on a node. */
export interface PeerNode {
  readonly node: number;
  readonly agent: Agent;
  /** What is on its disk: a process that starts later goes on with them. */
  readonly leases: Map<string, Lease>;
  add(pod: LabPod): Promise<string>;
  remove(pod: LabPod): Promise<void>;
  /** The process ends, and for Cilium the CiliumNode is deleted. */
  leave(): void;
  /** What it leaves on the disk, or in Kubernetes, of its leases. */
  record(): unknown;
}

/** A Region with one cluster: nodes that the peers' own code has set up, and real daemons of enid. */
export class Region {
  readonly simulator: RunningSimulator;
  readonly book: PodBook;
  readonly #dice = new Dice(1);
  readonly #folder = mkdtempSync(join(tmpdir(), "enid-migrate-"));
  readonly #peers: Agent[] = [];
  #operator: CiliumOperator | undefined;

  private constructor(simulator: RunningSimulator) {
    this.simulator = simulator;
    this.book = new PodBook(simulator.cloud);
  }

  static async start(nodes: number, further: { readonly interfaces?: readonly object[] } = {}): Promise<Region> {
    const model = {
      region: "eu-central-1",
      account: "111122223333",
      vpcs: [{ id: VPC, cidrs: ["10.0.0.0/16"] }],
      subnets: [
        { id: SUBNET, vpc: VPC, cidr: "10.0.16.0/20", zone: "eu-central-1a", tags: { "enid.io/pods": "true" } },
      ],
      instances: Array.from({ length: nodes }, (_, index) => described(index + 1)),
      ...further,
    };
    const region = new Region(await startSimulator({ description: loadModel(model, "region.ts"), speed: SPEED }));
    onTestFinished(async () => {
      for (const peer of region.#peers) peer.cut();
      await region.simulator.close();
      rmSync(region.#folder, { recursive: true, force: true });
    });
    return region;
  }

  launch(node: number) {
    return this.simulator.launch(described(node));
  }

  /** Starts it and waits until it is ready. `leases`: what it has on its disk. */
  async peer(kind: Peer, node: number, leases = new Map<string, Lease>()): Promise<PeerNode> {
    const context = this.#context(node);
    // What the operator knows of an instance without a CiliumNode is up to a minute old.
    if (kind === "cilium" && this.#operator !== undefined) await sleep(fastClock, RESYNC_MS);
    const agent = this.#agent(kind, context, leases);
    this.#peers.push(agent);
    await soon(() => agent.notReady() === undefined, `${kind} on node ${node} to be ready`);
    const add = async (pod: LabPod) => {
      const request = { attachment: attachmentOf(pod), pod };
      let address: string | undefined;
      await soon(async () => {
        address = (await agent.add(request).catch(() => undefined))?.address;
        return address !== undefined;
      }, `${kind} to give ${pod.name} an address`);
      return this.book.enter(instanceOf(node), pod, address ?? "");
    };
    return {
      node,
      agent,
      leases,
      add,
      remove: async (pod) => {
        this.book.strike(pod);
        await agent.remove(attachmentOf(pod), pod);
      },
      leave: () => {
        agent.cut();
        if (kind === "cilium") this.#operator?.withdraw(context);
      },
      record: () => (kind === "vpc-cni" ? checkpointOf(leases) : ciliumNodeOf(leases)),
    };
  }

  enid(node: number, ipam: Readonly<Record<string, unknown>> = {}): EnidNode {
    const folder = mkdtempSync(join(this.#folder, `node-${node}-`));
    const configurationFile = join(folder, "05-enid.conf");
    const configuration = JSON.stringify({
      cniVersion: "1.0.0",
      name: NETWORK,
      type: "cilium-cni",
      eni: {
        "first-interface-index": 0,
        "subnet-tags": { "enid.io/pods": "true" },
        "start-jitter-seconds": 0,
        "cluster-name": CLUSTER,
      },
      ipam: { type: "enid-ipam", "pre-allocate": 4, "cooling-seconds": 1, ...ipam },
    });
    writeFileSync(configurationFile, configuration);
    const environment = this.simulator.environment(instanceOf(node));
    const daemon = new DaemonProcess({ folder, configurationFile, environment });
    onTestFinished(() => daemon.kill());
    const until = (condition: (status: StatusReport) => boolean) =>
      daemon.until<StatusReport>("/v1/status", condition, LIMIT_MS);
    const call = async (verb: "ADD" | "DEL", pod: LabPod) => {
      const { containerId } = pod;
      return callDaemon({ verb, containerId, pod, configuration, environment: {} }, daemon.socket);
    };
    const enid = async (...args: readonly string[]) => {
      const { code, stdout, stderr } = await callEnid(args, daemon.clientEnvironment);
      expect(code, `enid ${args.join(" ")}: ${stdout}${stderr}`).toBe(0);
      return stdout;
    };
    return {
      node,
      start: (phase = "ready") => {
        daemon.start();
        return until((status) => status.phase === phase);
      },
      stop: async () => {
        expect(await daemon.stop()).toBe(0);
      },
      until,
      leases: () => daemon.leases(),
      enid,
      adopt: async (from, record, ...args) => {
        const file = join(folder, "record.json");
        writeFileSync(file, JSON.stringify(record));
        return JSON.parse(await enid("adopt", "--from", from, "--file", file, "--ipamd", "off", "--json", ...args));
      },
      add: async (pod) => {
        const { address, error } = await call("ADD", pod);
        expect(error).toBeUndefined();
        return this.book.enter(instanceOf(node), pod, address ?? "");
      },
      remove: async (pod) => {
        this.book.strike(pod);
        expect((await call("DEL", pod)).exitCode).toBe(0);
      },
    };
  }

  interfacesOf(node: number): readonly NetworkInterface[] {
    return this.simulator.cloud.interfacesOf(instanceOf(node));
  }

  /** Calls of enid that changed the cloud: the SDK names each call, the peers do not. */
  ofEnid(after = 0) {
    const calls = this.simulator.cloud.log.calls({ after });
    return calls.filter(({ isMutating, hadEffect, invocationId }) => isMutating && hadEffect && invocationId !== "");
  }

  lastCall(): number {
    return this.simulator.cloud.log.calls().at(-1)?.sequence ?? 0;
  }

  #agent(kind: Peer, context: NodeContext, leases: Map<string, Lease>): Agent {
    const world: FleetContext = {
      cloud: this.simulator.cloud,
      clock: fastClock,
      dice: this.#dice.fork("fleet"),
      nodeCount: 3,
      log: () => undefined,
    };
    if (kind === "vpc-cni") return new VpcCniDaemon(world, context, leases, { interfaces: 1 });
    this.#operator ??= new CiliumOperator(world);
    return new CiliumAgent(world.cloud, this.#operator, context, leases);
  }

  #context(node: number): NodeContext {
    return {
      node,
      name: `node-${node}`,
      instanceId: instanceOf(node),
      instanceType: TYPE,
      bootId: "boot-1",
      settings: { eni: { "first-interface-index": 0, "subnet-ids": [SUBNET] }, ipam: { "pre-allocate": 8 } },
      clock: fastClock,
      dice: this.#dice.fork(`node ${node}`),
    };
  }
}

/** Polls until it is so. */
export async function soon(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  await expect.poll(condition, { timeout: LIMIT_MS, interval: 10, message: `waits for ${what}` }).toBe(true);
}

/** Of one name, so that what follows them can be told from them. */
export function podsNamed(name: string, count: number): LabPod[] {
  return labPods(count).map((pod, index) => ({
    ...pod,
    containerId: `${name}-${index}-`.padEnd(64, "0"),
    name: `${name}-${index}`,
    uid: `uid-${name}-${index}`,
  }));
}

function described(node: number): InstanceDescription {
  return { id: instanceOf(node), type: TYPE, subnet: SUBNET, primaryInterface: primaryOf(node) };
}

function attachmentOf({ containerId }: LabPod) {
  return { network: "aws-cni", containerId, interfaceName: "eth0" };
}

/** pkg/ipamd/datastore: CheckpointData as 1.11 and later write it. */
function checkpointOf(leases: ReadonlyMap<string, Lease>) {
  return {
    version: "vpc-cni-ipam/1",
    allocations: [...leases.values()].map(({ address, attachment, pod, leasedAtMs }) => ({
      networkName: attachment.network,
      containerID: attachment.containerId,
      ifName: attachment.interfaceName,
      ipv4: address,
      allocationTimestamp: Math.round(leasedAtMs) * 1_000_000,
      metadata: { k8sPodNamespace: pod.namespace, k8sPodName: pod.name, interfacesCount: 1 },
    })),
  };
}

/** cilium.io/v2, status.ipam.used as agents to 1.19 write it. */
function ciliumNodeOf(leases: ReadonlyMap<string, Lease>) {
  const used = [...leases.values()].map(({ address, pod }) => [address, { owner: `${pod.namespace}/${pod.name}` }]);
  return { apiVersion: "cilium.io/v2", kind: "CiliumNode", status: { ipam: { used: Object.fromEntries(used) } } };
}
