import { defineAction, timestamp } from "../action.ts";
import { applyFilters, FILTER_SHAPE, type FilterFields } from "../filters.ts";
import { interfaceResult, privateDnsName } from "../interface-result.ts";
import { checkId, interfaceNotFound } from "../lookups.ts";
import { PAGE_SHAPE, paginate } from "../pagination.ts";
import { ipv4Of, type NetworkInterface } from "../records.ts";
import { type CloudState, describedInterfaces } from "../state.ts";
import { zoneId } from "../zones.ts";

export const describeNetworkInterfaces = defineAction({
  name: "DescribeNetworkInterfaces",
  service: "ec2",
  kind: "describe",
  shape: { NetworkInterfaceId: ["string"], Filter: FILTER_SHAPE, ...PAGE_SHAPE } as const,
  isUnfiltered: (request) =>
    request.NetworkInterfaceId.length === 0 && request.Filter.length === 0 && request.MaxResults === undefined,
  run(world, request, { replica }) {
    const shown = describedInterfaces(world, replica);
    const ids = new Set(request.NetworkInterfaceId);
    const named = ids.size === 0 ? shown : shown.filter((one) => ids.has(one.id));
    const found = new Set(ids.size === 0 ? [] : named.map((one) => one.id));
    for (const id of ids) {
      checkId("eni", id, "InvalidNetworkInterfaceId.Malformed");
      if (!found.has(id)) throw interfaceNotFound(id);
    }
    const selected = applyFilters(named, request.Filter, interfaceFilters(world.state));
    const page = paginate(selected, (one) => one.id, request, {
      scope: JSON.stringify(["DescribeNetworkInterfaces", [...ids], request.Filter]),
      ceiling: 1_000,
      idsOf: ids.size > 0 ? "networkInterfaceSet" : undefined,
    });
    return {
      networkInterfaceSet: page.items.map((one) => interfaceResult(world.state, one)),
      nextToken: page.nextToken,
    };
  },
});

/** The filters of DescribeNetworkInterfaces; what the model does not have (Elastic IPs) matches nothing. */
export function interfaceFilters(state: CloudState): FilterFields<NetworkInterface> {
  const none = () => [];
  const attached = (pick: (attachment: NonNullable<NetworkInterface["attachment"]>) => string) => {
    return (one: NetworkInterface) => (one.attachment ? [pick(one.attachment)] : []);
  };
  return {
    "addresses.private-ip-address": ipv4Of,
    "addresses.primary": (one) => (one.secondaryAddresses.length > 0 ? ["true", "false"] : ["true"]),
    "addresses.association.public-ip": none,
    "addresses.association.owner-id": none,
    "association.allocation-id": none,
    "association.association-id": none,
    "association.ip-owner-id": none,
    "association.public-dns-name": none,
    "association.public-ip": none,
    "attachment.attachment-id": attached((attachment) => attachment.id),
    "attachment.attach-time": attached((attachment) => timestamp(attachment.attachedAtMs)),
    "attachment.delete-on-termination": attached((attachment) => String(attachment.deleteOnTermination)),
    "attachment.device-index": attached((attachment) => String(attachment.deviceIndex)),
    "attachment.instance-id": attached((attachment) => attachment.instanceId),
    "attachment.instance-owner-id": attached(() => state.account),
    "attachment.status": attached((attachment) => attachment.status),
    "availability-zone": (one) => [one.zone],
    "availability-zone-id": (one) => [zoneId(one.zone)],
    description: (one) => [one.description],
    "group-id": (one) => one.securityGroups,
    "group-name": (one) => one.securityGroups.flatMap((id) => state.securityGroups.get(id)?.name ?? []),
    "interface-type": (one) => [one.interfaceType],
    "ipv6-addresses.ipv6-address": (one) => one.ipv6Addresses,
    "mac-address": (one) => [one.mac],
    "network-interface-id": (one) => [one.id],
    "operator.managed": (one) => [String(one.operator !== undefined)],
    "operator.principal": (one) => (one.operator === undefined ? [] : [one.operator]),
    "owner-id": () => [state.account],
    "private-dns-name": (one) =>
      ipv4Of(one)
        .slice(0, 1)
        .map((address) => privateDnsName(state.region, address)),
    "private-ip-address": (one) => ipv4Of(one).slice(0, 1),
    "requester-id": (one) => [one.requesterId],
    "requester-managed": (one) => [String(one.requesterManaged)],
    "source-dest-check": (one) => [String(one.sourceDestCheck)],
    status: (one) => [one.status],
    "subnet-id": (one) => [one.subnetId],
    "vpc-id": (one) => [one.vpcId],
  };
}
