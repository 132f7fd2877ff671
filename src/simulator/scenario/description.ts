import type { ModelDescription, SubnetDescription } from "../index.ts";
import { around, cidrOf, rangeOf, rangesFrom } from "./ranges.ts";
import type { Scenario } from "./scenario.ts";

const REGION = "eu-central-1";
const ZONE = "eu-central-1a";
const VPC = "vpc-0a000000000000001";
const GROUP = "sg-0a000000000000001";

/** The cloud of a scenario before any node has started. */
export interface Place {
  readonly description: ModelDescription;
  readonly subnets: readonly PlacedSubnet[];
}

export interface PlacedSubnet {
  readonly id: string;
  readonly cidr: string;
  /** Addresses that EC2 gives out. */
  readonly size: number;
  /** Nodes have their primary interfaces in it. */
  readonly forNodes: boolean;
}

/** One VPC with the subnets of the scenario. Its CIDRs are the /16 ranges around them. */
export function placeOf({ subnets, cloud }: Scenario): Place {
  const described: SubnetDescription[] = [];
  const placed: PlacedSubnet[] = [];
  const vpcCidrs = new Set<string>();
  for (const { cidr, count, tags, used, nodes } of subnets) {
    const first = rangeOf(cidr);
    for (const range of (first && rangesFrom(first, count)) ?? []) {
      const id = `subnet-${(placed.length + 1).toString(16).padStart(17, "0")}`;
      described.push({ id, vpc: VPC, cidr: cidrOf(range), zone: ZONE, tags, used });
      placed.push({ id, cidr: cidrOf(range), size: range.size - 5, forNodes: nodes });
      vpcCidrs.add(cidrOf(around(range, 16)));
    }
  }
  const description: ModelDescription = {
    region: REGION,
    account: "123456789012",
    vpcs: [{ id: VPC, cidrs: [...vpcCidrs] }],
    subnets: described,
    securityGroups: [{ id: GROUP, vpc: VPC, name: "nodes" }],
    settings: cloud,
  };
  return { description, subnets: placed };
}

export function nodeInstance(node: number, type: string, subnet: string) {
  const digits = (node + 1).toString(16).padStart(17, "0");
  return { id: `i-${digits}`, type, subnet, securityGroups: [GROUP], primaryInterface: `eni-f${digits.slice(1)}` };
}
