import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Clock } from "../src/adapters/index.ts";
import { type ModelDescription, type Parameters, type Result, SimulatedCloud } from "../src/simulator/index.ts";
import { median, round } from "./median.ts";

/**
 * What a call of the simulated cloud costs by the number of nodes in the account: a fleet of m5.xlarge, each with a
 * second interface of 14 addresses. `bin/with-node bench/cloud-scale.ts` prints it.
 */

const NODES = { id: "subnet-0000000000000000a", cidr: "10.0.0.0/18" };
/** 5,000 nodes of 14 addresses hold two thirds of them. */
const PODS = [
  { id: "subnet-0000000000000000b", cidr: "10.1.0.0/16" },
  { id: "subnet-0000000000000000c", cidr: "10.2.0.0/17" },
  { id: "subnet-0000000000000000d", cidr: "10.2.128.0/18" },
];
const SUBNETS = [NODES, ...PODS];
const VPC = "vpc-0000000000000000a";
const GROUP = "sg-0000000000000000a";
const ZONE = "eu-west-1a";
const SECONDARY_ADDRESSES = 13;
const BATCHES = 41;
const CALLS_PER_BATCH = 100;
/** Longer than any lag of the model: every view shows everything. */
const SETTLED_MS = 60_000;

export interface CloudScale {
  /** Median microseconds per call, by call and number of nodes. */
  readonly callUs: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** What the state of a node takes of the heap, in bytes, by number of nodes. */
  readonly nodeBytes: Readonly<Record<string, number>>;
}

/** A step of the measurement: what is done for the nodes one after the other, and what comes before without a watch. */
interface Measure {
  readonly title: string;
  readonly run: (fleet: Fleet, node: Node) => void;
  readonly settle?: true;
}

interface Node {
  readonly instanceId: string;
  readonly interfaceId: string;
  readonly mac: string;
  readonly token: string;
  /** What the measures before made. */
  assigned: string;
  created: { interfaceId: string; attachmentId: string };
}

/** In this order: some take back what those before them did, so that every batch finds the fleet as the last one. */
const MEASURES: readonly Measure[] = [
  {
    title: "DescribeNetworkInterfaces by attachment.instance-id",
    run: ({ cloud }, { instanceId }) => describe(cloud, "attachment.instance-id", instanceId),
  },
  {
    title: "DescribeNetworkInterfaces by tag:enid.io/instance-id",
    run: ({ cloud }, { instanceId }) => describe(cloud, "tag:enid.io/instance-id", instanceId),
  },
  {
    title: "DescribeNetworkInterfaces by network-interface-id",
    run: ({ cloud }, { interfaceId }) => describe(cloud, "network-interface-id", interfaceId),
  },
  {
    title: "DescribeNetworkInterfaces, leftovers of the cluster",
    run: ({ cloud }) => {
      const Filter = [
        { Name: "tag:enid.io/cluster", Value: ["bench"] },
        { Name: "status", Value: ["available"] },
      ];
      cloud.call("DescribeNetworkInterfaces", { Filter, MaxResults: 1_000 });
    },
  },
  {
    title: "DescribeSubnets by id",
    run: ({ cloud }) => cloud.call("DescribeSubnets", { SubnetId: [NODES.id] }),
  },
  {
    title: "DescribeSubnets by vpc-id and tag",
    run: ({ cloud }) => {
      const Filter = [
        { Name: "vpc-id", Value: [VPC] },
        { Name: "tag:pods", Value: ["true"] },
      ];
      cloud.call("DescribeSubnets", { Filter, MaxResults: 1_000 });
    },
  },
  {
    title: "DescribeInstanceTypes",
    run: ({ cloud }) => cloud.call("DescribeInstanceTypes", { InstanceType: ["m5.xlarge"] }),
  },
  {
    title: "AssignPrivateIpAddresses by count",
    run: ({ cloud }, node) => {
      const one = { NetworkInterfaceId: node.interfaceId, SecondaryPrivateIpAddressCount: 1 };
      const { assignedPrivateIpAddressesSet: [address] = [] } = cloud.call("AssignPrivateIpAddresses", one) as {
        assignedPrivateIpAddressesSet?: { privateIpAddress: string }[];
      };
      node.assigned = address?.privateIpAddress ?? "";
    },
  },
  {
    title: "UnassignPrivateIpAddresses",
    run: ({ cloud }, { interfaceId, assigned }) =>
      cloud.call("UnassignPrivateIpAddresses", { NetworkInterfaceId: interfaceId, PrivateIpAddress: [assigned] }),
  },
  {
    title: "CreateNetworkInterface and AttachNetworkInterface",
    settle: true,
    run: (fleet, node) => {
      node.created = create(fleet, node.instanceId, 2);
    },
  },
  {
    title: "DetachNetworkInterface",
    settle: true,
    run: ({ cloud }, { created }) => cloud.call("DetachNetworkInterface", { AttachmentId: created.attachmentId }),
  },
  {
    title: "DeleteNetworkInterface",
    settle: true,
    run: ({ cloud }, { created }) => cloud.call("DeleteNetworkInterface", { NetworkInterfaceId: created.interfaceId }),
  },
  {
    title: "metadata, local-ipv4s of an interface",
    run: ({ cloud }, { instanceId, mac, token }) => {
      const path = `/latest/meta-data/network/interfaces/macs/${mac}/local-ipv4s`;
      cloud.metadata(instanceId, { method: "GET", path, headers: { "x-aws-ec2-metadata-token": token } });
    },
  },
];

