import { type Action, defineAction, type Result, tagSet, timestamp } from "../action.ts";
import { applyFilters, FILTER_SHAPE, type Filter, type FilterFields, literalValues } from "../filters.ts";
import { groupSet, instanceInterfaceResult, privateDnsName } from "../interface-result.ts";
import { typeOf } from "../limits.ts";
import { requireInstance } from "../lookups.ts";
import { PAGE_SHAPE, paginate } from "../pagination.ts";
import { perState } from "../per-state.ts";
import { type Instance, type InstanceState, ipv4Of, type NetworkInterface } from "../records.ts";
import { type CloudState, describedInterfacesOf } from "../state.ts";
import { zoneId } from "../zones.ts";

const STATE_CODES: Readonly<Record<InstanceState, number>> = { pending: 0, running: 16, terminated: 48, stopped: 80 };

/** An instance with its interfaces as the answering view shows them, in order of card and device. */
interface Shown {
  readonly instance: Instance;
  readonly interfaces: readonly NetworkInterface[];
  readonly tags: Instance["tags"];
}

export const describeInstances: Action = defineAction({
  name: "DescribeInstances",
  service: "ec2",
  kind: "describe",
  shape: { InstanceId: ["string"], Filter: FILTER_SHAPE, ...PAGE_SHAPE } as const,
  isUnfiltered: (request) =>
    request.InstanceId.length === 0 && request.Filter.length === 0 && request.MaxResults === undefined,
  run(world, request, { replica }) {
    const ids = [...new Set(request.InstanceId)];
    const { state } = world;
    const named = ids.length === 0 ? candidates(state, request.Filter) : ids.map((id) => requireInstance(world, id));
    const shown = named.map((instance) => ({
      instance,
      interfaces: describedInterfacesOf(world, replica, instance.id).sort(byDevice),
      tags: instance.tags,
    }));
    const selected = applyFilters(shown, request.Filter, instanceFilters(state));
    const page = paginate(selected, (one) => one.instance.id, request, {
      scope: ["DescribeInstances", ids, request.Filter],
      ceiling: 1_000,
      idsOf: ids.length > 0 ? "instancesSet" : undefined,
    });
    return {
      reservationSet: page.items.map((one) => ({
        reservationId: one.instance.id.replace("i-", "r-"),
        ownerId: state.account,
        groupSet: [],
        instancesSet: [instanceResult(state, one)],
      })),
      nextToken: page.nextToken,
    };
  },
});

/** Those that a filter by id names; all of them without one. */
function candidates(state: CloudState, filters: readonly Filter[]): readonly Instance[] {
  const named = filters.find((filter) => filter.Name === "instance-id");
  const ids = named && literalValues(named);
  if (!ids) return [...state.instances.values()];
  return [...new Set(ids)].flatMap((id) => state.instances.get(id) ?? []);
}

const instanceFilters = perState((state): FilterFields<Shown> => {
  const primary = (pick: (one: NetworkInterface) => readonly string[]) => (shown: Shown) =>
    shown.interfaces.slice(0, 1).flatMap(pick);
  const every = (pick: (one: NetworkInterface) => readonly string[]) => (shown: Shown) =>
    shown.interfaces.flatMap(pick);
  return {
    architecture: () => ["x86_64"],
    "availability-zone": ({ instance }) => [instance.zone],
    "availability-zone-id": ({ instance }) => [zoneId(instance.zone)],
    hypervisor: ({ instance }) => [hypervisorOf(instance)],
    "iam-instance-profile.arn": ({ instance }) => [profileArn(state, instance)],
    "image-id": ({ instance }) => [instance.imageId],
    "instance-id": ({ instance }) => [instance.id],
    "instance-state-code": ({ instance }) => [String(STATE_CODES[instance.state])],
    "instance-state-name": ({ instance }) => [instance.state],
    "instance-type": ({ instance }) => [instance.type],
    "instance.group-id": primary((one) => one.securityGroups),
    "network-interface.addresses.private-ip-address": every(ipv4Of),
    "network-interface.attachment.attachment-id": every((one) => (one.attachment ? [one.attachment.id] : [])),
    "network-interface.attachment.status": every((one) => (one.attachment ? [one.attachment.status] : [])),
    "network-interface.group-id": every((one) => one.securityGroups),
    "network-interface.ipv6-addresses.ipv6-address": every((one) => one.ipv6Addresses),
    "network-interface.mac-address": every((one) => [one.mac]),
    "network-interface.network-interface-id": every((one) => [one.id]),
    "network-interface.subnet-id": every((one) => [one.subnetId]),
    "network-interface.vpc-id": every((one) => [one.vpcId]),
    "owner-id": () => [state.account],
    "private-dns-name": primary((one) => [privateDnsName(state.region, one.primaryAddress)]),
    "private-ip-address": primary((one) => [one.primaryAddress]),
    "subnet-id": ({ instance }) => [instance.subnetId],
    "vpc-id": ({ instance }) => [instance.vpcId],
  };
});

function instanceResult(state: CloudState, { instance, interfaces }: Shown): Result {
  const primary = interfaces[0];
  const isGone = instance.state === "terminated";
  return {
    instanceId: instance.id,
    imageId: instance.imageId,
    instanceState: { code: STATE_CODES[instance.state], name: instance.state },
    privateDnsName: primary ? privateDnsName(state.region, primary.primaryAddress) : "",
    dnsName: "",
    amiLaunchIndex: 0,
    instanceType: instance.type,
    launchTime: timestamp(instance.launchedAtMs),
    placement: { availabilityZone: instance.zone, availabilityZoneId: zoneId(instance.zone), tenancy: "default" },
    monitoring: { state: "disabled" },
    subnetId: isGone ? undefined : instance.subnetId,
    vpcId: isGone ? undefined : instance.vpcId,
    privateIpAddress: primary?.primaryAddress,
    ipv6Address: primary?.ipv6Addresses[0],
    sourceDestCheck: primary?.sourceDestCheck,
    groupSet: groupSet(state, primary?.securityGroups ?? []),
    architecture: "x86_64",
    rootDeviceType: "ebs",
    hypervisor: hypervisorOf(instance),
    iamInstanceProfile: { arn: profileArn(state, instance), id: "AIPAENIDSIMULATOR0000" },
    metadataOptions: {
      state: "applied",
      httpTokens: instance.metadata.tokens,
      httpPutResponseHopLimit: instance.metadata.hopLimit,
      httpEndpoint: instance.metadata.enabled ? "enabled" : "disabled",
      instanceMetadataTags: instance.metadata.instanceTags ? "enabled" : "disabled",
    },
    tagSet: tagSet(instance.tags),
    networkInterfaceSet: interfaces.map((one) => instanceInterfaceResult(state, one)),
  };
}

/** DescribeInstances says `xen` for Nitro instances too. */
function hypervisorOf(instance: Instance): string {
  return typeOf(instance).hypervisor === "" ? "" : "xen";
}

function profileArn(state: CloudState, instance: Instance): string {
  return `arn:aws:iam::${state.account}:instance-profile/${instance.role}`;
}

function byDevice(one: NetworkInterface, other: NetworkInterface): number {
  const place = (each: NetworkInterface) =>
    (each.attachment?.networkCard ?? 0) * 1_000 + (each.attachment?.deviceIndex ?? 0);
  return place(one) - place(other);
}
