/** What an instance type can hold. Source: the table of DescribeInstanceTypes that enid ships. */
import { type InstanceType, instanceType } from "../../instance-types/index.ts";
import { type Instance, ipv4Of, type NetworkInterface } from "./records.ts";
import { invalidValue, SimulatedError } from "./simulated-error.ts";
import { interfacesOf, type World } from "./state.ts";

/**
 * Addresses on an interface that is attached to nothing. No public source gives a figure; this is the most that any
 * instance type takes.
 */
const DETACHED_LIMIT = 50;

/** Address slots in use: the primary address, each secondary address, each prefix. */
export function slotsOf(found: Pick<NetworkInterface, "primaryAddress" | "secondaryAddresses" | "prefixes">): number {
  return ipv4Of(found).length + found.prefixes.length;
}

/** IPv6 slots in use, which are counted apart from those of IPv4. */
export function slots6Of(found: Pick<NetworkInterface, "ipv6Addresses" | "ipv6Prefixes">): number {
  return found.ipv6Addresses.length + found.ipv6Prefixes.length;
}

/** Errors: PrivateIpAddressLimitExceeded when `slots` do not fit on the interface where it is attached. */
export function checkSlots(world: World, instanceId: string | undefined, slots: number): void {
  if (slots > slotLimit(world, instanceId)) {
    throw new SimulatedError("PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit.");
  }
}

/** As `checkSlots` for IPv6. The code that EC2 uses here is not public; it is taken from IPv4. */
export function checkSlots6(world: World, instanceId: string | undefined, slots: number): void {
  if (slots > slotLimit(world, instanceId)) {
    throw new SimulatedError("PrivateIpAddressLimitExceeded", "Number of IPv6 addresses will exceed limit.");
  }
}

/** EC2 gives the same figure for both families (DescribeInstanceTypes). */
function slotLimit(world: World, instanceId: string | undefined): number {
  const instance = instanceId === undefined ? undefined : world.state.instances.get(instanceId);
  return instance ? typeOf(instance).ipv4PerInterface : DETACHED_LIMIT;
}

/** Prefixes need the Nitro system. */
export function checkPrefixSupport(world: World, instanceId: string | undefined): void {
  const instance = instanceId === undefined ? undefined : world.state.instances.get(instanceId);
  if (!instance) return;
  const type = typeOf(instance);
  if (type.hypervisor !== "nitro" && !type.bareMetal) {
    throw new SimulatedError("Unsupported", `Instance type ${type.instanceType} does not support prefixes`);
  }
}

/** Errors: AttachmentLimitExceeded, InvalidParameterValue (card unknown, index taken). */
export function checkAttachment(world: World, instance: Instance, card: number, deviceIndex: number): void {
  const type = typeOf(instance);
  const limit = type.interfacesByCard.find((one) => one.card === card)?.interfaces;
  if (limit === undefined) {
    throw invalidValue(`Network card index ${card} does not exist on instance type ${type.instanceType}`);
  }
  const onCard = interfacesOf(world.state, instance.id).filter((one) => one.attachment?.networkCard === card);
  if (onCard.some((one) => one.attachment?.deviceIndex === deviceIndex)) {
    throw invalidValue(`Instance '${instance.id}' already has an interface attached at device index '${deviceIndex}'.`);
  }
  if (onCard.length >= limit) {
    throw new SimulatedError(
      "AttachmentLimitExceeded",
      `Interface count ${onCard.length + 1} exceeds the limit for ${type.instanceType}`,
    );
  }
}

export function typeOf(instance: Pick<Instance, "type">): InstanceType {
  const type = typeNamed(instance.type);
  if (!type) throw new SimulatedError("InvalidInstanceType", unknownTypes([instance.type]));
  return type;
}

const TYPES = new Map<string, InstanceType>();

/** The type of that name; rows of the table are read once. */
export function typeNamed(name: string): InstanceType | undefined {
  const known = TYPES.get(name);
  if (known) return known;
  const type = instanceType(name);
  if (type) TYPES.set(name, type);
  return type;
}

export function unknownTypes(names: readonly string[]): string {
  return `The following supplied instance types do not exist: [${names.join(", ")}]`;
}
