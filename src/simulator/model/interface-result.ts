/** A network interface as the answers show it. */
import { type Result, tagSet, timestamp } from "./action.ts";
import { type Attachment, ipv4Of, type NetworkInterface } from "./records.ts";
import type { CloudState } from "./state.ts";
import { zoneId } from "./zones.ts";

/** The form of DescribeNetworkInterfaces and CreateNetworkInterface. */
export function interfaceResult(state: CloudState, one: NetworkInterface): Result {
  return {
    ...commonResult(state, one),
    availabilityZone: one.zone,
    availabilityZoneId: zoneId(one.zone),
    requesterId: one.requesterId || undefined,
    requesterManaged: one.requesterManaged,
    tagSet: tagSet(one.tags),
    attachment: one.attachment && {
      ...attachmentResult(one.attachment),
      instanceId: one.attachment.instanceId,
      instanceOwnerId: state.account,
    },
  };
}

/** The form inside DescribeInstances: without tags and zone (boto/boto3#1905). */
export function instanceInterfaceResult(state: CloudState, one: NetworkInterface): Result {
  return { ...commonResult(state, one), attachment: one.attachment && attachmentResult(one.attachment) };
}

export function groupSet(state: CloudState, ids: readonly string[]): readonly Result[] {
  return ids.map((groupId) => ({ groupId, groupName: state.securityGroups.get(groupId)?.name }));
}

/** The name that EC2's DNS gives an address. */
export function privateDnsName(region: string, address: string): string {
  const domain = region === "us-east-1" ? "ec2.internal" : `${region}.compute.internal`;
  return `ip-${address.replaceAll(".", "-")}.${domain}`;
}

function commonResult(state: CloudState, one: NetworkInterface): Result {
  const addressItem = (address: string, primary: boolean): Result => ({
    privateIpAddress: address,
    privateDnsName: privateDnsName(state.region, address),
    primary,
  });
  return {
    networkInterfaceId: one.id,
    subnetId: one.subnetId,
    vpcId: one.vpcId,
    description: one.description,
    ownerId: state.account,
    status: one.status,
    macAddress: one.mac,
    privateIpAddress: one.primaryAddress || undefined,
    privateDnsName: one.primaryAddress === "" ? undefined : privateDnsName(state.region, one.primaryAddress),
    sourceDestCheck: one.sourceDestCheck,
    interfaceType: one.interfaceType,
    groupSet: groupSet(state, one.securityGroups),
    operator: { managed: one.operator !== undefined, principal: one.operator },
    privateIpAddressesSet: ipv4Of(one).map((address) => addressItem(address, address === one.primaryAddress)),
    ipv4PrefixSet: one.prefixes.length === 0 ? undefined : one.prefixes.map((ipv4Prefix) => ({ ipv4Prefix })),
    ipv6Address: one.ipv6Addresses[0],
    ipv6AddressesSet: one.ipv6Addresses.map((ipv6Address) => ({ ipv6Address, isPrimaryIpv6: false })),
    ipv6PrefixSet: one.ipv6Prefixes.length === 0 ? undefined : one.ipv6Prefixes.map((ipv6Prefix) => ({ ipv6Prefix })),
  };
}

function attachmentResult(attachment: Attachment): Result {
  return {
    attachmentId: attachment.id,
    deviceIndex: attachment.deviceIndex,
    networkCardIndex: attachment.networkCard,
    status: attachment.status,
    attachTime: timestamp(attachment.attachedAtMs),
    deleteOnTermination: attachment.deleteOnTermination,
  };
}
