import ipaddr from "ipaddr.js";
import type { NetworkInterface } from "../../src/simulator/index.ts";
import { INSTANCE } from "./cloud.ts";
import type { Lab } from "./lab.ts";

/**
 * What of pool, state and cloud do not agree, a sentence each. To be asked when no step is under way. Leaks (the cloud
 * has it, the pool has not), ghosts (the other way round), double owners, limits, open intents, orphans.
 */
export function disagreements(lab: Lab): string[] {
  return [...ofIntents(lab), ...ofInterfaces(lab), ...ofBlocks(lab), ...ofLeases(lab), ...lab.manager.problems()];
}

function ofIntents(lab: Lab): string[] {
  return lab.disk.load().intents.map(({ id, step }) => `the intent ${id} to ${step.kind} is still open`);
}

function ofInterfaces(lab: Lab): string[] {
  const { interfaces, orphans } = lab.cloud.truth();
  const { limits } = lab.manager.status().node ?? {};
  const attached = lab.truth();
  const known = new Set(lab.manager.status().interfaces.map(({ id }) => id));
  const durable = new Set(lab.disk.load().interfaces.map(({ id }) => id));
  const total = (limits?.cards ?? [{ maxInterfaces: limits?.maxInterfaces ?? 0 }]).reduce(
    (sum, { maxInterfaces }) => sum + maxInterfaces,
    0,
  );
  return [
    ...orphans
      .filter((id) => isOfEnid(interfaces.find((one) => one.id === id)))
      .map((id) => `${id} was made by enid and hangs on nothing`),
    ...attached.filter(({ id }) => !known.has(id)).map(({ id }) => `${id} is attached and unknown to the manager`),
    ...[...known]
      .filter((id) => !attached.some((one) => one.id === id))
      .map((id) => `the manager believes in ${id}, which is not attached`),
    ...[...durable]
      .filter((id) => !attached.some((one) => one.id === id))
      .map((id) => `the state believes in ${id}, which is not attached`),
    ...(attached.length > total ? [`${attached.length} interfaces on an instance that takes ${total}`] : []),
    ...attached
      .filter((one) => isOfEnid(one) && !one.attachment?.deleteOnTermination)
      .map(({ id }) => `${id} would outlive the instance`),
    ...attached
      .filter((one) => slotsOf(one) > (limits?.ipv4PerInterface ?? 0))
      .map((one) => `${one.id} carries ${slotsOf(one)} addresses and prefixes`),
  ];
}

function ofBlocks(lab: Lab): string[] {
  const usable = new Set(lab.manager.status().interfaces.flatMap(({ id, usable }) => (usable ? [id] : [])));
  const carried = new Map(
    lab.truth().flatMap((one) => (usable.has(one.id) ? blocksOf(one).map((cidr) => [cidr, one.id] as const) : [])),
  );
  const durable = lab.disk.load().blocks.filter(({ interfaceId }) => usable.has(interfaceId));
  const owners = new Map<string, string>();
  const problems: string[] = [];
  for (const { cidr, interfaceId } of durable) {
    if (owners.has(cidr)) problems.push(`${cidr} is owned by ${owners.get(cidr)} and by ${interfaceId}`);
    owners.set(cidr, interfaceId);
    const isPrimary = lab.truth().some((one) => `${one.primaryAddress}/32` === cidr && one.id === interfaceId);
    // With use-primary-address it is for pods too.
    if (isPrimary) continue;
    if (carried.get(cidr) === undefined) problems.push(`${cidr} is in the pool, and EC2 has it on no interface`);
    else if (carried.get(cidr) !== interfaceId)
      problems.push(`${cidr} is on ${carried.get(cidr)}, not on ${interfaceId} as the pool has it`);
  }
  for (const [cidr, id] of carried) {
    if (!owners.has(cidr)) problems.push(`${cidr} on ${id} is leaked: the pool does not know it`);
  }
  return problems;
}

function ofLeases(lab: Lab): string[] {
  const leases = lab.manager.leases();
  const holders = new Map<string, string>();
  const problems: string[] = [];
  for (const { address, attachment } of leases) {
    const other = holders.get(address);
    if (other !== undefined) problems.push(`${address} is leased to ${other} and to ${attachment.containerId}`);
    holders.set(address, attachment.containerId);
  }
  const durable = new Set(lab.disk.load().leases.map(({ address }) => address));
  for (const [n, address] of lab.pods.running) {
    if (holders.get(address) !== `container-${n}`)
      problems.push(`pod ${n} runs with ${address} and has no lease of it`);
    const ipv6Address = lab.pods.ipv6.get(n);
    if (ipv6Address !== undefined && !lab.truth().some((one) => carries(one, ipv6Address)))
      problems.push(`pod ${n} runs with ${ipv6Address}, which EC2 has taken from the instance`);
    if (!durable.has(address)) problems.push(`the lease of ${address} is not durable`);
    if (!lab.truth().some((one) => carries(one, address)))
      problems.push(`pod ${n} runs with ${address}, which EC2 has taken from the instance`);
  }
  return problems;
}

/** Secondary addresses and prefixes of both families as CIDRs. */
export function blocksOf(one: NetworkInterface): readonly string[] {
  return [...one.secondaryAddresses.map((address) => `${address}/32`), ...one.prefixes, ...one.ipv6Prefixes];
}

/** Address slots of IPv4, the primary address included. */
function slotsOf(one: NetworkInterface): number {
  return 1 + one.secondaryAddresses.length + one.prefixes.length;
}

function isOfEnid(one: NetworkInterface | undefined): boolean {
  return one?.tags["enid.io/instance-id"] === INSTANCE;
}

export function carries(one: NetworkInterface, address: string): boolean {
  return one.primaryAddress === address || blocksOf(one).some((cidr) => covers(cidr, address));
}

function covers(cidr: string, address: string): boolean {
  const [network, length] = ipaddr.parseCIDR(cidr);
  const parsed = ipaddr.parse(address);
  return parsed.kind() === network.kind() && parsed.match(network, length);
}
