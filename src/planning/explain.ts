import type { Demand } from "./demand.ts";
import type { Opening } from "./room.ts";
import type { PlanInput, PlanSubnet, ShortfallReason, Step } from "./types.ts";

/** Why a step is made: with the numbers it was decided by. */
export const sentences = {
  addBlocks(of: {
    readonly count: number;
    readonly open: number;
    readonly opening: Opening;
    readonly subnetFree: number;
  }): string {
    const { id, slots, freeSlots, subnetId } = of.opening;
    const slotsSaid = `${freeSlots} of its ${slots} slots are free`;
    const subnetSaid = `${subnetId} has ${of.subnetFree} free addresses`;
    return `${of.count} of the ${of.open} addresses wanted go on ${id}: ${slotsSaid}, ${subnetSaid}`;
  },

  createInterface(of: {
    readonly count: number;
    readonly open: number;
    readonly slots: number;
    readonly subnetId: string;
    readonly subnetFree: number;
    readonly deviceIndex: number;
  }): string {
    const what = `${of.count} of the ${of.open} addresses still wanted go on a new interface at device index ${of.deviceIndex}`;
    return `${what}: it has ${of.slots} slots, ${of.subnetId} has ${of.subnetFree} free addresses`;
  },
};

/** The whole reasoning of a plan, a sentence a line. */
export function explain(
  input: PlanInput,
  demand: Demand,
  outcome: {
    readonly wanted: number;
    readonly steps: readonly Step[];
    readonly planned: number;
    readonly deferred: number;
    readonly shortfall: ShortfallReason | undefined;
  },
): readonly string[] {
  const { available, used, pending, waiting, watermarks } = input;
  const lines = [
    `the node holds ${available} addresses, ${used} of them leased or cooling; steps under way bring ${pending} more`,
    `needed ${demand.needed}: ${neededBecause(input, demand)}`,
  ];
  if (waiting > 0) {
    const served = waiting - demand.unserved;
    lines.push(
      `surge ${demand.surge}: ${waiting} pods wait, ${served} of them for addresses that are free or under way, and ` +
        `${Math.min(demand.needed, demand.unserved)} are served by what is needed anyway`,
    );
  }
  if (demand.required > 0) lines.push(`wanted ${outcome.wanted}: ${wantedBecause(demand, outcome.wanted)}`);
  for (const step of outcome.steps) lines.push(step.reason);
  if (outcome.deferred > 0)
    lines.push(`${outcome.deferred} wait for the free slots of an interface that is being made`);
  if (outcome.shortfall !== undefined) {
    const missing = demand.required - outcome.planned - outcome.deferred;
    lines.push(`${missing} cannot be had: ${shortfallSaid(outcome.shortfall, input.nowMs)}`);
  } else if (outcome.steps.length === 0 && outcome.deferred === 0) lines.push("nothing is to be done");
  if (demand.excess > 0) {
    lines.push(
      `${demand.excess} addresses are beyond min-allocate ${watermarks.minAllocate}, pre-allocate ` +
        `${watermarks.preAllocate} and max-above-watermark ${watermarks.maxAboveWatermark}; a plan gives none back`,
    );
  }
  return lines;
}

function neededBecause({ watermarks }: PlanInput, { held, free }: Demand): string {
  const { preAllocate, minAllocate, maxAllocate } = watermarks;
  const parts = [`pre-allocate asks for ${preAllocate} free addresses, ${free} are or will be`];
  if (minAllocate > 0) parts.push(`min-allocate asks for ${minAllocate} in all, ${held} are or will be`);
  if (maxAllocate > 0) parts.push(`max-allocate allows ${maxAllocate} in all`);
  return parts.join("; ");
}

function wantedBecause({ needed, above, surge, required, ceiling }: Demand, wanted: number): string {
  const sum = `needed ${needed} + max-above-watermark ${above} + surge ${surge}`;
  if (wanted >= required + above) return sum;
  return `${sum} = ${required + above}, of which ${wanted === ceiling ? "max-allocate" : "the instance"} allows ${wanted}`;
}

function shortfallSaid(shortfall: ShortfallReason, nowMs: number): string {
  switch (shortfall.kind) {
    case "instance-full":
      return `the instance can hold ${shortfall.capacity} pod addresses and no more`;
    case "max-allocate":
      return `max-allocate ${shortfall.maxAllocate} is reached`;
    case "subnets-empty":
      return `no allowed subnet has enough free addresses (${shortfall.subnets.map((one) => subnetSaid(one, nowMs)).join(", ")})`;
    case "no-subnet":
      return "no subnet is allowed";
    case "no-usable-interface":
      return "no interface of the instance may carry pods";
    case "blocked":
      return `growth is held back ${during(shortfall.untilMs, nowMs)}: ${shortfall.reason}`;
  }
}

function subnetSaid({ id, freeAddresses, blockedUntilMs }: PlanSubnet, nowMs: number): string {
  const heldBack = blockedUntilMs !== undefined && blockedUntilMs > nowMs;
  return `${id}: ${Math.max(0, freeAddresses)} free${heldBack ? `, held back ${during(blockedUntilMs, nowMs)}` : ""}`;
}

function during(untilMs: number, nowMs: number): string {
  return Number.isFinite(untilMs) ? `for ${Math.ceil((untilMs - nowMs) / 1000)} s more` : "until further notice";
}