interface Fleet {
  readonly size: number;
  readonly cloud: SimulatedCloud;
  readonly nodes: readonly Node[];
  readonly bytesPerNode: number;
  wait(ms: number): void;
}

/** Batches of all sizes take turns, so that a busy machine treats them alike. */
export function measureCloudScale(sizes: readonly number[], batches = BATCHES): CloudScale {
  const fleets = sizes.map(launchFleet);
  const samples = new Map<string, number[]>();
  for (let batch = -10; batch < batches; batch++) {
    for (const fleet of fleets) {
      for (const { title, run, settle } of MEASURES) {
        const nodes = someNodes(fleet, batch + 10);
        const startNs = process.hrtime.bigint();
        for (const node of nodes) run(fleet, node);
        const us = Number(process.hrtime.bigint() - startNs) / 1_000 / nodes.length;
        const key = `${title} ${fleet.size}`;
        if (batch >= 0) samples.set(key, [...(samples.get(key) ?? []), us]);
        if (settle) fleet.wait(SETTLED_MS);
      }
    }
  }
  const bySize = <T>(figure: (fleet: Fleet) => T) =>
    Object.fromEntries(fleets.map((fleet) => [String(fleet.size), figure(fleet)]));
  const callUs = MEASURES.map(({ title }) => [
    title,
    bySize(({ size }) => round(median(samples.get(`${title} ${size}`) ?? []), 2)),
  ]);
  return { callUs: Object.fromEntries(callUs), nodeBytes: bySize(({ bytesPerNode }) => Math.round(bytesPerNode)) };
}

/** Other nodes in each batch, spread over the fleet. */
function someNodes({ nodes }: Fleet, batch: number): readonly Node[] {
  const step = Math.floor(nodes.length / CALLS_PER_BATCH);
  return Array.from({ length: CALLS_PER_BATCH }, (_, index) => nodes[(index * step + batch) % nodes.length] as Node);
}

function launchFleet(size: number): Fleet {
  const before = heapBytes();
  let nowMs = 1_800_000_000_000;
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after: () => () => undefined,
    nextTurn: () => undefined,
  };
  const cloud = new SimulatedCloud({
    description: describeFleet(size),
    clock,
    random: seededRandom(size),
    log: "counts",
  });
  const fleet = {
    size,
    cloud,
    wait: (ms: number) => {
      nowMs += ms;
    },
  };
  const instanceIds = cloud.instanceIds();
  const created = instanceIds.map((instanceId) => create(fleet, instanceId, 1));
  fleet.wait(SETTLED_MS);
  const bytesPerNode = (heapBytes() - before) / size;
  const nodes = instanceIds.map((instanceId, index): Node => {
    const interfaceId = created[index]?.interfaceId ?? "";
    const headers = { "x-aws-ec2-metadata-token-ttl-seconds": "21600" };
    const answer = cloud.metadata(instanceId, { method: "PUT", path: "/latest/api/token", headers });
    const token = answer.kind === "reply" ? answer.body : "";
    const mac = cloud.interface(interfaceId)?.mac ?? "";
    return { instanceId, interfaceId, mac, token, assigned: "", created: { interfaceId: "", attachmentId: "" } };
  });
  return { ...fleet, nodes, bytesPerNode };
}

