import { defineAction, timestamp } from "../action.ts";
import { FILTER_SHAPE, type Filter, type FilterFields, filterTest, literalValues } from "../filters.ts";
import { interfaceResult, privateDnsName } from "../interface-result.ts";
import { checkId, interfaceNotFound } from "../lookups.ts";
import { PAGE_SHAPE, paginate, paginateSorted } from "../pagination.ts";
import { perState } from "../per-state.ts";
import { ipv4Of, type NetworkInterface } from "../records.ts";
import { type CloudState, describedInterface, type World } from "../state.ts";
import { zoneId } from "../zones.ts";

export const describeNetworkInterfaces = defineAction({
  name: "DescribeNetworkInterfaces",
  service: "ec2",
  kind: "describe",
  shape: { NetworkInterfaceId: ["string"], Filter: FILTER_SHAPE, ...PAGE_SHAPE } as const,
  isUnfiltered: (request) =>
    request.NetworkInterfaceId.length === 0 && request.Filter.length === 0 && request.MaxResults === undefined,
  run(world, request, { replica }) {
    const ids = [...new Set(request.NetworkInterfaceId)];
    const named = ids.map((id) => requireDescribed(world, replica, id));
    const isMeant = filterTest(request.Filter, interfaceFilters(world.state));
    const rules = {
      scope: ["DescribeNetworkInterfaces", ids, request.Filter],
      ceiling: 1_000,
      idsOf: ids.length > 0 ? "networkInterfaceSet" : undefined,
    };
    const few = ids.length > 0 ? named : candidates(world, replica, request.Filter);
    const page = few
      ? paginate(few.filter(isMeant), idOf, request, rules)
      : paginateSorted((after) => inOrder(world, replica, after, isMeant), idOf, request, rules);
    return {
      networkInterfaceSet: page.items.map((one) => interfaceResult(world.state, one)),
      nextToken: page.nextToken,
    };
  },
});

const idOf = (one: NetworkInterface) => one.id;

/** Errors: InvalidNetworkInterfaceId.Malformed, InvalidNetworkInterfaceID.NotFound. */
function requireDescribed(world: World, replica: number, id: string): NetworkInterface {
  checkId("eni", id, "InvalidNetworkInterfaceId.Malformed");
  const shown = describedInterface(world, replica, id);
  if (!shown) throw interfaceNotFound(id);
  return shown;
}

/** A look at all of them in order of id costs less than to sort so many. */
const MANY = 1_000;

/** What the view shows of those that the narrowest indexed filter may mean; undefined when none is narrow. */
function candidates(world: World, replica: number, filters: readonly Filter[]): NetworkInterface[] | undefined {
  let narrowest: ReadonlySet<string> | undefined;
  for (const filter of filters) {
    const ids = meantBy(world.state, filter);
    if (ids && ids.size < (narrowest?.size ?? MANY)) narrowest = ids;
  }
  if (!narrowest) return undefined;
  const shown: NetworkInterface[] = [];
  for (const id of narrowest) {
    const one = describedInterface(world, replica, id);
    if (one) shown.push(one);
  }
  return shown;
}

/** The ids that the filter may mean; undefined when it is not indexed or holds a pattern. */
function meantBy(state: CloudState, filter: Filter): ReadonlySet<string> | undefined {
  const values = literalValues(filter);
  if (!values) return undefined;
  if (filter.Name === "network-interface-id") return new Set(values);
  const found = values.map((value) => state.index.having(filter.Name ?? "", value));
  const [only, ...others] = found;
  if (only === undefined || others.length === 0) return values.length === 0 ? new Set() : only;
  const size = found.reduce((sum, ids) => sum + (ids?.size ?? 0), 0);
  return size < MANY ? new Set(found.flatMap((ids) => [...(ids ?? [])])) : undefined;
}

/** What the view shows of all of them, in order of id, behind `after`. */
function* inOrder(
  world: World,
  replica: number,
  after: string | undefined,
  isMeant: (one: NetworkInterface) => boolean,
): Iterable<NetworkInterface> {
  for (const id of world.state.index.after(after)) {
    const one = describedInterface(world, replica, id);
    if (one && isMeant(one)) yield one;
  }
}

/** The filters of DescribeNetworkInterfaces; what the model does not have (Elastic IPs) matches nothing. */
const interfaceFilters = perState((state): FilterFields<NetworkInterface> => {
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
});
