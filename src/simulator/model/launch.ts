/** Instances and what happens to them outside the EC2 actions of the model: launch, termination, a foreign hand. */
import {
  chooseAddresses,
  freeCount,
  give,
  holdersOf,
  numbersOf,
  take,
  usableAddress,
  usablePrefix,
} from "./addresses.ts";
import type { InstanceDescription, InterfaceDescription } from "./description.ts";
import { holdAll, releaseAll } from "./holding.ts";
import { formatAddress } from "./ipv4.ts";
import { checkAttachment, checkSlots, slotsOf, typeOf } from "./limits.ts";
import { interfaceNotFound, requireInstance, requireSubnet, securityGroupsFor } from "./lookups.ts";
import { drawMac } from "./mac.ts";
import type { Attachment, Instance, MetadataOptions, NetworkInterface, Subnet } from "./records.ts";
import { SimulatedError } from "./simulated-error.ts";
import { drawId, dropInterface, findInterface, interfacesOf, seedInterface, type World } from "./state.ts";
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
    attachment: { instance: id, deviceIndex: 0, deleteOnTermination: true },
  };
  try {
    placeInterface(world, primary, avoid);
  } catch (thrown) {
    world.state.instances.delete(id);
    throw thrown;
  }
  return instance;
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
  const placed: NetworkInterface = {
    id,
    mac: drawMac(world),
    subnetId: subnet.id,
    vpcId: subnet.vpcId,
    zone: subnet.zone,
    description: described.description ?? "",
    status: attachment ? "in-use" : "available",
    primaryAddress: described.primaryAddress ?? chooseOne(world, subnet, described, avoid),
    secondaryAddresses: described.secondaryAddresses ?? [],
    prefixes: described.prefixes ?? [],
    securityGroups: securityGroupsFor(world, described.securityGroups ?? [], subnet.vpcId),
    sourceDestCheck: true,
    interfaceType: described.interfaceType ?? "interface",
    requesterId: described.requesterId ?? (described.requesterManaged ? "amazon-aws" : "AROAENIDSIMULATOR0000"),
    requesterManaged: described.requesterManaged ?? false,
    attachment,
    tags: described.tags ?? {},
    visibleFromMs: 0,
  };
  checkSlots(world, attachment?.instanceId, slotsOf(placed));
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

/** Deletes an interface whatever its state, as a foreign hand that forces it would. */
export function eraseInterface(world: World, interfaceId: string): void {
  const found = findInterface(world.state, interfaceId);
  if (!found) throw interfaceNotFound(interfaceId);
  if (found.attachment) world.state.attachments.delete(found.attachment.id);
  releaseAll(world.state, found);
  dropInterface(world, interfaceId);
}

/** Takes addresses of a subnet for something outside the model: so many of the free ones, or these addresses and CIDRs. */
export function occupy(world: World, subnetId: string, what: number | readonly string[]): number {
  const subnet = requireSubnet(world, subnetId);
  const numbers =
    typeof what === "number"
      ? chooseAddresses(world, subnet, Math.min(what, freeCount(world.state, subnet)), new Set())
      : numbersOf(what);
  const holders = holdersOf(world.state, subnetId);
  const free = numbers.filter((number) => !holders.has(number));
  for (const number of free) usableAddress(subnet, formatAddress(number));
  take(world.state, subnetId, free, { role: "other", interfaceId: "" });
  return free.length;
}

/** Gives back what `occupy` took: so many, or these, or all of it. */
export function vacate(world: World, subnetId: string, what?: number | readonly string[]): number {
  requireSubnet(world, subnetId);
  const foreign = [...holdersOf(world.state, subnetId)].flatMap(([number, { role }]) =>
    role === "other" ? [number] : [],
  );
  const wanted = typeof what === "object" ? new Set(numbersOf(what)) : undefined;
  const given = foreign.filter((number) => wanted?.has(number) ?? true);
  const limited = typeof what === "number" ? given.slice(0, what) : given;
  give(world.state, subnetId, limited);
  return limited.length;
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
  for (const address of [placed.primaryAddress, ...placed.secondaryAddresses]) usableAddress(subnet, address);
  const numbers = numbersOf([placed.primaryAddress, ...placed.secondaryAddresses, ...placed.prefixes]);
  const taken = numbers.filter((number, index) => holders.has(number) || numbers.indexOf(number) !== index);
  if (taken.length > 0) {
    throw new SimulatedError("InvalidIPAddress.InUse", `taken already: ${taken.map(formatAddress).join(", ")}`);
  }
}

function pick<T, K extends keyof T>(from: T, names: readonly K[]): Pick<T, K> {
  return Object.fromEntries(names.flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]]]))) as Pick<
    T,
    K
  >;
}
