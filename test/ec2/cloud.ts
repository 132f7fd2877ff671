import type { Clock, Random } from "../../src/adapters/index.ts";
import { type ModelDescription, SimulatedCloud, type SubnetDescription } from "../../src/simulator/index.ts";

export const VPC = "vpc-0a000000000000001";
export const NODE_SUBNET = "subnet-0a000000000000001";
export const POD_SUBNET = "subnet-0a000000000000002";
export const SECOND_POD_SUBNET = "subnet-0a000000000000003";
export const OTHER_SUBNET = "subnet-0a000000000000004";
export const NODE_GROUP = "sg-0a000000000000001";
export const POD_GROUP = "sg-0a000000000000002";
export const INSTANCE = "i-0a000000000000001";
export const PRIMARY = "eni-0a000000000000001";
export const ZONE = "eu-central-1a";

const PODS = { pods: "true" };

/** The node's own subnet, two for pods (tag pods = true), and one that nothing allows; 251 addresses each. */
export const SUBNETS: readonly SubnetDescription[] = [
  { id: NODE_SUBNET, vpc: VPC, cidr: "10.64.0.0/24", zone: ZONE },
  { id: POD_SUBNET, vpc: VPC, cidr: "10.64.1.0/24", zone: ZONE, tags: PODS },
  { id: SECOND_POD_SUBNET, vpc: VPC, cidr: "10.64.2.0/24", zone: ZONE, tags: PODS },
  { id: OTHER_SUBNET, vpc: VPC, cidr: "10.64.3.0/24", zone: ZONE, tags: { pods: "never" } },
];

export interface CloudOptions {
  /** Of the instance; m5.large (3 interfaces of 10 addresses) unless told otherwise. */
  readonly type?: string;
  readonly model?: Partial<ModelDescription>;
}

/** One VPC with one instance; EC2's real durations, lags and token buckets, in virtual time. */
export function makeCloud(clock: Clock, random: Random, { type = "m5.large", model }: CloudOptions): SimulatedCloud {
  const description: ModelDescription = {
    region: "eu-central-1",
    account: "123456789012",
    vpcs: [{ id: VPC, cidrs: ["10.64.0.0/16"] }],
    subnets: SUBNETS,
    securityGroups: [
      { id: NODE_GROUP, vpc: VPC, name: "nodes" },
      { id: POD_GROUP, vpc: VPC, name: "pods" },
    ],
    instances: [
      {
        id: INSTANCE,
        type,
        subnet: NODE_SUBNET,
        primaryInterface: PRIMARY,
        primaryAddress: "10.64.0.10",
        securityGroups: [NODE_GROUP],
      },
    ],
    ...model,
  };
  return new SimulatedCloud({ description, clock, random });
}

/** The same VPC with IPv6 in the node's subnet and in the first one for pods. */
export function withIpv6(): Partial<ModelDescription> {
  const blocks: Readonly<Record<string, string>> = {
    [NODE_SUBNET]: "2600:1f14:aaaa:100::/64",
    [POD_SUBNET]: "2600:1f14:aaaa:101::/64",
  };
  return {
    vpcs: [{ id: VPC, cidrs: ["10.64.0.0/16"], ipv6Cidrs: ["2600:1f14:aaaa:100::/56"] }],
    subnets: SUBNETS.map((subnet) => {
      const ipv6Cidr = blocks[subnet.id];
      return ipv6Cidr === undefined ? subnet : { ...subnet, ipv6Cidr };
    }),
  };
}

/** The same subnets with something else about one of them. */
export function withSubnet(id: string, more: Partial<SubnetDescription>): Partial<ModelDescription> {
  return { subnets: SUBNETS.map((subnet) => (subnet.id === id ? { ...subnet, ...more } : subnet)) };
}
