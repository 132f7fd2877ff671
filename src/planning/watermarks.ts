import { ADDRESSES_PER_PREFIX } from "./blocks.ts";
import { cardsOf } from "./cards.ts";
import type { PlanLimits } from "./types.ts";

/** pre-allocate where the settings do not give it; an instance that can hold less keeps less ready. */
const DEFAULT_PRE_ALLOCATE = 8;

/**
 * How many more addresses the node should hold now, as Cilium's operator computes it (calculateNeededIPs). Cooling
 * addresses are used. 0 for minAllocate or maxAllocate means that there is none.
 */
export function needed(of: {
  readonly available: number;
  readonly used: number;
  readonly preAllocate: number;
  readonly minAllocate: number;
  readonly maxAllocate: number;
}): number {
  let count = of.preAllocate - (of.available - of.used);
  if (of.minAllocate > 0) count = Math.max(count, of.minAllocate - of.available);
  if (of.maxAllocate > 0) count = Math.min(count, of.maxAllocate - of.available);
  return Math.max(0, count);
}

/**
 * How many addresses the node holds beyond its watermarks, as Cilium's operator computes it (calculateExcessIPs). Up to
 * min-allocate + max-above-watermark nothing is excess, so that what was just taken is not given back at once.
 */
export function excess(of: {
  readonly available: number;
  readonly used: number;
  readonly preAllocate: number;
  readonly minAllocate: number;
  readonly maxAboveWatermark: number;
}): number {
  const floor = of.minAllocate + of.maxAboveWatermark;
  if (of.available <= floor) return 0;
  if (of.used + of.preAllocate <= floor) return of.available - floor;
  return Math.max(0, of.available - of.used - of.preAllocate - of.maxAboveWatermark);
}

/** How many pod addresses the instance can hold when all of its interfaces are the node's own. */
export function nodeMaximum(limits: PlanLimits, { prefixes = false }: { readonly prefixes?: boolean } = {}): number {
  const interfaces = cardsOf(limits).reduce((sum, { places }) => sum + places, 0);
  if (slotsPerInterface(limits) === 0) return 0;
  // The primary interface of the instance is not made by enid: its primary address stays the node's.
  const notMade = limits.firstInterfaceIndex === 0 && limits.maxInterfaces > 0 ? 1 : 0;
  const primaries = primaryAddresses(limits) * (interfaces - notMade);
  return interfaces * slotsPerInterface(limits) * (prefixes ? ADDRESSES_PER_PREFIX : 1) + primaries;
}

/** Most pod addresses of one attached interface; of the primary one its primary address stays the node's. */
export function interfaceMaximum(
  limits: PlanLimits,
  { networkCard, deviceIndex }: { readonly networkCard: number; readonly deviceIndex: number },
  { prefixes = false }: { readonly prefixes?: boolean } = {},
): number {
  const isPrimary = networkCard === 0 && deviceIndex === 0;
  const blocks = slotsPerInterface(limits) * (prefixes ? ADDRESSES_PER_PREFIX : 1);
  return blocks + (isPrimary ? 0 : primaryAddresses(limits));
}

/** Primary addresses for pods that an interface made by enid brings besides its blocks. */
export function primaryAddresses({ usePrimaryAddress = false }: PlanLimits): 0 | 1 {
  return usePrimaryAddress ? 1 : 0;
}

/** Slots for pod addresses or prefixes on an interface: its primary address takes one. */
export function slotsPerInterface(limits: PlanLimits): number {
  return Math.max(0, limits.addressesPerInterface - 1);
}

/**
 * The pre-allocate to plan with: what the settings say, a zero too; where they say nothing (`isDefault`), 8 or the node
 * maximum, whichever is less.
 */
export function effectivePreAllocate(
  configured: number,
  isDefault: boolean,
  limits: PlanLimits,
  options: { readonly prefixes?: boolean } = {},
): number {
  return isDefault ? Math.min(DEFAULT_PRE_ALLOCATE, nodeMaximum(limits, options)) : configured;
}
