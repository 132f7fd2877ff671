import type { Intent } from "../../../manager/ports/index.ts";
import type { Parameters, SimulatedCloud } from "../../index.ts";
import type { Machine } from "../machine.ts";
import type { Addresses } from "./addresses.ts";
import { type Breach, breach } from "./breach.ts";
import { covers } from "./cidr.ts";
import { allowedGroups, allowedSubnets } from "./in-force.ts";
import { coolsStill } from "./of-answers.ts";
import { carrierOf } from "./truth.ts";

/** What is wrong with a call that leaves a machine, given what the machine has on its disk. */
export function breachesOfCall(
  cloud: SimulatedCloud,
  addresses: Addresses,
  machine: Machine,
  action: string,
  parameters: Parameters,
): readonly Breach[] {
  if (/^(Describe|Get)/.test(action)) return [];
  const interfaceId = interfaceOf(cloud, machine, action, parameters);
  // Detached already: EC2 will say so.
  if (interfaceId === "" && action === "DetachNetworkInterface") return [];
  const found = ofIntent(machine, action, parameters, interfaceId);
  switch (action) {
    case "CreateNetworkInterface":
      return [...found, ...ofCreation(machine, parameters)];
    case "AssignPrivateIpAddresses":
    case "AssignIpv6Addresses":
      return [...found, ...ofAssignment(cloud, machine, action, interfaceId)];
    case "UnassignPrivateIpAddresses":
    case "UnassignIpv6Addresses":
      return [...found, ...ofRelease(addresses, machine, action, parameters)];
    case "DetachNetworkInterface":
    case "DeleteNetworkInterface":
      return [...found, ...ofRemoval(cloud, addresses, machine, action, interfaceId)];
    default:
      return found;
  }
}

/** What is wrong with the effect of a call, given what pods use at the moment at which EC2 carries it out. */
export function breachesOfEffect(
  cloud: SimulatedCloud,
  addresses: Addresses,
  machine: Machine,
  action: string,
  parameters: Parameters,
): readonly Breach[] {
  switch (action) {
    case "UnassignPrivateIpAddresses":
    case "UnassignIpv6Addresses":
      return ofUse(addresses, machine, action, cidrsOf(parameters));
    case "DetachNetworkInterface":
    case "DeleteNetworkInterface": {
      const interfaceId = interfaceOf(cloud, machine, action, parameters);
      return interfaceId === "" ? [] : ofRemoval(cloud, addresses, machine, action, interfaceId);
    }
    default:
      return [];
  }
}

function interfaceOf(cloud: SimulatedCloud, machine: Machine, action: string, parameters: Parameters): string {
  if (action !== "DetachNetworkInterface") return text(parameters.NetworkInterfaceId);
  const id = text(parameters.AttachmentId);
  return cloud.interfacesOf(machine.instanceId).find(({ attachment }) => attachment?.id === id)?.id ?? "";
}

function ofIntent({ disk }: Machine, action: string, parameters: Parameters, interfaceId: string): Breach[] {
  if (action === "CreateNetworkInterface") {
    const token = text(parameters.ClientToken);
    if (token !== "" && disk.intent(token) !== undefined) return [];
    return [breach(5, `${action} with the token "${token}", of which there is no durable intent`)];
  }
  if (disk.load().intents.some((intent) => concerns(intent, interfaceId))) return [];
  return [breach(5, `${action} of ${interfaceId}, for which there is no durable intent`)];
}

function concerns({ step, interfaceId }: Intent, wanted: string): boolean {
  return interfaceId === wanted || ("interfaceId" in step && step.interfaceId === wanted);
}

function ofCreation(machine: Machine, parameters: Parameters): Breach[] {
  const subnetId = text(parameters.SubnetId);
  const groups = list(parameters.SecurityGroupId);
  const allowed = allowedGroups(machine);
  return [
    ...(allowedSubnets(machine).has(subnetId) ? [] : [breach(6, `an interface is made in ${subnetId}`)]),
    ...groups
      .filter((group) => !allowed.has(group))
      .map((group) => breach(6, `an interface is made with the group ${group}`)),
  ];
}

function ofAssignment(cloud: SimulatedCloud, machine: Machine, action: string, interfaceId: string): Breach[] {
  const found = cloud.interface(interfaceId);
  // EC2 will say so itself.
  if (found === undefined) return [];
  if (allowedSubnets(machine).has(found.subnetId)) return [];
  return [breach(6, `${action} of ${interfaceId} in ${found.subnetId}, which no configuration allows`)];
}

function ofRelease(addresses: Addresses, machine: Machine, action: string, parameters: Parameters): Breach[] {
  const cidrs = cidrsOf(parameters);
  return [
    ...ofUse(addresses, machine, action, cidrs),
    ...cidrs
      .filter((cidr) => cidr.endsWith("/32") && isCooling(addresses, machine, cidr.slice(0, -3)))
      .map((cidr) => breach(4, `${action} of ${cidr}, which cools`)),
    ...cidrs
      .filter((cidr) => !machine.disk.isReleasing(cidr))
      .map((cidr) => breach(4, `${action} of ${cidr}, which is not marked durably as releasing`)),
  ];
}

function ofUse(addresses: Addresses, machine: Machine, action: string, cidrs: readonly string[]): Breach[] {
  return usedOn(addresses, machine)
    .filter((address) => !addresses.isTainted(address) && cidrs.some((cidr) => covers(cidr, address)))
    .map((address) => breach(4, `${action} of ${address}, which a pod uses`));
}

/** Addresses of the machine's pods that have a right to them. */
function usedOn(addresses: Addresses, machine: Machine): readonly string[] {
  return [...machine.kubelet.running()].flatMap(([address, sandbox]) =>
    addresses.isAbandoned(sandbox) ? [] : [address],
  );
}

function cidrsOf(parameters: Parameters): readonly string[] {
  const singles = [...list(parameters.PrivateIpAddress), ...list(parameters.Ipv6Addresses)];
  const prefixes = [...list(parameters.Ipv4Prefix), ...list(parameters.Ipv6Prefix)];
  return [...singles.map((address) => `${address}/${address.includes(":") ? 128 : 32}`), ...prefixes];
}

function isCooling(addresses: Addresses, machine: Machine, address: string): boolean {
  const freed = addresses.freedOf(address);
  return freed !== undefined && coolsStill(machine, freed);
}

function ofRemoval(
  cloud: SimulatedCloud,
  addresses: Addresses,
  machine: Machine,
  action: string,
  interfaceId: string,
): Breach[] {
  return usedOn(addresses, machine)
    .filter(
      (address) => !addresses.isTainted(address) && carrierOf(cloud, machine.instanceId, address)?.id === interfaceId,
    )
    .map((address) => breach(4, `${action} of ${interfaceId}, on which a pod uses ${address}`));
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function list(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
