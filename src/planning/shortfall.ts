import { ADDRESSES_PER_PREFIX } from "./blocks.ts";
import type { Demand } from "./demand.ts";
import { type Ipv6Need, ipv6Shortfall } from "./ipv6.ts";
import type { Room } from "./room.ts";
import { isHeldBack } from "./stock.ts";
import type { PlanInput, ShortfallReason } from "./types.ts";

/** The limit that keeps the plan below what is required. Limits of the settings and the instance come first: they last. */
export function findShortfall(input: PlanInput, demand: Demand, room: Room, got: number): ShortfallReason | undefined {
  const { required, ceiling, units } = demand;
  if (got >= required) return undefined;
  if (units.length === 0) return { kind: "prefixes-unsupported" };
  const onlyPrefixes = !units.includes("address");
  const isMaxReached = ceiling - got < (onlyPrefixes ? ADDRESSES_PER_PREFIX : 1);
  if (isMaxReached && (ceiling < room.freeAddresses || !room.isFull)) {
    return { kind: "max-allocate", maxAllocate: input.watermarks.maxAllocate };
  }
  if (room.isFull) {
    if (room.capacity === 0) return { kind: "no-usable-interface" };
    return { kind: "instance-full", capacity: room.capacity };
  }
  const blocked = findBlocked(input);
  if (blocked !== undefined) return blocked;
  const { subnets } = input;
  if (subnets.length === 0) return { kind: "no-subnet" };
  const isFragmented = onlyPrefixes && subnets.some(({ id }) => room.stock.free(id) > 0);
  return { kind: isFragmented ? "subnets-fragmented" : "subnets-empty", subnets };
}

/** Why pods that need an IPv6 prefix get none. */
export function findIpv6Shortfall(
  input: PlanInput,
  need: Ipv6Need,
  room: Room,
  isMissing: boolean,
): ShortfallReason | undefined {
  if (need.kind === "none" || need.kind === "held" || need.kind === "waits") return undefined;
  if (need.kind === "short") return need.shortfall;
  return findBlocked(input) ?? (isMissing ? ipv6Shortfall(input, room) : undefined);
}

function findBlocked({ blocked, nowMs }: PlanInput): ShortfallReason | undefined {
  if (blocked === undefined || !isHeldBack(blocked.untilMs, nowMs)) return undefined;
  return { kind: "blocked", untilMs: blocked.untilMs, reason: blocked.reason };
}
