import { Token } from "aws-cdk-lib";
import { CfnVPC, type IVpc } from "aws-cdk-lib/aws-ec2";
import type { IConstruct } from "constructs";
import { contains, formatRange, type IpRange, overlap } from "../../src/configuration/index.ts";
import type { EnidPodSubnetsProps } from "./pod-subnets.ts";
import { EnidPropsError } from "./props-error.ts";
import { ipv4Range, split } from "./ranges.ts";

/** A subnet CIDR reservation: EC2 assigns nothing from it by itself (EC2 user guide, "Subnet CIDR reservations"). */
export interface PodSubnetReservation {
  /** IPv4 range in the subnet. */
  readonly cidr: string;
  /** `prefix`: only /28 prefixes come from it. `explicit`: only addresses that are asked for, as `fixed-parking` `reservation` does. */
  readonly type: "prefix" | "explicit";
}

/** A subnet as it will be. */
export interface PodSubnetLayout {
  readonly zone: string;
  readonly cidr: string;
  readonly reservations: readonly PodSubnetReservation[];
}

/** EC2's limits for the range of a VPC and of a subnet (VPC user guide, "VPC CIDR blocks", "Subnet sizing"). */
const SHORTEST_PREFIX = 16;
const LONGEST_PREFIX = 28;

/** The subnets that the props ask for, checked. Throws EnidPropsError. */
export function layOut(construct: IConstruct, props: EnidPodSubnetsProps): PodSubnetLayout[] {
  const refuse = (what: string): never => {
    throw new EnidPropsError(construct, what);
  };
  const rangeOf = (cidr: string): IpRange => {
    const range = ipv4Range(cidr);
    return typeof range === "string" ? refuse(range) : range;
  };
  const sized = (cidr: string, what: string): IpRange => {
    const range = rangeOf(cidr);
    if (range.prefixLength >= SHORTEST_PREFIX && range.prefixLength <= LONGEST_PREFIX) return range;
    return refuse(`${what} ${cidr} is a /${range.prefixLength}; EC2 allows /${SHORTEST_PREFIX} to /${LONGEST_PREFIX}`);
  };
  const secondary = props.secondaryCidrs.map((cidr) => sized(cidr, "the secondary range"));
  if (secondary.length === 0) refuse("secondaryCidrs is empty; allowed is at least one range, as 100.64.0.0/16");
  apart(secondary, "secondary ranges", refuse);
  const primary = primaryOf(props.vpc);
  if (primary !== undefined) {
    const range = ipv4Range(primary);
    const clash = typeof range === "string" ? undefined : secondary.find((one) => overlap(one, range));
    if (clash !== undefined && props.associate !== false) {
      refuse(`the secondary range ${formatRange(clash)} overlaps ${primary}, the VPC's own`);
    }
  }

  const specs = props.subnets ?? evenly(props, secondary, refuse);
  if (specs.length === 0) refuse("subnets is empty; leave it out for one in each zone");
  const ranges = specs.map(({ cidr }) => {
    const range = sized(cidr, "the subnet");
    if (secondary.some((one) => contains(one, range))) return range;
    return refuse(`the subnet ${cidr} is in none of the secondary ranges: ${props.secondaryCidrs.join(", ")}`);
  });
  apart(ranges, "subnets", refuse);
  return specs.map(({ zone, cidr, reservations = [] }, at) => {
    const reserved = reservations.map((one) => {
      const range = rangeOf(one.cidr);
      const subnet = ranges[at];
      if (subnet === undefined || !contains(subnet, range))
        refuse(`the reservation ${one.cidr} is not in its subnet ${cidr}`);
      if (one.type === "prefix" && range.prefixLength > 28)
        refuse(`the prefix reservation ${one.cidr} has no room for a /28`);
      return range;
    });
    apart(reserved, "reservations", refuse);
    return { zone, cidr, reservations };
  });
}

/** The VPC's own range, where it is known: what a VPC of the app has as `vpcCidrBlock` is a reference. */
function primaryOf(vpc: IVpc): string | undefined {
  if (!Token.isUnresolved(vpc.vpcCidrBlock)) return vpc.vpcCidrBlock;
  const made = vpc.node.defaultChild;
  if (!CfnVPC.isCfnVPC(made) || Token.isUnresolved(made.cidrBlock)) return undefined;
  return made.cidrBlock;
}

/** One in each zone from each range. */
function evenly(
  { vpc, zones = vpc.availabilityZones, reserveForPrefixes = false }: EnidPodSubnetsProps,
  secondary: readonly IpRange[],
  refuse: (what: string) => never,
): readonly PodSubnetLayout[] {
  if (zones.length === 0) refuse("zones is empty, and so are those of the VPC");
  return secondary.flatMap((range) => {
    const prefixLength = range.prefixLength + Math.ceil(Math.log2(zones.length));
    if (prefixLength > LONGEST_PREFIX) {
      refuse(
        `the secondary range ${formatRange(range)} is too small for ${zones.length} subnets of a /${LONGEST_PREFIX}`,
      );
    }
    return split(range, prefixLength, zones.length).map((subnet, at) => ({
      zone: zones[at] ?? "",
      cidr: formatRange(subnet),
      reservations: reserveForPrefixes ? [{ cidr: upperHalf(subnet), type: "prefix" as const }] : [],
    }));
  });
}

/** The upper half: the lower one has the addresses that EC2 keeps for the router and DNS. */
function upperHalf(subnet: IpRange): string {
  const half = split(subnet, Math.min(LONGEST_PREFIX, subnet.prefixLength + 1), 2)[1];
  return formatRange(half ?? subnet);
}

function apart(ranges: readonly IpRange[], what: string, refuse: (what: string) => never): void {
  ranges.forEach((one, at) => {
    const other = ranges.slice(0, at).find((earlier) => overlap(earlier, one));
    if (other !== undefined) refuse(`the ${what} ${formatRange(other)} and ${formatRange(one)} overlap`);
  });
}
