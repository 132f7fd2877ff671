import { Places, type PlanInterface } from "../planning/index.ts";
import type { NodeState } from "./node.ts";
import { interfacesNow } from "./plan-input.ts";
import type { NodeFacts } from "./ports/index.ts";

/** Where on the node an address of one of these subnets can be put, and what has to be done for it. */
export type Placement =
  | { readonly kind: "add"; readonly interfaceId: string; readonly subnetId: string }
  /** Its slots are all taken, and this block, of which every address is free, can go. */
  | { readonly kind: "make-room"; readonly interfaceId: string; readonly cidr: string }
  | { readonly kind: "create"; readonly subnetId: string; readonly card: number; readonly deviceIndex: number }
  /** Something is under way, or cools down, that may make room. */
  | { readonly kind: "wait"; readonly waitingFor: string }
  | { readonly kind: "none"; readonly because: string };

/** `on`: this interface alone, as long as it can carry pods. */
export function placementIn(
  node: NodeState,
  facts: NodeFacts,
  subnetIds: readonly string[],
  nowMs: number,
  on?: string,
): Placement {
  const all = interfacesNow(node, facts, nowMs);
  const carrying = all.filter(({ usable, subnetId }) => usable && subnetIds.includes(subnetId));
  const only = carrying.filter(({ id }) => id === on);
  const here = only.length > 0 ? only : carrying;
  const idle = here.filter(({ busy }) => busy !== true);
  // The fullest with a free slot, as pods fill them.
  const open = idle.filter((one) => freeSlots(one) > 0).sort((a, b) => freeSlots(a) - freeSlots(b))[0];
  if (open !== undefined) return { kind: "add", interfaceId: open.id, subnetId: open.subnetId };
  const busy = here.find((one) => one.busy === true && freeSlots(one) > 0);
  if (busy !== undefined) return { kind: "wait", waitingFor: `a step on ${busy.id} to end` };
  return (
    (only.length > 0 ? undefined : newInterface(node, facts, all, subnetIds)) ??
    roomOf(idle) ??
    waitFor(node, here) ??
    nothing(node, here, subnetIds)
  );
}

function freeSlots({ slots, slotsTaken, slotsPending }: PlanInterface): number {
  return slots - slotsTaken - slotsPending;
}

function newInterface(
  node: NodeState,
  facts: NodeFacts,
  all: readonly PlanInterface[],
  subnetIds: readonly string[],
): Placement | undefined {
  const pending = [...node.intents.values()].flatMap(({ intent: { step } }) =>
    step.kind === "create-interface" ? [step] : [],
  );
  const making = pending.find(({ subnetId }) => subnetIds.includes(subnetId));
  if (making !== undefined)
    return { kind: "wait", waitingFor: `the interface that is being made in ${making.subnetId}` };
  const subnet = node.resolution?.subnets.find(({ id }) => subnetIds.includes(id));
  if (subnet === undefined) return undefined;
  const taken = [...all, ...pending].map(({ networkCard: card = 0, deviceIndex }) => ({ card, deviceIndex }));
  const place = new Places(node.planLimits(facts), taken).take();
  return place === undefined ? undefined : { kind: "create", subnetId: subnet.id, ...place };
}

/** A single address rather than a prefix; none that was found on an interface that enid did not make. */
function roomOf(idle: readonly PlanInterface[]): Placement | undefined {
  const free = idle.flatMap(({ id, freeBlocks = [] }) => freeBlocks.map((block) => ({ ...block, interfaceId: id })));
  const block = free.find(({ unit }) => unit === "address") ?? free[0];
  return block === undefined ? undefined : { kind: "make-room", interfaceId: block.interfaceId, cidr: block.cidr };
}

function waitFor(node: NodeState, here: readonly PlanInterface[]): Placement | undefined {
  const busy = here.find((one) => one.busy === true);
  if (busy !== undefined) return { kind: "wait", waitingFor: `a step on ${busy.id} to end` };
  const counts = node.pool.interfaceCounts();
  const cools = here.find(({ id }) => counts.some((one) => one.id === id && one.cooling > 0));
  return cools === undefined ? undefined : { kind: "wait", waitingFor: `an address of ${cools.id} to cool down` };
}

function nothing(node: NodeState, here: readonly PlanInterface[], subnetIds: readonly string[]): Placement {
  const subnets = subnetIds.join(", ");
  if (here.length === 0) {
    const has = [...node.interfaces.values()].map(({ id, subnetId }) => `${id} in ${subnetId}`).join(", ");
    const because = `the instance has no place for another interface, and none that carries pods is in ${subnets} (${has})`;
    return { kind: "none", because };
  }
  const full = here.map(({ id, slots }) => `${id} has ${slots} of ${slots} slots taken`).join(", ");
  return {
    kind: "none",
    because: `${full}, none of them by an address that is free, and there is no place for another interface`,
  };
}
