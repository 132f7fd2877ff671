import { addressesIn } from "./blocks.ts";
import type { Demand } from "./demand.ts";
import type { Room } from "./room.ts";
import { sentences } from "./sentences.ts";
import type { FreeBlock, PlanInput, PlanInterface, ReleaseBlocksStep } from "./types.ts";
import { needed } from "./watermarks.ts";

/**
 * Back from single addresses to prefixes, on a node that takes prefixes and had to take single addresses for a while
 * (its subnets were fragmented) or was set up with them.
 *
 * A free single address is no buffer there: what the watermarks lack without the free ones is asked for in prefixes,
 * and never in single addresses. Once the prefixes are there or pending nothing is lacking, so they are asked for once;
 * the single addresses are beyond the watermarks then, and are given back like all excess. A pod that gets one of them,
 * or leaves it, changes nothing here: free and used change by one together.
 */
export function addressesToReplace(input: PlanInput): number {
  const singles = freeSingles(input);
  if (singles === 0) return 0;
  const { watermarks, available, pending, used, waiting } = input;
  const solid = available + pending - singles;
  // max-allocate is for what is held, single addresses too: it bounds what is taken, not what is lacking.
  return needed({ ...watermarks, maxAllocate: 0, available: solid, used: used + waiting });
}

/** Single addresses that no pod has and that a prefix could stand in for. */
export function freeSingles({ interfaces }: PlanInput): number {
  return interfaces.filter(({ usable }) => usable).reduce((sum, one) => sum + singlesOf(one).length, 0);
}

/**
 * How many addresses in prefixes may go without the node lacking them: otherwise recovery would ask for them again,
 * while free single addresses stay for the time being.
 */
export function sparePrefixAddresses(input: PlanInput): number {
  const { available, used, watermarks } = input;
  const solid = available - freeSingles(input);
  return Math.max(0, Math.min(solid - used - watermarks.preAllocate, solid - watermarks.minAllocate));
}

/**
 * When the node lacks prefixes and every slot is taken: single addresses of one interface, a slot for each prefix that
 * is lacking, make place for them. The next plan takes the prefixes, 16 addresses for each one that went.
 *
 * Only while no pod waits and nothing else is under way, only when giving back is on and nothing is beyond the
 * watermarks anyway, never below min-allocate, and only if the prefixes then fit under max-allocate.
 */
export function makePlace(input: PlanInput, demand: Demand, room: Room): ReleaseBlocksStep | undefined {
  const { giveBack } = input;
  if (giveBack === undefined || giveBack.uselessOnly === true) return undefined;
  if (demand.recovery === 0 || demand.excess > 0) return undefined;
  if (input.waiting > 0 || input.pending > 0 || room.carrying.some(({ busy = false }) => busy)) return undefined;
  const size = addressesIn("prefix");
  const spare = input.available - input.watermarks.minAllocate;
  const lacking = Math.ceil(demand.recovery / size);
  for (const one of room.carrying) {
    const singles = singlesOf(one);
    const isFull = one.slotsTaken + one.slotsPending >= one.slots;
    const prefixes = Math.min(lacking, singles.length, room.stock.blocks(one.subnetId, "prefix"), spare);
    // With n slots made free, n prefixes must fit under max-allocate.
    const count = Math.min(prefixes, Math.floor(demand.ceiling / (size - 1)));
    if (!isFull || count <= 0 || room.isMaking(one)) continue;
    const reason = sentences.makePlace({ id: one.id, count, slots: one.slots });
    const cidrs = singles.slice(0, count).map(({ cidr }) => cidr);
    return { kind: "release-blocks", interfaceId: one.id, cidrs, reason };
  }
  return undefined;
}

function singlesOf({ freeBlocks = [] }: PlanInterface): readonly FreeBlock[] {
  return freeBlocks.filter(({ unit }) => unit === "address");
}
