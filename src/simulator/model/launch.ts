/** Instances and interfaces that come and go outside the EC2 actions of the model: at the start, at launch, at termination. */
import { chooseAddresses, holdersOf, numbersOf, usableAddress, usablePrefix } from "./addresses.ts";
import type { InstanceDescription, InterfaceDescription, LaunchedInterfaceDescription } from "./description.ts";
import { eraseInterface } from "./foreign-hand.ts";
import { holdAll, releaseAll } from "./holding.ts";
import { formatAddress } from "./ipv4.ts";
import { choose6 } from "./ipv6-addresses.ts";
import { checkAttachment, checkPrefixSupport, checkSlots, checkSlots6, slots6Of, slotsOf, typeOf } from "./limits.ts";
import { requireInstance, requireSubnet, securityGroupsFor } from "./lookups.ts";
import { drawMac } from "./mac.ts";
import {
  type Attachment,
  type Instance,
  ipv4Of,
  type MetadataOptions,
  type NetworkInterface,
  type Subnet,
} from "./records.ts";
import { SimulatedError } from "./simulated-error.ts";
import { drawId, interfacesOf, seedInterface, unseedInterface, type World } from "./state.ts";
import { detachNow } from "./transitions.ts";

const DEFAULT_METADATA = {
  enabled: true,
  tokens: "required",
  hopLimit: 2,
  callerHops: 1,
  instanceTags: false,
} as const;

/** A running instance with its primary interface, known to every view at once. An address of `avoid` is not drawn. */
export function launchInstance(
  world: World,
  described: InstanceDescription,
  avoid: ReadonlySet<number> = new Set(),
): Instance {
  const subnet = requireSubnet(world, described.subnet);
  typeOf(described);
  const id = described.id ?? drawId(world, "i");
  if (world.state.instances.has(id))
    throw new SimulatedError("InvalidInstanceID.Malformed", `instance ${id} exists already`);
  if (described.zone !== undefined && described.zone !== subnet.zone) {
    throw new SimulatedError(
      "InvalidParameterValue",
      `subnet ${subnet.id} is in ${subnet.zone}, not in ${described.zone}`,
    );
  }
  const primaryInterfaceId = described.primaryInterface ?? drawId(world, "eni");
  const instance: Instance = {
    id,
    type: described.type,
    vpcId: subnet.vpcId,
    subnetId: subnet.id,
    zone: subnet.zone,
    state: described.state ?? "running",
    tags: described.tags ?? {},
    imageId: described.imageId ?? "ami-0123456789abcdef0",
    role: described.role ?? "enid-node",
    launchedAtMs: world.nowMs,
    primaryInterfaceId,
    metadata: { ...DEFAULT_METADATA, ...described.metadata },
  };
  world.state.instances.set(id, instance);
  const primary: InterfaceDescription = {
    id: primaryInterfaceId,
    subnet: subnet.id,
    ...pick(described, ["primaryAddress", "secondaryAddresses", "prefixes", "securityGroups"]),
    ...pick(described, ["ipv6Addresses", "ipv6Prefixes"]),
    tags: described.interfaceTags ?? {},
    attachment: { instance: id, deviceIndex: 0, deleteOnTermination: true },
  };
  const further = (described.interfaces ?? []).map((one) => launchedWith(instance, described, one));
  const placed: NetworkInterface[] = [];
  try {
    for (const one of [primary, ...further]) placed.push(placeInterface(world, one, avoid));
  } catch (thrown) {
    for (const one of placed) {
      releaseAll(world.state, one);
      unseedInterface(world, one);
    }
    world.state.instances.delete(id);
    throw thrown;
  }
  return instance;
}

/** A further interface of the launch: in the instance's subnet, with its groups and interface tags, unless it says else. */
function launchedWith(
  instance: Instance,
  described: InstanceDescription,
  { networkCard, deviceIndex, deleteOnTermination = true, ...one }: LaunchedInterfaceDescription,
): InterfaceDescription {
  return {
    subnet: instance.subnetId,
    ...pick(described, ["securityGroups"]),
    ...one,
    tags: { ...described.interfaceTags, ...one.tags },
    attachment: { instance: instance.id, deviceIndex, deleteOnTermination, ...(networkCard && { networkCard }) },
  };
}

