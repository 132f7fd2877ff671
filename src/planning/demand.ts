import type { PlanInput } from "./types.ts";
import { excess, needed } from "./watermarks.ts";

/** What the watermarks and the waiting pods ask for, whatever the cloud can give. */
export interface Demand {
  /** Addresses the node holds or is about to. */
  readonly held: number;
  /** Of these, not used. */
  readonly free: number;
  readonly needed: number;
  /** Waiting pods for whom no free or pending address is there. */
  readonly unserved: number;
  readonly surge: number;
  /** What the node should get at least: needed + surge. */
  readonly required: number;
  /** Taken in the same calls when anything is required. */
  readonly above: number;
  /** What max-allocate still allows; Infinity if it is not set. */
  readonly ceiling: number;
  readonly excess: number;
}

/**
 * Pending addresses count as held, so that asking again while steps are under way asks for nothing twice; for the same
 * reason a free or pending address is taken for a waiting pod before anything more is asked for.
 */
export function measureDemand({ watermarks, available, used, waiting, pending }: PlanInput): Demand {
  const held = available + pending;
  const free = Math.max(0, held - used);
  const neededNow = needed({ ...watermarks, available: held, used });
  const unserved = Math.max(0, waiting - free);
  const surge = Math.max(0, unserved - neededNow);
  const required = neededNow + surge;
  return {
    held,
    free,
    needed: neededNow,
    unserved,
    surge,
    required,
    above: required > 0 ? watermarks.maxAboveWatermark : 0,
    ceiling: watermarks.maxAllocate > 0 ? Math.max(0, watermarks.maxAllocate - held) : Number.POSITIVE_INFINITY,
    excess: excess({ ...watermarks, available, used }),
  };
}
