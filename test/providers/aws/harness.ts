import { systemClock, systemRandom } from "../../../src/adapters/index.ts";
import type { Intent, Provider, Selection } from "../../../src/manager/ports/index.ts";
import type { BlockUnit, CreateInterfaceStep, Step } from "../../../src/planning/index.ts";
import { type AwsLimits, createAwsProvider } from "../../../src/providers/aws/index.ts";
import {
  type FaultEffect,
  type LoggedCall,
  type ModelDescription,
  type NetworkInterface,
  type RunningSimulator,
  type SettingsPatch,
  startSimulator,
} from "../../../src/simulator/index.ts";
import { QUICK, RecordingTelemetry } from "./support.ts";

export const VPC = "vpc-0a000000000000001";
export const NODE_SUBNET = "subnet-0a000000000000001";
export const POD_SUBNET = "subnet-0a000000000000002";
export const SECOND_POD_SUBNET = "subnet-0a000000000000003";
export const NEVER_SUBNET = "subnet-0a000000000000004";
export const OTHER_ZONE_SUBNET = "subnet-0a000000000000005";
export const OTHER_VPC_SUBNET = "subnet-0b000000000000001";
export const NODE_GROUP = "sg-0a000000000000001";
export const POD_GROUP = "sg-0a000000000000002";
export const INSTANCE = "i-0a000000000000001";
export const OTHER_INSTANCE = "i-0a000000000000002";
export const PRIMARY = "eni-0a000000000000001";

/** Long enough ago that nothing of EC2 lags any more; the ClientToken still counts. */
export const AN_HOUR_MS = 3_600_000;

/** The instance that the provider runs on. */
export const NODE = {
  id: INSTANCE,
  type: "m5.large",
  subnet: NODE_SUBNET,
  primaryInterface: PRIMARY,
  primaryAddress: "10.64.0.10",
  securityGroups: [NODE_GROUP],
};

const zone = "eu-central-1a";
/** The simulated cloud unless a test says otherwise. */
export const MODEL: ModelDescription = {
  region: "eu-central-1",
  account: "123456789012",
  vpcs: [
    { id: VPC, cidrs: ["10.64.0.0/16"] },
    { id: "vpc-0b000000000000001", cidrs: ["10.99.0.0/16"] },
  ],
  subnets: [
    { id: NODE_SUBNET, vpc: VPC, cidr: "10.64.0.0/24", zone },
    { id: POD_SUBNET, vpc: VPC, cidr: "10.64.1.0/24", zone, tags: { "enid.io/pods": "true" } },
    { id: SECOND_POD_SUBNET, vpc: VPC, cidr: "10.64.2.0/24", zone, tags: { "enid.io/pods": "true", team: "a" } },
    { id: NEVER_SUBNET, vpc: VPC, cidr: "10.64.3.0/24", zone, tags: { "enid.io/pods": "never" } },
    { id: OTHER_ZONE_SUBNET, vpc: VPC, cidr: "10.64.4.0/24", zone: "eu-central-1b", tags: { "enid.io/pods": "true" } },
    {
      id: OTHER_VPC_SUBNET,
      vpc: "vpc-0b000000000000001",
      cidr: "10.99.0.0/24",
      zone,
      tags: { "enid.io/pods": "true" },
    },
  ],
  securityGroups: [
    { id: NODE_GROUP, vpc: VPC, name: "nodes", tags: { role: "node" } },
    { id: POD_GROUP, vpc: VPC, name: "pods", tags: { role: "pod", team: "a" } },
    { id: "sg-0b000000000000001", vpc: "vpc-0b000000000000001", name: "foreign", tags: { role: "pod" } },
  ],
  instances: [NODE, { id: OTHER_INSTANCE, type: "m5.large", subnet: NODE_SUBNET, primaryAddress: "10.64.0.11" }],
  // Fast, and nothing lags; tests that are about lag say so.
  settings: { speed: 100, describeLagMs: 0, metadataLagMs: 0 },
};

/** The same with IPv6 in the node's subnet and the first one for pods, and in no other. */
export const DUAL_STACK: Pick<ModelDescription, "vpcs" | "subnets"> = {
  vpcs: MODEL.vpcs.map((vpc) => (vpc.id === VPC ? { ...vpc, ipv6Cidrs: ["2001:db8:ab:cd00::/56"] } : vpc)),
  subnets: MODEL.subnets.map((subnet) => {
    const position = [NODE_SUBNET, POD_SUBNET].indexOf(subnet.id);
    return position < 0 ? subnet : { ...subnet, ipv6Cidr: `2001:db8:ab:cd0${position}::/64` };
  }),
};

export const NOTHING_SAID: Selection = {
  subnetIds: [],
  subnetTags: {},
  securityGroups: [],
  securityGroupTags: {},
  excludeInterfaceTags: {},
  deleteOnTermination: true,
};

