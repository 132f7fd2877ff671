import type { CreateInterfaceStep, Step } from "../planning/index.ts";
import type { Attachment, Lease } from "../pool/index.ts";
import { blocksToGive } from "./concluding.ts";
import { fixedBreach } from "./fixed-held.ts";
import type { Ledger } from "./ledger.ts";
import type { NodeState } from "./node.ts";
import type { Intent, NodeFacts } from "./ports/index.ts";
import type { Breach, PromiseNumber } from "./promises.ts";
import { isGrowth, stepSlots } from "./step-sizes.ts";

/** The last gates before the cloud and before a pod: the promises hold even if planning or the pool were wrong. */

/** What beginning the step would break; undefined = nothing. Promises 4, 6 and 7. */
export function stepBreach(node: NodeState, step: Step): Breach | undefined {
  const held = blocksToGive(node, step).find((cidr) => node.isHeldByAgent(cidr));
  if (held !== undefined) return breach(4, `${step.kind} of ${held}, which Cilium's agent may give to a pod`);
  return (
    (isGrowth(step) ? growthBreach(node, step) : undefined) ??
    ("interfaceId" in step ? ownBreach(node, step) : undefined)
  );
}

/** What sending the calls of a step that was begun would break. Promises 4 and 5. */
export function callBreach(node: NodeState, ledger: Ledger, { id, step }: Intent): Breach | undefined {
  if (!ledger.holdsIntent(id)) return breach(5, `${step.kind} ${id} is not committed`);
  for (const cidr of blocksToGive(node, step)) {
    const block = node.pool.block(cidr);
    if (block === undefined) continue;
    const { leased, cooling, free, usable } = block;
    if (leased + cooling > 0) return breach(4, `${step.kind} of ${cidr}: ${leased} leased, ${cooling} cooling`);
    const isGiven = usable && node.pool.interface(block.block.interfaceId)?.usable === true;
    if (free > 0 && isGiven) return breach(4, `${step.kind} of ${cidr}, which is not marked as releasing`);
  }
  return undefined;
}

/** What settling an intent would break: a crash may have left its blocks unmarked, but a pod has none of them. */
export function settleBreach(node: NodeState, ledger: Ledger, { id, step }: Intent): Breach | undefined {
  if (!ledger.holdsIntent(id)) return breach(5, `${step.kind} ${id} is not committed`);
  const leased = blocksToGive(node, step).find((cidr) => (node.pool.block(cidr)?.leased ?? 0) > 0);
  return leased === undefined ? undefined : breach(4, `${step.kind} of ${leased}, of which a pod has an address`);
}

/** What answering the ADD of the attachment with this lease would break. Promises 1 to 4 and 12. */
export function replyBreach(node: NodeState, ledger: Ledger, asked: Attachment, lease: Lease): Breach | undefined {
  const { attachment, address, ipv6Address } = lease;
  const isAsked =
    attachment.containerId === asked.containerId &&
    attachment.interfaceName === asked.interfaceName &&
    attachment.network === asked.network;
  if (!isAsked)
    return breach(3, `${address} is leased to container ${attachment.containerId}, not ${asked.containerId}`);
  if (!ledger.holdsLease(lease)) return breach(2, `the lease of ${address} is not durable`);
  const fixed = fixedBreach(node, lease);
  if (fixed !== undefined) return breach(12, fixed);
  return (
    addressBreach(node, address, lease) ??
    (ipv6Address === undefined ? undefined : addressBreach(node, ipv6Address, lease))
  );
}

function addressBreach({ pool }: NodeState, address: string, lease: Lease): Breach | undefined {
  const state = pool.stateOf(address);
  if (state === "releasing") return breach(4, `${address} is being given back`);
  if (state !== "leased") return breach(1, `${address} is leased and counts as ${state ?? "no address of the node"}`);
  const holder = pool.leaseAt(address);
  if (holder === lease) return undefined;
  return breach(1, `${address} is leased to container ${holder?.attachment.containerId ?? "nobody"} too`);
}

