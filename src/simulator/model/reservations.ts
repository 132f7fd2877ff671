/** Making a subnet CIDR reservation. Source: https://docs.aws.amazon.com/vpc/latest/userguide/subnet-cidr-reservation.html */
import { contains, overlaps, parseRange } from "./ipv4.ts";
import { contains6, overlaps6, parseRange6 } from "./ipv6.ts";
import { requireRange6 } from "./ipv6-addresses.ts";
import type { Reservation, Subnet, Tags } from "./records.ts";
import { invalidValue } from "./simulated-error.ts";
import { drawId, type World } from "./state.ts";

export interface NewReservation {
  readonly id?: string;
  readonly cidr: string;
  readonly kind: "prefix" | "explicit";
  readonly description: string;
  readonly tags: Tags;
}

/**
 * The range may hold addresses in use; it overlaps no other reservation. Errors: InvalidParameterValue, for an overlap with
 * EC2's words (hashicorp/terraform-provider-aws#45304); no public source shows what it says of a range outside the subnet.
 */
export function reserve(world: World, subnet: Subnet, wanted: NewReservation): Reservation {
  checkCidr(subnet, wanted.cidr);
  const clash = reservationsOf(world, subnet.id).find((other) => doOverlap(other.cidr, wanted.cidr));
  if (clash) throw invalidValue(`Reservation CIDR ${wanted.cidr} has overlap with existing reserved CIDR block`);
  const { id = drawId(world, "scr"), cidr, kind, description, tags } = wanted;
  const made: Reservation = { id, subnetId: subnet.id, cidr, kind, description, tags };
  world.state.reservations.set(id, made);
  return made;
}

export function reservationsOf(world: Pick<World, "state">, subnetId: string): Reservation[] {
  return [...world.state.reservations.values()].filter((one) => one.subnetId === subnetId);
}

export function isIpv6(reservation: Pick<Reservation, "cidr">): boolean {
  return reservation.cidr.includes(":");
}

function checkCidr(subnet: Subnet, cidr: string): void {
  const within = cidr.includes(":") ? isWithin6(subnet, cidr) : isWithin(subnet, cidr);
  if (within === undefined)
    throw invalidValue(`Value (${cidr}) for parameter cidr is invalid. This is not a valid CIDR block.`);
  if (!within) throw invalidValue(`The CIDR '${cidr}' is not within the CIDR range of subnet '${subnet.id}'`);
}

/** Undefined: not a CIDR. */
function isWithin(subnet: Subnet, cidr: string): boolean | undefined {
  const range = parseRange(cidr);
  return range && contains(subnet.range, range);
}

function isWithin6(subnet: Subnet, cidr: string): boolean | undefined {
  const range = parseRange6(cidr);
  return range && contains6(requireRange6(subnet), range);
}

function doOverlap(one: string, other: string): boolean {
  const [range, otherRange] = [parseRange(one), parseRange(other)];
  const [range6, otherRange6] = [parseRange6(one), parseRange6(other)];
  if (range && otherRange) return overlaps(range, otherRange);
  return range6 !== undefined && otherRange6 !== undefined && overlaps6(range6, otherRange6);
}
