import { type Demand, measureDemand } from "./demand.ts";
import { explain, sentences } from "./explain.ts";
import { isHeldBack, Room } from "./room.ts";
import type { Plan, PlanInput, ShortfallReason, Step } from "./types.ts";

/**
 * What to do next so that the node holds what its watermarks and waiting pods ask for. A function of its input: the same
 * input gives the same plan, and a plan whose steps are under way (pending) or done is followed by an empty one.
 *
 * Interfaces that exist are filled before one is created, the fullest first, each by one call for all it can take. No
 * step is made for max-above-watermark alone: it is what is taken in calls that are made anyway. Several steps may name
 * different interfaces of one subnet; a step may name an interface that has another step under way.
 */
export function plan(input: PlanInput): Plan {
  const demand = measureDemand(input);
  const room = new Room(input);
  const wanted = Math.min(demand.required + demand.above, demand.ceiling, room.freeSlots);
  const growth = isHeldBack(input.blocked?.untilMs, input.nowMs) ? NO_GROWTH : grow(demand, wanted, room);
  const { steps, planned, deferred } = growth;
  const shortfall = findShortfall(input, demand, room, planned + deferred);
  return {
    steps,
    needed: demand.needed,
    surge: demand.surge,
    wanted,
    planned,
    ...(deferred > 0 ? { deferred } : {}),
    ...(shortfall === undefined ? {} : { shortfall }),
    explanation: explain(input, demand, { wanted, ...growth, shortfall }),
  };
}

/** How a plan meets a demand. */
export interface Growth {
  readonly steps: readonly Step[];
  readonly planned: number;
  /** What is left to interfaces that are being made. */
  readonly deferred: number;
}

const NO_GROWTH: Growth = { steps: [], planned: 0, deferred: 0 };

function grow(demand: Demand, wanted: number, room: Room): Growth {
  const steps: Step[] = [];
  let planned = 0;
  let deferred = 0;
  const missing = () => Math.min(demand.required, wanted) - planned - deferred;
  const open = () => wanted - planned - deferred;

  for (const opening of room.open) {
    if (missing() <= 0) break;
    const subnetFree = room.subnetFree(opening.subnetId);
    const count = room.take(opening, open());
    if (count === 0) continue;
    const reason = sentences.addBlocks({ count, open: open(), opening, subnetFree });
    steps.push({ kind: "add-blocks", interfaceId: opening.id, subnetId: opening.subnetId, count, reason });
    planned += count;
  }
  for (const opening of room.making) deferred += room.take(opening, Math.max(0, missing()));
  while (missing() > 0) {
    const created = room.create(open());
    if (created === undefined) break;
    const subnetFree = room.subnetFree(created.subnetId) + created.count + 1;
    const reason = sentences.createInterface({ ...created, open: open(), slots: room.slotsPerInterface, subnetFree });
    steps.push({ kind: "create-interface", ...created, reason });
    planned += created.count;
  }
  return { steps, planned, deferred };
}

/** The limit that keeps the plan below what is required. Limits of the settings and the instance come first: they last. */
function findShortfall(input: PlanInput, demand: Demand, room: Room, got: number): ShortfallReason | undefined {
  if (got >= demand.required) return undefined;
  if (got >= Math.min(demand.ceiling, room.freeSlots)) {
    if (demand.ceiling < room.freeSlots) return { kind: "max-allocate", maxAllocate: input.watermarks.maxAllocate };
    if (room.capacity === 0) return { kind: "no-usable-interface" };
    return { kind: "instance-full", capacity: room.capacity };
  }
  if (input.blocked !== undefined && isHeldBack(input.blocked.untilMs, input.nowMs)) {
    return { kind: "blocked", untilMs: input.blocked.untilMs, reason: input.blocked.reason };
  }
  return input.subnets.length === 0 ? { kind: "no-subnet" } : { kind: "subnets-empty", subnets: input.subnets };
}
