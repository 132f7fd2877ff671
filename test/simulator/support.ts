/** What the tests of the simulated cloud share: a small model, a clock that only tests move, a seeded generator. */
import { readFileSync } from "node:fs";
import { EC2Client } from "@aws-sdk/client-ec2";
import { STSClient } from "@aws-sdk/client-sts";
import type { Clock, Random } from "../../src/adapters/index.ts";
import {
  loadModel,
  type ModelDescription,
  type RunningSimulator,
  type SettingsPatch,
  SimulatedCloud,
  SimulatedError,
  startSimulator,
} from "../../src/simulator/index.ts";

export const EXAMPLE_FILE = new URL("../../src/simulator/examples/two-pod-subnets.json", import.meta.url).pathname;

export const VPC = "vpc-0000000000000000a";
export const OTHER_VPC = "vpc-0000000000000000b";
/** 10.0.0.0/24 in zone a: the node's own subnet. */
export const NODE_SUBNET = "subnet-0000000000000000a";
/** 10.0.1.0/28 in zone a: 11 usable addresses. */
export const SMALL_SUBNET = "subnet-0000000000000000b";
/** 10.0.2.0/24 in zone b. */
export const ZONE_B_SUBNET = "subnet-0000000000000000c";
/** 10.9.0.0/24 of the other VPC, in zone a. */
export const OTHER_VPC_SUBNET = "subnet-0000000000000000d";
export const GROUP = "sg-0000000000000000a";
export const OTHER_VPC_GROUP = "sg-0000000000000000b";
/** m5.large: 3 interfaces of 10 addresses. */
export const NODE = "i-0000000000000000a";
/** t2.micro: 2 interfaces of 2 addresses, no Nitro. */
export const XEN_NODE = "i-0000000000000000b";
/** p4d.24xlarge: 4 network cards of 15 interfaces. */
export const CARD_NODE = "i-0000000000000000c";
export const PRIMARY = "eni-0000000000000000a";
export const MANAGED = "eni-0000000000000000d";

/** Nothing lags and nothing takes time, unless the patch says so. */
export const INSTANT: SettingsPatch = {
  latencyMs: { "*": 0, ...Object.fromEntries(slowActions().map((name) => [name, 0])) },
  attachMs: 0,
  detachMs: 0,
  describeLagMs: 0,
  metadataLagMs: 0,
};

export function testModel(settings: SettingsPatch = {}): ModelDescription {
  const tags = { Name: "node", "kubernetes.io/cluster/test": "owned" };
  const json = {
    region: "eu-west-1",
    account: "111122223333",
    vpcs: [
      {
        id: VPC,
        cidrs: ["10.0.0.0/16", "100.64.0.0/16"],
        ipv6Cidrs: ["2001:db8:a::/56"],
        tags: { Name: "main" },
      },
      { id: OTHER_VPC, cidrs: ["10.9.0.0/16"] },
    ],
    subnets: [
      { id: NODE_SUBNET, vpc: VPC, cidr: "10.0.0.0/24", zone: "eu-west-1a", tags: { Name: "nodes", pods: "true" } },
      { id: SMALL_SUBNET, vpc: VPC, cidr: "10.0.1.0/28", zone: "eu-west-1a", tags: { Name: "small" } },
      { id: ZONE_B_SUBNET, vpc: VPC, cidr: "10.0.2.0/24", ipv6Cidr: "2001:db8:a:c::/64", zone: "eu-west-1b" },
      { id: OTHER_VPC_SUBNET, vpc: OTHER_VPC, cidr: "10.9.0.0/24", zone: "eu-west-1a" },
    ],
    securityGroups: [
      { id: GROUP, vpc: VPC, name: "nodes", description: "of the nodes", tags: { role: "node" } },
      { id: OTHER_VPC_GROUP, vpc: OTHER_VPC, name: "elsewhere" },
    ],
    instances: [
      {
        id: NODE,
        type: "m5.large",
        subnet: NODE_SUBNET,
        primaryInterface: PRIMARY,
        primaryAddress: "10.0.0.10",
        securityGroups: [GROUP],
        tags,
      },
      { id: XEN_NODE, type: "t2.micro", subnet: NODE_SUBNET, primaryAddress: "10.0.0.11" },
      {
        id: CARD_NODE,
        type: "p4d.24xlarge",
        subnet: NODE_SUBNET,
        primaryAddress: "10.0.0.12",
        tags: { "aws:autoscaling:groupName": "cards", own: "yes" },
      },
    ],
    interfaces: [
      {
        id: MANAGED,
        subnet: NODE_SUBNET,
        primaryAddress: "10.0.0.13",
        requesterManaged: true,
        interfaceType: "lambda",
        tags: { of: "aws" },
      },
    ],
    settings: { ...INSTANT, ...settings },
  };
  return loadModel(json, "test-model.json");
}