export interface Node {
  readonly simulator: RunningSimulator;
  readonly telemetry: RecordingTelemetry;
  readonly provider: Provider;
  /** A provider as a new process of enid would have it, on the same instance. */
  restart(): Promise<Provider>;
  /** What the cloud really has, whatever its views show. */
  interface(id: string): NetworkInterface | undefined;
  /** Interfaces that came into being since the start. */
  made(): readonly NetworkInterface[];
  /** Calls of clients since the last reset of the log; throttled and refused ones as well. */
  calls(select?: { mutating?: boolean }): readonly LoggedCall[];
  /** The next (or n-th) call of that action fares so. */
  fault(action: string, effect: FaultEffect, more?: { from?: number; times?: number | "unlimited" }): void;
  settings(patch: SettingsPatch): void;
  close(): Promise<void>;
}

export interface NodeOptions {
  readonly limits?: Partial<AwsLimits>;
  readonly model?: Partial<ModelDescription>;
  readonly environment?: Record<string, string>;
}

/** An m5.large (3 interfaces of 10 addresses) in a simulated VPC, and a provider that knows it. */
export async function startNode(options: NodeOptions = {}): Promise<Node> {
  const simulator = await startSimulator({ description: { ...MODEL, ...options.model } });
  const telemetry = new RecordingTelemetry();
  const opened: Provider[] = [];
  const open = async () => {
    const provider = createAwsProvider({
      clock: systemClock,
      random: systemRandom,
      telemetry,
      environment: { ...simulator.environment(INSTANCE), ...options.environment },
      limits: { ...QUICK, ...options.limits },
    });
    opened.push(provider);
    return provider;
  };
  const { cloud } = simulator;
  const initial = new Set(cloud.truth().interfaces.map((one) => one.id));
  return {
    simulator,
    telemetry,
    provider: await open(),
    restart: open,
    interface: (id) => cloud.truth().interfaces.find((one) => one.id === id),
    made: () => cloud.truth().interfaces.filter((one) => !initial.has(one.id)),
    calls: ({ mutating } = {}) =>
      cloud.log
        .calls()
        .filter((call) => call.caller === "client" && call.service === "ec2")
        .filter((call) => mutating === undefined || call.isMutating === mutating),
    fault: (action, effect, more = {}) => {
      cloud.faults.add({ action, effect, ...more });
    },
    settings: (patch) => {
      cloud.changeSettings(patch);
    },
    close: async () => {
      await Promise.all(opened.map((provider) => provider.close()));
      await simulator.close();
    },
  };
}

let intents = 0;

/** An intent as the manager opens it, now unless told otherwise. */
export function intentOf(step: Step, more: Partial<Intent> = {}): Intent {
  intents += 1;
  return {
    id: `${systemRandom.id()}-${intents}`.slice(0, 64),
    step,
    openedAtMs: systemClock.nowMs(),
    before: [],
    securityGroups: [POD_GROUP],
    deleteOnTermination: true,
    ...more,
  };
}

export const createStep = (
  count: number,
  deviceIndex = 1,
  subnetId = POD_SUBNET,
  more: Partial<Pick<CreateInterfaceStep, "networkCard" | "unit" | "ipv6Prefixes">> = {},
): Step => ({
  kind: "create-interface",
  subnetId,
  deviceIndex,
  count,
  reason: "test",
  ...more,
});

export const addStep = (interfaceId: string, count: number, subnetId = NODE_SUBNET, unit?: BlockUnit): Step => ({
  kind: "add-blocks",
  interfaceId,
  subnetId,
  count,
  reason: "test",
  ...(unit === undefined ? {} : { unit }),
});

export const releaseStep = (interfaceId: string, cidrs: readonly string[]): Step => ({
  kind: "release-blocks",
  interfaceId,
  cidrs,
  reason: "test",
});

export const removeStep = (interfaceId: string): Step => ({ kind: "remove-interface", interfaceId, reason: "test" });

export const orphanStep = (interfaceId: string, orphanOf: string): Step => ({
  kind: "remove-interface",
  interfaceId,
  orphanOf,
  reason: "test",
});

export const groupsStep = (interfaceId: string, securityGroups: readonly string[]): Step => ({
  kind: "set-security-groups",
  interfaceId,
  securityGroups,
  reason: "test",
});

/** Remembers what a provider reported, as the manager would in the intent. */
export class Progress {
  interfaceId: string | undefined;
  attachmentId: string | undefined;

  readonly report = async (progress: Pick<Intent, "interfaceId" | "attachmentId">): Promise<void> => {
    this.interfaceId = progress.interfaceId ?? this.interfaceId;
    this.attachmentId = progress.attachmentId ?? this.attachmentId;
  };

  /** The intent as the state has it after the reports. */
  onto(intent: Intent): Intent {
    return {
      ...intent,
      ...(this.interfaceId === undefined ? {} : { interfaceId: this.interfaceId }),
      ...(this.attachmentId === undefined ? {} : { attachmentId: this.attachmentId }),
    };
  }
}
