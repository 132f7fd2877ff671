import type { Dice } from "../../engine/index.ts";
import type { ModelDescription, SettingsPatch, SubnetDescription } from "../../index.ts";

/** The place where worlds play: one VPC, a subnet for nodes, two for pods, and two that no configuration allows. */
export const VPC = "vpc-0a000000000000001";
export const ZONE = "eu-central-1a";
export const NODE_SUBNET = "subnet-0a000000000000001";
export const POD_SUBNETS = ["subnet-0a000000000000002", "subnet-0a000000000000003"] as const;
/** In the zone, of another tag; and of the right tag, in another zone. */
export const FORBIDDEN_SUBNETS = ["subnet-0a000000000000004", "subnet-0a000000000000005"] as const;
export const NODE_GROUP = "sg-0a000000000000001";
export const POD_GROUP = "sg-0a000000000000002";
export const POD_TAGS = { pods: "true" } as const;

export interface Place {
  readonly description: ModelDescription;
  readonly settings: SettingsPatch;
  readonly hasIpv6: boolean;
  /** The nodes' own subnet has the tag of those for pods: primary interfaces carry pods as well. */
  readonly nodesAmongPods: boolean;
  readonly line: string;
}

/** Subnets big enough for `nodes` full instances of `addressesPerNode`, so that in peace every pod can be served. */
export function drawPlace(dice: Dice, nodes: number, addressesPerNode: number): Place {
  const hasIpv6 = dice.chance(0.25);
  const nodesAmongPods = dice.chance(0.4);
  // Prefixes need whole /28s: a subnet in which singles and prefixes mix needs room to spare.
  const needed = nodes * addressesPerNode * 2 + 64;
  const length = Math.max(16, Math.min(24, 32 - Math.ceil(Math.log2(needed))));
  const replicas = dice.pick([1, 1, 2, 3]);
  const lagMs = dice.pick([500, 2_000, 5_000]);
  const ipv6 = (number: number) => (hasIpv6 ? { ipv6Cidr: `2600:1f14:aaaa:10${number}::/64` } : {});
  const subnet = (id: string, number: number, cidr: string, more: Partial<SubnetDescription> = {}) => ({
    ...{ id, vpc: VPC, cidr, zone: ZONE },
    ...more,
    ...ipv6(number),
  });
  const description: ModelDescription = {
    region: "eu-central-1",
    account: "123456789012",
    vpcs: [
      {
        id: VPC,
        cidrs: ["10.64.0.0/16", "10.65.0.0/16", "10.66.0.0/16", "10.67.0.0/16"],
        ...(hasIpv6 ? { ipv6Cidrs: ["2600:1f14:aaaa:100::/56"] } : {}),
      },
    ],
    subnets: [
      subnet(NODE_SUBNET, 0, "10.64.0.0/18", nodesAmongPods ? { tags: POD_TAGS } : {}),
      subnet(POD_SUBNETS[0], 1, `10.65.0.0/${length}`, { tags: POD_TAGS }),
      subnet(POD_SUBNETS[1], 2, `10.66.0.0/${length}`, { tags: POD_TAGS }),
      subnet(FORBIDDEN_SUBNETS[0], 3, "10.67.0.0/24", { tags: { pods: "never" } }),
      subnet(FORBIDDEN_SUBNETS[1], 4, "10.67.1.0/24", { zone: "eu-central-1b", tags: POD_TAGS }),
    ],
    securityGroups: [
      { id: NODE_GROUP, vpc: VPC, name: "nodes" },
      { id: POD_GROUP, vpc: VPC, name: "pods", tags: POD_TAGS },
    ],
  };
  const settings: SettingsPatch = {
    describeReplicas: replicas,
    describeLagMs: { minMs: 0, maxMs: lagMs },
    metadataLagMs: { minMs: 500, maxMs: dice.pick([2_000, 18_000]) },
    attachMs: { minMs: 1_000, maxMs: dice.pick([3_000, 5_000, 12_000]) },
    detachMs: { minMs: 2_000, maxMs: dice.pick([3_000, 8_000]) },
    notFoundAfterCreateMs: dice.pick([0, 0, 1_500]),
  };
  const line =
    `cloud: ${nodesAmongPods ? "the nodes' subnet is for pods too, " : ""}pod subnets 10.65.0.0/${length} and 10.66.0.0/${length}${hasIpv6 ? " with IPv6" : ""}, ` +
    `${replicas} views of describes up to ${lagMs} ms late`;
  return { description, settings, hasIpv6, nodesAmongPods, line };
}
