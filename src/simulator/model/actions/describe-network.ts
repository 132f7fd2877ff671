import { type Action, defineAction, type Result, tagSet } from "../action.ts";
import { freeCount } from "../addresses.ts";
import { applyFilters, FILTER_SHAPE, type FilterFields } from "../filters.ts";
import { requireSecurityGroup, requireSubnet, requireVpc } from "../lookups.ts";
import { PAGE_SHAPE, paginate } from "../pagination.ts";
import { perState } from "../per-state.ts";
import type { SecurityGroup, Subnet, Vpc } from "../records.ts";
import type { CloudState } from "../state.ts";
import { zoneId } from "../zones.ts";

export const describeSubnets: Action = defineAction({
  name: "DescribeSubnets",
  service: "ec2",
  kind: "describe",
  shape: { SubnetId: ["string"], Filter: FILTER_SHAPE, ...PAGE_SHAPE } as const,
  run(world, request) {
    const ids = [...new Set(request.SubnetId)];
    const { state } = world;
    const named = ids.length === 0 ? [...state.subnets.values()] : ids.map((id) => requireSubnet(world, id));
    const selected = applyFilters(named, request.Filter, subnetFilters(state));
    const scope = ["DescribeSubnets", ids, request.Filter];
    const page = paginate(selected, (one) => one.id, request, { scope, ceiling: 1_000 });
    return { subnetSet: page.items.map((one) => subnetResult(state, one)), nextToken: page.nextToken };
  },
});

const subnetFilters = perState((state): FilterFields<Subnet> => {
  const zone = (one: Subnet) => [one.zone];
  const zoneIds = (one: Subnet) => [zoneId(one.zone)];
  const cidr = (one: Subnet) => [one.cidr];
  const no = () => ["false"];
  return {
    "availability-zone": zone,
    availabilityZone: zone,
    "availability-zone-id": zoneIds,
    availabilityZoneId: zoneIds,
    "available-ip-address-count": (one) => [String(freeCount(state, one))],
    "cidr-block": cidr,
    cidr,
    cidrBlock: cidr,
    "default-for-az": no,
    "ipv6-cidr-block-association.ipv6-cidr-block": (one) => ipv6Associations(one).map((each) => each.ipv6CidrBlock),
    "ipv6-cidr-block-association.association-id": (one) => ipv6Associations(one).map((each) => each.associationId),
    "ipv6-cidr-block-association.state": (one) => ipv6Associations(one).map((each) => each.ipv6CidrBlockState.state),
    "ipv6-native": no,
    "map-public-ip-on-launch": no,
    "owner-id": () => [state.account],
    state: () => ["available"],
    "subnet-arn": (one) => [subnetArn(state, one)],
    "subnet-id": (one) => [one.id],
    "vpc-id": (one) => [one.vpcId],
  };
});

function subnetResult(state: CloudState, one: Subnet): Result {
  return {
    subnetId: one.id,
    subnetArn: subnetArn(state, one),
    vpcId: one.vpcId,
    cidrBlock: one.cidr,
    availableIpAddressCount: freeCount(state, one),
    availabilityZone: one.zone,
    availabilityZoneId: zoneId(one.zone),
    state: "available",
    ownerId: state.account,
    mapPublicIpOnLaunch: false,
    assignIpv6AddressOnCreation: false,
    ipv6Native: false,
    defaultForAz: false,
    enableDns64: false,
    ipv6CidrBlockAssociationSet: ipv6Associations(one),
    tagSet: tagSet(one.tags),
  };
}

function ipv6Associations(one: Subnet) {
  if (one.ipv6Cidr === undefined) return [];
  const associationId = `subnet-cidr-assoc-${one.id.slice("subnet-".length)}`;
  return [{ associationId, ipv6CidrBlock: one.ipv6Cidr, ipv6CidrBlockState: { state: "associated" } }];
}

function subnetArn(state: CloudState, one: Subnet): string {
  return `arn:aws:ec2:${state.region}:${state.account}:subnet/${one.id}`;
}

