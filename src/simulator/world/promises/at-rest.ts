import { effectiveSettings } from "../../../configuration/index.ts";
import type { StatusReport } from "../../../manager/index.ts";
import type { Lease } from "../../../pool/index.ts";
import type { NetworkInterface, SimulatedCloud } from "../../index.ts";
import type { Machine } from "../machine.ts";
import { configurationOf } from "../sections-text.ts";
import { type Breach, breach } from "./breach.ts";
import { covers, overlapsAnother } from "./cidr.ts";
import { blocksOf, slotsTaken } from "./truth.ts";

/** States of giving way that may stay in peace: each tells of something that is so. */
const MAY_STAY: readonly string[] = ["instance-full", "no-ipv6", "subnet-fragmented"];

/** Whether somebody else took this (an address, a CIDR, an interface) away: pods that had it may keep a lease of it. */
type Taken = (what: string) => boolean;

/** What is not yet as it must be some time after the last fault, a sentence each; empty = the machine is at rest. */
export function unrest(cloud: SimulatedCloud, machine: Machine, isTaken: Taken): readonly string[] {
  const { daemon, kubelet } = machine;
  if (!machine.on || daemon === undefined || !daemon.up) return ["the daemon does not serve"];
  const status = daemon.manager.status();
  const attached = cloud.interfacesOf(machine.instanceId);
  const carriers = machine.disk.load().blocks;
  const isLost = (address: string) =>
    isTaken(address) || carriers.some(({ cidr, interfaceId }) => isTaken(interfaceId) && covers(cidr, address));
  const found: string[] = [];
  // Who takes prefixes only waits for a contiguous /28, which single addresses of other nodes can keep from being.
  const isFragmented =
    status.prefixMode === "required" && status.degraded.some(({ name }) => name === "subnet-fragmented");
  const isStuck = isFragmented || cannotGrow(status, attached);
  if (status.phase !== "ready" && !(status.phase === "growing" && isStuck))
    found.push(`it is ${status.phase}: ${status.waitingFor}`);
  for (const { kind, target, state } of status.intents) found.push(`${kind} of ${target} is ${state}`);
  const waiting = kubelet.waiting().size;
  const hasFree = status.interfaces.some(({ usable, counts }) => usable && counts.free > 0);
  if (waiting > 0 && (!isStuck || hasFree))
    found.push(`${waiting} pods wait: ${daemon.manager.notReady()?.message ?? status.waitingFor}`);
  for (const { name, error } of status.degraded) {
    const isExplained = name === "address-denied" && status.lost?.every(({ address }) => isLost(address)) === true;
    if (!MAY_STAY.includes(name) && !isExplained) found.push(`${name}: ${error.message}`);
  }
  for (const { address, attachment } of orphanedLeases(machine))
    found.push(`the lease of ${address} outlives its sandbox ${attachment.containerId.slice(0, 12)}`);
  found.push(...differences(cloud, machine, status, isTaken));
  return found;
}

/**
 * Whether pods or settings keep the node from having more: every place is taken, what carries pods is full, and what may
 * carry none under the settings of now has pods of before.
 */
function cannotGrow({ interfaces, node, pool }: StatusReport, attached: readonly NetworkInterface[]): boolean {
  if (node === undefined || attached.length < node.limits.maxInterfaces) return false;
  const hasPrefixes = (pool.prefixes ?? 0) > 0;
  return interfaces.every(({ id, usable, counts, slots, madeBy }) => {
    if (!usable) return madeBy === "other" || counts.leased + counts.cooling > 0;
    const carrier = attached.find((one) => one.id === id);
    // What is lost and leased keeps its slot in the pool; sixteen addresses of a prefix take one.
    const taken = hasPrefixes ? (carrier === undefined ? 0 : slotsTaken(carrier)) : counts.total;
    return counts.free === 0 && taken >= slots;
  });
}