/** An interface that is there from the start. */
export function placeInterface(
  world: World,
  described: InterfaceDescription,
  avoid: ReadonlySet<number> = new Set(),
): NetworkInterface {
  const subnet = requireSubnet(world, described.subnet);
  const id = described.id ?? drawId(world, "eni");
  if (world.state.interfaces.has(id)) {
    throw new SimulatedError("InvalidNetworkInterface.InUse", `interface ${id} exists already`);
  }
  const attachment = described.attachment && attachmentOf(world, described.attachment);
  const interfaceType = described.interfaceType ?? "interface";
  // An interface of another type is there for a service, unless the description says that it is the account's own.
  const requesterManaged = described.requesterManaged ?? (interfaceType !== "interface" && !described.operator);
  const named6 = { addresses: described.ipv6Addresses ?? [], prefixes: described.ipv6Prefixes ?? [] };
  const chosen6 = choose6(world, subnet, { ...named6, addressCount: 0, prefixCount: 0 }, takenAlready);
  const placed: NetworkInterface = {
    id,
    mac: drawMac(world),
    subnetId: subnet.id,
    vpcId: subnet.vpcId,
    zone: subnet.zone,
    description: described.description ?? "",
    status: attachment ? "in-use" : "available",
    primaryAddress:
      interfaceType === "efa-only" ? "" : (described.primaryAddress ?? chooseOne(world, subnet, described, avoid)),
    secondaryAddresses: described.secondaryAddresses ?? [],
    prefixes: described.prefixes ?? [],
    ipv6Addresses: chosen6.addresses,
    ipv6Prefixes: chosen6.prefixes,
    securityGroups: securityGroupsFor(world, described.securityGroups ?? [], subnet.vpcId),
    sourceDestCheck: true,
    interfaceType,
    requesterId: described.requesterId ?? (requesterManaged ? "amazon-aws" : "AROAENIDSIMULATOR0000"),
    requesterManaged,
    operator: described.operator,
    attachment,
    tags: described.tags ?? {},
    visibleFromMs: 0,
  };
  checkSlots(world, attachment?.instanceId, slotsOf(placed));
  checkSlots6(world, attachment?.instanceId, slots6Of(placed));
  if (placed.prefixes.length + placed.ipv6Prefixes.length > 0) checkPrefixSupport(world, attachment?.instanceId);
  checkFree(world, subnet, placed);
  holdAll(world.state, placed);
  return seedInterface(world, placed);
}

export function changeMetadataOptions(world: World, instanceId: string, patch: Partial<MetadataOptions>): Instance {
  const instance = requireInstance(world, instanceId);
  const changed = { ...instance, metadata: { ...instance.metadata, ...patch } };
  world.state.instances.set(instanceId, changed);
  return changed;
}

/** The instance is gone: its interfaces that go with it are deleted, the others become available. */
export function terminateInstance(world: World, instanceId: string): void {
  const instance = requireInstance(world, instanceId);
  world.state.instances.set(instanceId, { ...instance, state: "terminated" });
  for (const one of interfacesOf(world.state, instanceId)) {
    if (one.attachment?.deleteOnTermination) eraseInterface(world, one.id);
    else detachNow(world, one.id);
  }
}

function attachmentOf(world: World, described: NonNullable<InterfaceDescription["attachment"]>): Attachment {
  const instance = requireInstance(world, described.instance);
  const networkCard = described.networkCard ?? 0;
  checkAttachment(world, instance, networkCard, described.deviceIndex);
  return {
    id: drawId(world, "eni-attach"),
    instanceId: instance.id,
    deviceIndex: described.deviceIndex,
    networkCard,
    status: "attached",
    attachedAtMs: world.nowMs,
    deleteOnTermination: described.deleteOnTermination ?? false,
    metadataCompleteAtMs: 0,
  };
}

/** A primary address beside the addresses that the description names. */
function chooseOne(world: World, subnet: Subnet, described: InterfaceDescription, avoid: ReadonlySet<number>): string {
  const own = numbersOf([...(described.secondaryAddresses ?? []), ...(described.prefixes ?? [])]);
  return chooseAddresses(world, subnet, 1, new Set([...avoid, ...own]))
    .map(formatAddress)
    .join("");
}

function checkFree(world: World, subnet: Subnet, placed: NetworkInterface): void {
  const holders = holdersOf(world.state, subnet.id);
  for (const prefix of placed.prefixes) usablePrefix(subnet, prefix);
  for (const address of ipv4Of(placed)) usableAddress(subnet, address);
  const numbers = numbersOf([placed.primaryAddress, ...placed.secondaryAddresses, ...placed.prefixes]);
  const taken = numbers.filter((number, index) => holders.has(number) || numbers.indexOf(number) !== index);
  if (taken.length > 0) {
    throw new SimulatedError("InvalidIPAddress.InUse", `taken already: ${taken.map(formatAddress).join(", ")}`);
  }
}

function takenAlready(text: string): SimulatedError {
  return new SimulatedError("InvalidIPAddress.InUse", `taken already: ${text}`);
}

function pick<T, K extends keyof T>(from: T, names: readonly K[]): Pick<T, K> {
  return Object.fromEntries(names.flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]]]))) as Pick<
    T,
    K
  >;
}