function growthBreach(node: NodeState, step: Extract<Step, { subnetId: string }>): Breach | undefined {
  const { kind, subnetId, count } = step;
  const { resolution, facts } = node;
  const isAllowed = resolution?.subnets.some((subnet) => subnet.id === subnetId) ?? false;
  if (!isAllowed) return breach(6, `${kind} in subnet ${subnetId}, which is not allowed`);
  if (facts === undefined) return breach(7, `${kind} before the limits of the instance are known`);
  const slots = facts.limits.ipv4PerInterface - 1;
  if (count < 0 || count > slots) return breach(7, `${kind} of ${count} blocks; an interface has ${slots} slots`);
  if (step.kind === "create-interface") return placeBreach(node, step, facts);
  const record = node.interfaces.get(step.interfaceId);
  if (record === undefined) return breach(6, `${kind} on ${step.interfaceId}, which is not the node's`);
  const held = node.pool.interfaceCounts().find(({ id }) => id === record.id)?.blocks ?? 0;
  const taken = held - (node.holdsPrimary(record) ? 1 : 0) + (node.strays.get(record.id) ?? 0);
  if (taken + stepSlots({ step }) <= slots) return undefined;
  return breach(7, `${kind} of ${count} blocks on ${record.id}, which has ${taken} of ${slots} slots taken`);
}

/** Whether the instance has that place for an interface, and it is free. */
function placeBreach(node: NodeState, step: CreateInterfaceStep, { limits }: NodeFacts): Breach | undefined {
  const { networkCard = 0, deviceIndex } = step;
  const cards = limits.cards ?? [{ card: 0, maxInterfaces: limits.maxInterfaces }];
  const most = cards.find(({ card }) => card === networkCard)?.maxInterfaces ?? 0;
  const taken = new Set<number>();
  for (const record of node.interfaces.values()) {
    if (record.networkCard === networkCard && record.deviceIndex >= 0) taken.add(record.deviceIndex);
  }
  for (const { intent } of node.intents.values()) {
    const other = intent.step;
    if (other.kind === "create-interface" && (other.networkCard ?? 0) === networkCard) taken.add(other.deviceIndex);
  }
  const place = `create-interface at index ${deviceIndex} of card ${networkCard}`;
  if (taken.has(deviceIndex)) return breach(7, `${place}, which is taken`);
  return taken.size < most ? undefined : breach(7, `${place}, which holds ${taken.size} interfaces of ${most}`);
}

function ownBreach(node: NodeState, step: Extract<Step, { interfaceId: string }>): Breach | undefined {
  const { interfaceId } = step;
  const record = node.interfaces.get(interfaceId);
  if (record?.foreign) return breach(6, `${step.kind} on ${interfaceId}, which is managed by somebody else`);
  switch (step.kind) {
    case "remove-interface": {
      if (interfaceId === node.facts?.primaryInterfaceId) return breach(6, "remove-interface of the primary interface");
      if (record !== undefined && step.orphanOf !== undefined) return breach(6, `${interfaceId} is this node's own`);
      const used = record === undefined ? 0 : node.pool.inUseOn(interfaceId);
      if (used === 0) return undefined;
      return breach(4, `remove-interface of ${interfaceId}, of which ${used} addresses are leased or cool down`);
    }
    case "release-blocks": {
      const primary = record?.primaryAddress ?? "";
      if (primary !== "" && step.cidrs.includes(`${primary}/32`))
        return breach(6, `release of ${primary}, a primary address`);
      return undefined;
    }
    case "set-security-groups": {
      const other = step.securityGroups.find((group) => node.resolution?.securityGroups.includes(group) !== true);
      return other === undefined
        ? undefined
        : breach(6, `security group ${other} on ${interfaceId}, which is not allowed`);
    }
    default:
      return undefined;
  }
}

function breach(promise: PromiseNumber, detail: string): Breach {
  return { promise, detail };
}
