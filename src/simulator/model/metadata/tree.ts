/** The tree of instance metadata: what EC2 shows an instance of itself, as late as the settings say. */
import { timestamp } from "../action.ts";
import { type IssuedCredentials, issueCredentials } from "../credentials.ts";
import { privateDnsName } from "../interface-result.ts";
import { typeOf } from "../limits.ts";
import { type Instance, ipv4Of, type NetworkInterface } from "../records.ts";
import { findInterface, nextMetadataChangeMs, versionOf, type World } from "../state.ts";
import { zoneId } from "../zones.ts";
import { type MetadataView, shownInterfaces } from "./view.ts";

/** A value, a value that is made at the moment when it is read, or names with what is under them. */
export type Node = string | ((world: World) => string) | { readonly [name: string]: Node };

/** What the metadata of an instance shows at a moment. */
export interface Picture {
  readonly tree: Node;
  /** Texts that were read from the tree, by path, null where it has none: the same as long as the picture is. */
  readonly texts: Map<string, string | null>;
}

interface Taken extends Picture {
  readonly view: MetadataView | undefined;
  readonly interfaces: readonly NetworkInterface[];
  /** Of what is attached to the instance. */
  version: number;
  /** Then time alone shows more: of a fresh attachment, or a change that lags. */
  untilMs: number;
}

/** By the record of the instance: a change of the instance is another record. */
const taken = new WeakMap<Instance, Taken>();

/** The same picture as long as nothing in it has changed: clients read many keys at a time, and the same each minute. */
export function pictureOf(world: World, instance: Instance, credentials: (world: World) => IssuedCredentials): Picture {
  const view = world.state.metadataViews.get(instance.id);
  const version = versionOf(world.state, instance.id);
  const last = taken.get(instance);
  const isOfNow = last !== undefined && last.view === view && world.nowMs < last.untilMs;
  if (isOfNow && last.version === version) return last;
  const { interfaces, bare } = shownInterfaces(world, instance.id);
  const pendingMs = interfaces
    .map(({ attachment }) => attachment?.metadataCompleteAtMs ?? 0)
    .filter((completeAtMs) => completeAtMs > world.nowMs);
  const untilMs = Math.min(nextMetadataChangeMs(world, instance.id), ...pendingMs);
  if (isOfNow && isSame(last.interfaces, interfaces)) {
    last.version = version;
    last.untilMs = untilMs;
    return last;
  }
  const tree = makeTree(world, instance, interfaces, bare, credentials);
  const picture = { tree, texts: new Map(), view, interfaces, version, untilMs };
  taken.set(instance, picture);
  return picture;
}

function isSame<Item>(some: readonly Item[], others: readonly Item[]): boolean {
  return some.length === others.length && some.every((one, index) => one === others[index]);
}

function makeTree(
  world: World,
  instance: Instance,
  interfaces: readonly NetworkInterface[],
  bare: ReadonlySet<string>,
  credentials: (world: World) => IssuedCredentials,
): Node {
  const primary = interfaces.find((one) => one.id === instance.primaryInterfaceId);
  const { state } = world;
  return {
    "ami-id": instance.imageId,
    "ami-launch-index": "0",
    ...(primary && {
      hostname: privateDnsName(state.region, primary.primaryAddress),
      "local-hostname": privateDnsName(state.region, primary.primaryAddress),
      "local-ipv4": primary.primaryAddress,
      mac: primary.mac,
      ...(primary.ipv6Addresses[0] !== undefined && { ipv6: primary.ipv6Addresses[0] }),
      "security-groups": groupNames(world, primary),
    }),
    iam: {
      info: (now) => JSON.stringify(profileInfo(now, instance), null, 2),
      "security-credentials": {
        [instance.role]: (now) => JSON.stringify(credentialsDocument(credentials(now)), null, 2),
      },
    },
    "instance-id": instance.id,
    "instance-life-cycle": "on-demand",
    "instance-type": instance.type,
    network: {
      interfaces: {
        macs: Object.fromEntries(
          interfaces.map((one) => [one.mac, bare.has(one.id) ? bareNode(one) : macNode(world, instance, one)]),
        ),
      },
    },
    placement: {
      "availability-zone": instance.zone,
      "availability-zone-id": zoneId(instance.zone),
      region: state.region,
    },
    profile: "default-hvm",
    "reservation-id": instance.id.replace("i-", "r-"),
    services: { domain: "amazonaws.com", partition: "aws" },
    ...(instance.metadata.instanceTags && { tags: { instance: instance.tags } }),
  };
}

