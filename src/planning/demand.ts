import { type SlotUnit, unitsToTake } from "./blocks.ts";
import { addressesToReplace } from "./recovery.ts";
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
  /** What it may be met with, the best first. */
  readonly units: readonly SlotUnit[];
  /** Addresses that prefixes should bring in any case, so that free single addresses can go (recovery.ts). */
  readonly recovery: number;
}

/**
 * Pending addresses count as held, so that asking again while steps are under way asks for nothing twice; for the same
 * reason a free or pending address is taken for a waiting pod before anything more is asked for.
 *
 * With prefixes the buffer is to be there still when the waiting pods are served: a burst then needs one call, where
 * the buffer would need another one right after it.
 */
export function measureDemand(input: PlanInput): Demand {
  const { watermarks, available, used, waiting, pending } = input;
  const units = unitsToTake(input);
  const held = available + pending;
  const free = Math.max(0, held - used);
  const { maxAllocate } = watermarks;
  const ceiling = maxAllocate > 0 ? Math.max(0, maxAllocate - held) : Number.POSITIVE_INFINITY;
  if (input.families === "ipv6") {
    const nothing = { needed: 0, unserved: 0, surge: 0, required: 0, above: 0, recovery: 0 };
    return { held, free, ceiling, units, ...nothing, excess: Math.max(0, available - used) };
  }
  const neededNow = needed({ ...watermarks, available: held, used });
  const unserved = Math.max(0, waiting - free);
  const served = units.includes("prefix") ? needed({ ...watermarks, available: held, used: used + waiting }) : 0;
  const required = Math.max(neededNow, unserved, served);
  return {
    held,
    free,
    needed: neededNow,
    unserved,
    surge: required - neededNow,
    required,
    above: required > 0 ? watermarks.maxAboveWatermark : 0,
    ceiling,
    excess: excess({ ...watermarks, available, used }),
    units,
    recovery: units.includes("prefix") ? addressesToReplace(input) : 0,
  };
}