/** Leases of sandboxes that are no more: their DEL never came, and they have to end all the same. */
function orphanedLeases({ disk, kubelet, agent }: Machine): readonly Lease[] {
  const running = kubelet.running();
  const isAgents = ({ address }: Lease) => agent?.snapshot()?.pods.has(address) === true;
  if (agent !== undefined) return disk.load().leases.filter((lease) => !isAgents(lease));
  return disk
    .load()
    .leases.filter(({ address, attachment }) => running.get(address)?.containerId !== attachment.containerId);
}

/** Pool, disk and EC2: what one has and another has not. */
function differences(cloud: SimulatedCloud, machine: Machine, status: StatusReport, isTaken: Taken): string[] {
  const { disk, instanceId } = machine;
  const { blocks, interfaces } = disk.load();
  const attached = cloud.interfacesOf(instanceId);
  const found: string[] = [];
  const usable = new Set(status.interfaces.flatMap((one) => (one.usable ? [one.id] : [])));
  const durable = new Map(blocks.map(({ cidr, interfaceId }) => [cidr, interfaceId]));
  const families = status.ipFamilies ?? "ipv4";
  for (const one of attached) {
    if (!status.interfaces.some(({ id }) => id === one.id)) found.push(`${one.id} is attached and unknown`);
    if (!usable.has(one.id)) continue;
    for (const cidr of blocksOf(one)) {
      if (cidr.includes(":") && families === "ipv4") continue;
      // EC2 may have given it anew while a pod's lease still says where it was.
      if (isTaken(cidr) || isTaken(cidr.replace("/32", "")) || overlapsAnother(cidr, durable.keys())) continue;
      if (durable.get(cidr) !== one.id) found.push(`${cidr} on ${one.id} is leaked: the pool does not know it`);
    }
  }
  for (const { id } of interfaces) {
    if (!attached.some((one) => one.id === id) && !isTaken(id)) found.push(`the disk has ${id}, which is not attached`);
  }
  for (const [cidr, interfaceId] of durable) {
    const carrier = attached.find(({ id }) => id === interfaceId);
    if (carrier === undefined || !usable.has(interfaceId)) continue;
    if (isTaken(cidr) || isTaken(cidr.replace("/32", ""))) continue;
    const isPrimary = cidr === `${carrier.primaryAddress}/32`;
    if (!isPrimary && !blocksOf(carrier).includes(cidr))
      found.push(`the pool has ${cidr}, which EC2 has not on ${interfaceId}`);
  }
  for (const one of cloud.interfacesTagged("enid.io/instance-id", instanceId)) {
    if (one.attachment === undefined && !isTaken(one.id)) found.push(`${one.id} was made by enid and hangs on nothing`);
  }
  return found;
}

/** What a machine at rest must keep besides: nothing left to plan, and the settings that its file says. */
export function breachesAtRest(machine: Machine): readonly Breach[] {
  const manager = machine.daemon?.manager;
  if (manager === undefined) return [];
  const found: Breach[] = [];
  const { values } = manager.status().settings;
  const wanted = effectiveSettings(configurationOf(machine.sections), {}).values;
  if (JSON.stringify(values) !== JSON.stringify(wanted)) {
    found.push(breach(11, `the settings are ${JSON.stringify(values)}; the file says ${JSON.stringify(wanted)}`));
  }
  const growth = manager
    .dryRun(0)
    .plan.steps.filter(({ kind }) => kind === "add-blocks" || kind === "create-interface");
  for (const step of growth) {
    found.push(breach(8, `nothing has changed for minutes, and the plan still wants to ${step.kind}: ${step.reason}`));
  }
  return found;
}

/** Interfaces that instances which are no more have left behind in a cluster that its nodes sweep. */
export function leftovers(cloud: SimulatedCloud, machines: readonly Machine[]): readonly string[] {
  const swept = new Set(machines.map(({ sections }) => sections.eni["cluster-name"]));
  const living = new Set(machines.map(({ instanceId }) => instanceId));
  return [...swept]
    .flatMap((name) => (typeof name === "string" ? cloud.interfacesTagged("enid.io/cluster", name) : []))
    .filter(({ attachment, tags }) => attachment === undefined && !living.has(tags["enid.io/instance-id"] ?? ""))
    .map(({ id, tags }) => `${id} of ${tags["enid.io/instance-id"] ?? "nobody"}`);
}