function create(
  { cloud }: Pick<Fleet, "cloud">,
  instanceId: string,
  deviceIndex: number,
): { interfaceId: string; attachmentId: string } {
  const tags = { "enid.io/managed": "true", "enid.io/cluster": "bench", "enid.io/instance-id": instanceId };
  const Tag = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  const { networkInterface } = cloud.call("CreateNetworkInterface", {
    SubnetId: podSubnet(instanceId),
    SecurityGroupId: [GROUP],
    SecondaryPrivateIpAddressCount: SECONDARY_ADDRESSES,
    TagSpecification: [{ ResourceType: "network-interface", Tag }],
    ClientToken: `${instanceId}-${deviceIndex}-${cloud.nowMs()}`,
  });
  const interfaceId = text((networkInterface as Result).networkInterfaceId);
  const where = { NetworkInterfaceId: interfaceId, InstanceId: instanceId, DeviceIndex: deviceIndex };
  return { interfaceId, attachmentId: text(cloud.call("AttachNetworkInterface", where).attachmentId) };
}

/** In proportion to the sizes of the subnets. */
function podSubnet(instanceId: string): string {
  const place = Number.parseInt(instanceId.slice(-4), 16) % 7;
  return PODS[place < 4 ? 0 : place < 6 ? 1 : 2]?.id ?? "";
}

function describe(cloud: SimulatedCloud, name: string, value: string): void {
  const request: Parameters = { Filter: [{ Name: name, Value: [value] }], MaxResults: 1_000 };
  const { networkInterfaceSet } = cloud.call("DescribeNetworkInterfaces", request);
  if ((networkInterfaceSet as readonly unknown[]).length === 0) throw new Error(`no interface has ${name} ${value}`);
}

function describeFleet(size: number): ModelDescription {
  return {
    region: "eu-west-1",
    account: "111122223333",
    vpcs: [{ id: VPC, cidrs: ["10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16"] }],
    subnets: SUBNETS.map((one) => ({ ...one, vpc: VPC, zone: ZONE, tags: { pods: "true" } })),
    securityGroups: [{ id: GROUP, vpc: VPC, name: "nodes" }],
    instances: Array.from({ length: size }, (_, index) => ({
      id: `i-${index.toString(16).padStart(17, "0")}`,
      type: "m5.xlarge",
      subnet: NODES.id,
      securityGroups: [GROUP],
    })),
    settings: { throttling: false, interfaceQuota: 1_000_000 },
  };
}

function text(value: unknown): string {
  if (typeof value !== "string") throw new Error("the simulated cloud gave no id");
  return value;
}

let collect: (() => void) | undefined;

/** What lives on the heap. */
function heapBytes(): number {
  if (!collect) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  collect();
  return process.memoryUsage().heapUsed;
}

/** A congruential generator: the same fleet in every run. */
function seededRandom(seed: number): { fraction(): number; id(): string } {
  let state = seed >>> 0;
  const fraction = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const hex = () =>
    Math.floor(fraction() * 2 ** 32)
      .toString(16)
      .padStart(8, "0");
  return {
    fraction,
    id: () => {
      const digits = hex() + hex() + hex() + hex();
      return [0, 8, 12, 16, 20].map((start, at, all) => digits.slice(start, all[at + 1])).join("-");
    },
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const sizes = [100, 5_000];
  const { callUs, nodeBytes } = measureCloudScale(sizes);
  const rows = Object.entries({ ...callUs, "heap of a node, bytes": nodeBytes });
  console.log(
    `${"microseconds per call".padEnd(56)}${sizes.map((size) => `${size} nodes`.padStart(12)).join("")}   ratio`,
  );
  for (const [title, figures] of rows) {
    const values = sizes.map((size) => figures[String(size)] ?? Number.NaN);
    const ratio = (values.at(-1) ?? Number.NaN) / (values[0] ?? Number.NaN);
    console.log(
      `${title.padEnd(56)}${values.map((one) => String(one).padStart(12)).join("")}${ratio.toFixed(2).padStart(8)}`,
    );
  }
}
