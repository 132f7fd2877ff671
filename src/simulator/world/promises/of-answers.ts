import type { SimulatedCloud } from "../../index.ts";
import type { CallAnswer, Sandbox, Verb } from "../../kubelet/index.ts";
import type { Machine } from "../machine.ts";
import type { Addresses } from "./addresses.ts";
import { type Breach, breach } from "./breach.ts";
import { allowedSubnets, leastCoolingMs } from "./in-force.ts";
import { carrierOf } from "./truth.ts";

/** Why a DEL may fail: each passes, and the runtime asks again. */
const DEL_MAY_FAIL = ["ENID_STATE_WRITE_FAILED", "ENID_STARTING", "ENID_STOPPING"];

/** The daemon's wall is in whole milliseconds. */
const ROUNDING_MS = 2;

/** What is wrong with an answer of the daemon to the container runtime. */
export function breachesOfAnswer(
  cloud: SimulatedCloud,
  addresses: Addresses,
  machine: Machine,
  sandbox: Sandbox,
  verb: Verb,
  answer: CallAnswer,
): readonly Breach[] {
  if (answer.by !== "daemon") return [];
  if (verb === "del" && answer.exit !== 0 && !DEL_MAY_FAIL.includes(answer.error ?? "")) {
    return [breach(3, `DEL of ${short(sandbox)} fails: ${answer.body}`)];
  }
  if (verb === "check" && addresses.isAbandoned(sandbox)) return [];
  if (verb === "check" && answer.exit !== 0 && !["ENID_STARTING", "ENID_STOPPING"].includes(answer.error ?? "")) {
    // Somebody took the pod's address away, and CHECK says so.
    if (answer.error === "ENID_ADDRESS_LOST" && isTaken(cloud, addresses, machine, sandbox)) return [];
    return [breach(2, `CHECK of ${short(sandbox)}, which runs, fails: ${answer.body}`)];
  }
  if (verb !== "add" || answer.exit !== 0) return [];
  return [
    ...ofRepetition(sandbox, answer),
    ...answer.addresses.flatMap((address) => [
      ...ofLease(machine, sandbox, address),
      ...ofOwner(cloud, addresses, machine, sandbox, address),
      ...ofCooling(addresses, machine, sandbox, address),
    ]),
  ];
}

/** Whether an address of the sandbox is not the machine's any more by EC2's word, or was in somebody else's hand. */
function isTaken(cloud: SimulatedCloud, addresses: Addresses, machine: Machine, sandbox: Sandbox): boolean {
  return sandbox.addresses.some((address) => {
    const owner = carrierOf(cloud, machine.instanceId, address);
    return addresses.isTainted(address) || owner?.attachment?.instanceId !== machine.instanceId;
  });
}

function ofRepetition(sandbox: Sandbox, answer: CallAnswer): Breach[] {
  const before = sandbox.addresses.join(" and ");
  const now = answer.addresses.join(" and ");
  if (before === "" || before === now) return [];
  return [breach(3, `a repeated ADD of ${short(sandbox)} answers ${now}; the first one answered ${before}`)];
}

function ofLease({ disk, agent }: Machine, sandbox: Sandbox, address: string): Breach[] {
  // Its agent has the leases; enid hears of them later.
  if (agent !== undefined) return [];
  const lease = disk.leaseOfAddress(address);
  if (lease?.attachment.containerId === sandbox.containerId) return [];
  const holder = lease === undefined ? "nobody" : lease.attachment.containerId.slice(0, 12);
  return [breach(2, `ADD of ${short(sandbox)} is answered with ${address}, of which ${holder} has a durable lease`)];
}

/** EC2 must have it on an allowed interface of this very instance. */
function ofOwner(
  cloud: SimulatedCloud,
  addresses: Addresses,
  machine: Machine,
  sandbox: Sandbox,
  address: string,
): Breach[] {
  if (addresses.isTainted(address)) return [];
  const owner = carrierOf(cloud, machine.instanceId, address);
  if (owner !== undefined && addresses.isTainted(owner.id)) return [];
  const text = `ADD of ${short(sandbox)} is answered with ${address}`;
  if (owner === undefined || owner.attachment?.instanceId !== machine.instanceId) {
    const where = owner === undefined ? "no interface" : `${owner.id} of ${owner.attachment?.instanceId ?? "nobody"}`;
    return [breach(1, `${text}, which EC2 has on ${where}`)];
  }
  if (!allowedSubnets(machine).has(owner.subnetId)) {
    return [breach(6, `${text} of ${owner.subnetId}, which no configuration of the last minutes allows`)];
  }
  return [];
}

function ofCooling(addresses: Addresses, machine: Machine, sandbox: Sandbox, address: string): Breach[] {
  const freed = addresses.freedOf(address);
  if (freed === undefined || sandbox.addresses.includes(address) || !coolsStill(machine, freed)) return [];
  if (addresses.areOneFixedPod(sandbox, freed.sandbox)) return [];
  const ms = Math.round(machine.clock.monotonicMs() - freed.atMs);
  return [breach(1, `ADD of ${short(sandbox)} is answered with ${address}, which another pod used ${ms} ms ago`)];
}

/** Whether an address that a pod let go of then must still cool, as far as that can be held against the machine. */
export function coolsStill(machine: Machine, freed: { readonly machine: Machine; readonly atMs: number }): boolean {
  // Boots and new instances end all leases at once; a wall clock that was set bends what a restarted process reads of
  // cooling times. What another node gave back, it cooled.
  // Cilium's agent cools nothing: it says itself when it lets an address go.
  if (machine.agent !== undefined) return false;
  if (freed.machine !== machine || freed.atMs <= machine.bootedAtMs || machine.wallWasSet) return false;
  return machine.clock.monotonicMs() - freed.atMs < leastCoolingMs(machine) - ROUNDING_MS;
}

export function short({ pod, containerId }: Sandbox): string {
  return `${pod.namespace}/${pod.name} (${containerId.slice(0, 12)})`;
}
