import type { GivenAddresses, Plan, PlanInput, ShortfallReason } from "./types.ts";
import { needed } from "./watermarks.ts";

/**
 * The plan of a node whose addresses are given to it: no step can bring more, and none gives back. What the watermarks
 * and the waiting pods lack is the shortfall.
 */
export function planGiven(input: PlanInput, given: GivenAddresses): Plan {
  const { available, used, waiting, watermarks } = input;
  const neededNow = needed({ available, used, ...watermarks });
  const required = Math.max(neededNow, waiting - given.free, 0);
  const shortfall = required > 0 ? shortfallOf(input, given) : undefined;
  return {
    steps: [],
    needed: neededNow,
    surge: required - neededNow,
    wanted: 0,
    planned: 0,
    ...(shortfall === undefined ? {} : { shortfall }),
    explanation: explain(input, given, neededNow),
  };
}

/** max-allocate only where it is what keeps a pod from an address that is there. */
function shortfallOf({ watermarks: { maxAllocate } }: PlanInput, given: GivenAddresses): ShortfallReason {
  if (given.free === 0 && given.unused > 0) return { kind: "max-allocate", maxAllocate };
  const { ranges, free, leased, cooling, reserved, draining } = given;
  return { kind: "ranges-full", ranges, free, leased, cooling, reserved, draining };
}

function explain(input: PlanInput, given: GivenAddresses, neededNow: number): string[] {
  const { watermarks, waiting } = input;
  const { ranges, free, leased, cooling, reserved, draining, unused } = given;
  const lines = [
    `the node's ranges ${ranges.join(", ")} have ${leased} addresses leased, ${cooling} cooling and ${free} free for pods; ${reserved} are for no pod`,
  ];
  if (unused > free) {
    lines.push(`${unused - free} more are not given out: max-allocate lets ${watermarks.maxAllocate} pods have one`);
  }
  if (draining > 0) lines.push(`${draining} addresses of ranges that podCIDRs no longer names are still in use`);
  lines.push(`needed ${neededNow}: pre-allocate asks for ${watermarks.preAllocate} free addresses, ${free} are`);
  if (waiting > 0) lines.push(`${waiting} pods wait, for ${Math.min(waiting, free)} of them an address is free`);
  if (Math.max(neededNow, waiting - free) > 0) {
    lines.push("a node with ranges of its own gets no more by itself: add a range to podCIDRs");
  } else lines.push("nothing is to be done: the ranges are the node's, whole and for good");
  return lines;
}