export const describeSecurityGroups: Action = defineAction({
  name: "DescribeSecurityGroups",
  service: "ec2",
  kind: "describe",
  shape: { GroupId: ["string"], GroupName: ["string"], Filter: FILTER_SHAPE, ...PAGE_SHAPE } as const,
  isUnfiltered: (request) =>
    request.GroupId.length === 0 &&
    request.GroupName.length === 0 &&
    request.Filter.length === 0 &&
    request.MaxResults === undefined,
  run(world, request) {
    const ids = [...new Set(request.GroupId)];
    const { state } = world;
    const named =
      ids.length === 0 ? [...state.securityGroups.values()] : ids.map((id) => requireSecurityGroup(world, id));
    const byName = request.GroupName.length === 0 ? named : named.filter((one) => request.GroupName.includes(one.name));
    const selected = applyFilters(byName, request.Filter, securityGroupFilters(state));
    const scope = ["DescribeSecurityGroups", ids, request.GroupName, request.Filter];
    const page = paginate(selected, (one) => one.id, request, { scope, ceiling: 1_000 });
    return { securityGroupInfo: page.items.map((one) => securityGroupResult(state, one)), nextToken: page.nextToken };
  },
});

const securityGroupFilters = perState((state): FilterFields<SecurityGroup> => {
  return {
    description: (one) => [one.description],
    "group-id": (one) => [one.id],
    "group-name": (one) => [one.name],
    "owner-id": () => [state.account],
    "vpc-id": (one) => [one.vpcId],
  };
});

function securityGroupResult(state: CloudState, one: SecurityGroup): Result {
  return {
    groupId: one.id,
    groupName: one.name,
    groupDescription: one.description,
    vpcId: one.vpcId,
    ownerId: state.account,
    securityGroupArn: `arn:aws:ec2:${state.region}:${state.account}:security-group/${one.id}`,
    ipPermissions: [],
    ipPermissionsEgress: [],
    tagSet: tagSet(one.tags),
  };
}

export const describeVpcs: Action = defineAction({
  name: "DescribeVpcs",
  service: "ec2",
  kind: "describe",
  shape: { VpcId: ["string"], Filter: FILTER_SHAPE, ...PAGE_SHAPE } as const,
  run(world, request) {
    const ids = [...new Set(request.VpcId)];
    const { state } = world;
    const named = ids.length === 0 ? [...state.vpcs.values()] : ids.map((id) => requireVpc(world, id));
    const selected = applyFilters(named, request.Filter, vpcFilters(state));
    const scope = ["DescribeVpcs", ids, request.Filter];
    const page = paginate(selected, (one) => one.id, request, { scope, ceiling: 1_000 });
    return { vpcSet: page.items.map((one) => vpcResult(state, one)), nextToken: page.nextToken };
  },
});

const vpcFilters = perState((state): FilterFields<Vpc> => {
  const isDefault = (one: Vpc) => [String(one.isDefault)];
  return {
    cidr: (one) => one.cidrs.slice(0, 1),
    "cidr-block-association.cidr-block": (one) => one.cidrs,
    "cidr-block-association.association-id": (one) => one.cidrs.map((_, index) => associationId(one, index)),
    "cidr-block-association.state": () => ["associated"],
    "ipv6-cidr-block-association.ipv6-cidr-block": (one) => one.ipv6Cidrs,
    "is-default": isDefault,
    isDefault,
    "owner-id": () => [state.account],
    state: () => ["available"],
    "vpc-id": (one) => [one.id],
  };
});

function vpcResult(state: CloudState, one: Vpc): Result {
  return {
    vpcId: one.id,
    state: "available",
    cidrBlock: one.cidrs[0],
    dhcpOptionsId: "default",
    instanceTenancy: "default",
    ownerId: state.account,
    isDefault: one.isDefault,
    cidrBlockAssociationSet: one.cidrs.map((cidrBlock, index) => ({
      associationId: associationId(one, index),
      cidrBlock,
      cidrBlockState: { state: "associated" },
    })),
    ipv6CidrBlockAssociationSet: one.ipv6Cidrs.map((ipv6CidrBlock, index) => ({
      associationId: associationId(one, one.cidrs.length + index),
      ipv6CidrBlock,
      ipv6CidrBlockState: { state: "associated" },
      networkBorderGroup: state.region,
      ipv6Pool: "Amazon",
    })),
    tagSet: tagSet(one.tags),
  };
}

function associationId(vpc: Vpc, index: number): string {
  const digits = vpc.id.slice("vpc-".length);
  return `vpc-cidr-assoc-${digits.slice(0, -1)}${index.toString(16)}`;
}
