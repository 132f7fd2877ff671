import type { SimulatedCloud } from "../../index.ts";
import type { MachineAgent } from "../agents/machine-agent.ts";
import type { Machine } from "../machine.ts";
import type { Addresses } from "./addresses.ts";
import { type Breach, breach } from "./breach.ts";
import { overlapsAnother } from "./cidr.ts";
import { short } from "./of-answers.ts";
import { blocksOf, carrierOf } from "./truth.ts";

/**
 * Blocks that left the disk although EC2 has them there and nothing gave them back: something was believed that was not so.
 * `before`: what the disk held at the last look.
 */
export function breachesOfLoss(
  cloud: SimulatedCloud,
  machine: Machine,
  addresses: Addresses,
  before: ReadonlyMap<string, string>,
  now: ReadonlyMap<string, string>,
): readonly Breach[] {
  const found: Breach[] = [];
  for (const [cidr, interfaceId] of before) {
    if (now.has(cidr) || addresses.isTainted(interfaceId)) continue;
    // What another node had meanwhile is brought here anew.
    if (machine.disk.load().fixed?.some(({ address }) => cidr === `${address}/32`)) continue;
    // EC2 gave anew what a pod of the node still has, and has lost: the pool holds the one or the other.
    if (overlapsAnother(cidr, now.keys())) continue;
    const carrier = cloud.interface(interfaceId);
    if (carrier?.attachment?.instanceId !== machine.instanceId || !blocksOf(carrier).includes(cidr)) continue;
    found.push(breach(9, `${cidr} has left the pool, and EC2 has it on ${interfaceId}`));
  }
  return found;
}

/**
 * What is wrong between a machine's pods, its disk, its daemon's pool and EC2 at this moment. Looked at after each event
 * that changed the disk or what EC2 has.
 */
export function breachesOfMachine(cloud: SimulatedCloud, addresses: Addresses, machine: Machine): readonly Breach[] {
  const found: Breach[] = [];
  for (const [address, sandbox] of machine.kubelet.running()) {
    if (addresses.isAbandoned(sandbox)) continue;
    const lease = machine.disk.leaseOfAddress(address);
    if (machine.agent === undefined && lease?.attachment.containerId !== sandbox.containerId) {
      found.push(breach(9, `${short(sandbox)} runs with ${address}, and its lease is no more on the disk`));
    }
    if (addresses.isTainted(address)) continue;
    const carrier = carrierOf(cloud, machine.instanceId, address);
    if (carrier !== undefined && addresses.isTainted(carrier.id)) continue;
    if (carrier?.attachment?.instanceId !== machine.instanceId) {
      const where = carrier?.id ?? "no interface of the machine";
      found.push(breach(4, `${short(sandbox)} runs with ${address}, which EC2 has on ${where}`));
    }
  }
  if (machine.agent !== undefined) found.push(...complaintsOf(machine.agent, addresses));
  const { daemon } = machine;
  if (daemon?.up)
    found.push(...daemon.manager.problems().map((text) => breach(1, `the pool is not consistent: ${text}`)));
  return found;
}

/** What the agent holds against enid; of what somebody else took away it may complain. */
function complaintsOf({ complaints }: MachineAgent, addresses: Addresses): readonly Breach[] {
  const isOurs = (text: string) =>
    !text.split(" ").some((word) => /^\d+\.\d+\.\d+\.\d+$/.test(word) && addresses.isTainted(word));
  return complaints.filter(isOurs).map((text) => breach(9, text));
}