/** A clock that stands still until a test moves it. */
export class TestClock implements Clock {
  #nowMs = 1_800_000_000_000;
  #due: { atMs: number; callback: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const entry = { atMs: this.#nowMs + delayMs, callback };
    this.#due.push(entry);
    return () => {
      this.#due = this.#due.filter((other) => other !== entry);
    };
  }

  nextTurn(callback: () => void): void {
    this.after(0, callback);
  }

  /** Moves time on and runs what falls due, in order. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const [next] = this.#due.filter(({ atMs }) => atMs <= endMs).sort((one, other) => one.atMs - other.atMs);
      if (!next) break;
      this.#due = this.#due.filter((other) => other !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
    }
    this.#nowMs = endMs;
  }
}

/** mulberry32: small, seeded, good enough to choose addresses. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const fraction = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const hex = (digits: number) =>
    Array.from({ length: digits }, () => Math.floor(fraction() * 16).toString(16)).join("");
  return { fraction, id: () => `${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)}` };
}

export interface Laboratory {
  readonly cloud: SimulatedCloud;
  readonly clock: TestClock;
}

/** A cloud in process, whose time only the test moves. */
export function laboratory(
  settings: SettingsPatch = {},
  seed = 1,
  description: ModelDescription = testModel(settings),
): Laboratory {
  const clock = new TestClock();
  const cloud = new SimulatedCloud({ description, clock, random: seededRandom(seed) });
  return { cloud, clock };
}

export interface Running {
  readonly simulator: RunningSimulator;
  readonly ec2: EC2Client;
  readonly sts: STSClient;
  close(): Promise<void>;
}

/** A simulator over HTTP with the unmodified SDK in front of it. */
export async function running(
  settings: SettingsPatch = {},
  client: { maxAttempts?: number } = {},
  description = testModel(settings),
): Promise<Running> {
  const simulator = await startSimulator({ description, random: seededRandom(7) });
  const configuration = {
    endpoint: simulator.endpoint,
    region: "eu-west-1",
    credentials: { accessKeyId: "AKIATEST", secretAccessKey: "test" },
    ...client,
  };
  const ec2 = new EC2Client(configuration);
  const sts = new STSClient(configuration);
  const close = async () => {
    ec2.destroy();
    sts.destroy();
    await simulator.close();
  };
  return { simulator, ec2, sts, close };
}

/** The code that a call in process is refused with; fails when it is not. */
export function refusalOf(call: () => unknown): { code: string; message: string; httpStatus: number } {
  try {
    call();
  } catch (thrown) {
    if (thrown instanceof SimulatedError) {
      return { code: thrown.code, message: thrown.message, httpStatus: thrown.httpStatus };
    }
    throw thrown;
  }
  throw new Error("the call succeeded");
}

/** What the SDK makes of a refusal; fails when the call succeeds. */
export async function errorOf(call: Promise<unknown>): Promise<{ name: string; message: string; status: number }> {
  try {
    await call;
  } catch (thrown) {
    const { name, message, $metadata } = thrown as Error & { $metadata?: { httpStatusCode?: number } };
    return { name, message, status: $metadata?.httpStatusCode ?? 0 };
  }
  throw new Error("the call succeeded");
}

export function exampleModel(): ModelDescription {
  return loadModel(JSON.parse(readFileSync(EXAMPLE_FILE, "utf8")), EXAMPLE_FILE);
}

function slowActions(): string[] {
  return [
    "CreateNetworkInterface",
    "AttachNetworkInterface",
    "AssignPrivateIpAddresses",
    "UnassignPrivateIpAddresses",
    "ModifyNetworkInterfaceAttribute",
    "DetachNetworkInterface",
    "DeleteNetworkInterface",
    "CreateTags",
    "DeleteTags",
    "DescribeInstances",
    "DescribeNetworkInterfaces",
  ];
}
