import type { Room } from "./room.ts";
import type { PlanInput, PlanInterface, ShortfallReason } from "./types.ts";

/** Whether pods need an IPv6 prefix that the node does not have, and how it comes by one: one is enough for any node. */
export type Ipv6Need =
  | { readonly kind: "none" }
  | { readonly kind: "held"; readonly interfaceId: string }
  /** It can go on an interface that a step changes now, or that is being made. */
  | { readonly kind: "waits"; readonly interfaceId: string }
  | { readonly kind: "add"; readonly interfaceId: string; readonly subnetId: string }
  /** It needs a new interface in a subnet with IPv6. */
  | { readonly kind: "create" }
  | { readonly kind: "short"; readonly shortfall: ShortfallReason };

export function ipv6Need(input: PlanInput, room: Room): Ipv6Need {
  if (!needsIpv6(input)) return { kind: "none" };
  const holder = input.interfaces.find((one) => one.usable && holdsIpv6(one));
  if (holder !== undefined) return { kind: "held", interfaceId: holder.id };
  const able = room.carrying.filter(({ subnetId }) => room.stock.hasIpv6(subnetId) && !room.stock.isHeldBack(subnetId));
  const ready = able.find((one) => one.busy !== true && !room.isMaking(one));
  if (ready !== undefined) return { kind: "add", interfaceId: ready.id, subnetId: ready.subnetId };
  const [busy] = able;
  if (busy !== undefined) return { kind: "waits", interfaceId: busy.id };
  const subnet = room.stock.roomiest({ unit: "address", leastBlocks: 0, ipv6: true });
  if (subnet !== undefined && room.places.free > 0) return { kind: "create" };
  return { kind: "short", shortfall: ipv6Shortfall(input, room) };
}

export function needsIpv6({ families = "ipv4" }: PlanInput): boolean {
  return families !== "ipv4";
}

export function holdsIpv6({ ipv6Prefixes = 0 }: PlanInterface): boolean {
  return ipv6Prefixes > 0;
}

/** Why no interface can have an IPv6 prefix now. */
export function ipv6Shortfall({ subnets }: PlanInput, room: Room): ShortfallReason {
  if (subnets.length === 0) return { kind: "no-subnet" };
  const hasPlace = room.places.free > 0;
  if (!hasPlace && room.carrying.length === 0) return { kind: "no-usable-interface" };
  const reachable = subnets.filter(({ id }) => hasPlace || room.carrying.some(({ subnetId }) => subnetId === id));
  const able = reachable.filter(({ ipv6 = false }) => ipv6);
  if (able.length === 0) return { kind: "no-ipv6-subnet", subnets: reachable };
  return { kind: "subnets-empty", subnets: able };
}