/** The instance identity document. */
export function identityDocument(world: World, instance: Instance): string {
  const primary = findInterface(world.state, instance.primaryInterfaceId);
  const document = {
    accountId: world.state.account,
    architecture: "x86_64",
    availabilityZone: instance.zone,
    billingProducts: null,
    devpayProductCodes: null,
    imageId: instance.imageId,
    instanceId: instance.id,
    instanceType: instance.type,
    kernelId: null,
    marketplaceProductCodes: null,
    pendingTime: timestamp(instance.launchedAtMs).replace(/\.\d+Z$/, "Z"),
    privateIp: primary?.primaryAddress ?? null,
    ramdiskId: null,
    region: world.state.region,
    version: "2017-09-30",
  };
  return JSON.stringify(document, null, 2);
}

const ROLE_LIFE_MS = 6 * 3_600_000;

/** The credentials of the instance's role; the same ones until the last hour of their life. */
export function roleCredentials(
  world: World,
  instance: Instance,
  cache: Map<string, IssuedCredentials>,
): IssuedCredentials {
  const current = cache.get(instance.id);
  if (current && current.expiresAtMs - world.nowMs > 3_600_000) return current;
  const { account } = world.state;
  const issued = issueCredentials(world, { account, role: instance.role, session: instance.id, lifeMs: ROLE_LIFE_MS });
  cache.set(instance.id, issued);
  return issued;
}

/** A fresh attachment shows only its MAC, and device number 0 (lyft/cni-ipvlan-vpc-k8s). */
function macNode(world: World, instance: Instance, one: NetworkInterface): Node {
  const { state } = world;
  const attachment = one.attachment;
  if (!attachment || attachment.metadataCompleteAtMs > world.nowMs) return bareNode(one);
  const vpc = state.vpcs.get(one.vpcId);
  const subnet = state.subnets.get(one.subnetId);
  return {
    "device-number": String(attachment.deviceIndex),
    "interface-id": one.id,
    ...lines("ipv4-prefix", one.prefixes),
    ...lines("ipv6-prefix", one.ipv6Prefixes),
    ...lines("ipv6s", one.ipv6Addresses),
    ...(one.primaryAddress !== "" && { "local-hostname": privateDnsName(state.region, one.primaryAddress) }),
    ...lines("local-ipv4s", ipv4Of(one)),
    mac: one.mac,
    ...(typeOf(instance).interfacesByCard.length > 1 && { "network-card": String(attachment.networkCard) }),
    "owner-id": state.account,
    "security-group-ids": one.securityGroups.join("\n"),
    "security-groups": groupNames(world, one),
    "subnet-id": one.subnetId,
    "subnet-ipv4-cidr-block": subnet?.cidr ?? "",
    "vpc-id": one.vpcId,
    "vpc-ipv4-cidr-block": vpc?.cidrs[0] ?? "",
    "vpc-ipv4-cidr-blocks": vpc?.cidrs.join("\n") ?? "",
    ...lines("subnet-ipv6-cidr-blocks", [subnet?.ipv6Cidr]),
    ...lines("vpc-ipv6-cidr-blocks", vpc?.ipv6Cidrs ?? []),
  };
}

function bareNode(one: NetworkInterface): Node {
  return { "device-number": "0", mac: one.mac };
}

/** A key per line list; a list without lines is not there. */
function lines(key: string, texts: readonly (string | undefined)[]): { readonly [name: string]: Node } {
  const present = texts.filter((text) => text !== undefined);
  return present.length === 0 ? {} : { [key]: present.join("\n") };
}

function groupNames(world: World, one: NetworkInterface): string {
  return one.securityGroups.map((id) => world.state.securityGroups.get(id)?.name ?? id).join("\n");
}

function profileInfo(world: World, instance: Instance): object {
  return {
    Code: "Success",
    LastUpdated: timestamp(world.nowMs),
    InstanceProfileArn: `arn:aws:iam::${world.state.account}:instance-profile/${instance.role}`,
    InstanceProfileId: "AIPAENIDSIMULATOR0000",
  };
}

function credentialsDocument(issued: IssuedCredentials): object {
  const inSeconds = (ms: number) => timestamp(ms).replace(/\.\d+Z$/, "Z");
  return {
    Code: "Success",
    LastUpdated: inSeconds(issued.issuedAtMs),
    Type: "AWS-HMAC",
    AccessKeyId: issued.accessKeyId,
    SecretAccessKey: issued.secretAccessKey,
    Token: issued.sessionToken,
    Expiration: inSeconds(issued.expiresAtMs),
  };
}
