/** What an instance type can hold. Source: the table of DescribeInstanceTypes that enid ships. */
import { type InstanceType, instanceType } from "../../instance-types/index.ts";
import type { Instance, NetworkInterface } from "./records.ts";
import { invalidValue, SimulatedError } from "./simulated-error.ts";
import { interfacesOf, type World } from "./state.ts";

/**
 * Addresses on an interface that is attached to nothing. No public source gives a figure; this is the most that any
 * instance type takes.
 */
const DETACHED_LIMIT = 50;

/** Address slots in use: the primary address, each secondary address, each prefix. */
export function slotsOf(found: Pick<NetworkInterface, "secondaryAddresses" | "prefixes">): number {
  return 1 + found.secondaryAddresses.length + found.prefixes.length;
}

/** Errors: PrivateIpAddressLimitExceeded when `slots` do not fit on the interface where it is attached. */
export function checkSlots(world: World, instanceId: string | undefined, slots: number): void {
  const instance = instanceId === undefined ? undefined : world.state.instances.get(instanceId);
  const limit = instance ? typeOf(instance).ipv4PerInterface : DETACHED_LIMIT;
  if (slots > limit) {
    throw new SimulatedError("PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit.");
  }
}

/** Prefixes need the Nitro system. */
export function checkPrefixSupport(world: World, instanceId: string | undefined): void {
  const instance = instanceId === undefined ? undefined : world.state.instances.get(instanceId);
  if (!instance) return;
  const type = typeOf(instance);
  if (type.hypervisor !== "nitro" && !type.bareMetal) {
    throw new SimulatedError("Unsupported", `Instance type ${type.instanceType} does not support IPv4 prefixes`);
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
  const type = instanceType(instance.type);
  if (!type) throw new SimulatedError("InvalidInstanceType", unknownTypes([instance.type]));
  return type;
}

export function unknownTypes(names: readonly string[]): string {
  return `The following supplied instance types do not exist: [${names.join(", ")}]`;
}
