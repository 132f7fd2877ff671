import type { SubnetCidrReservation } from "@aws-sdk/client-ec2";
import type { Reservation } from "../../manager/ports/index.ts";
import { canonicalIpv6 } from "./block-units.ts";
import type { Ec2 } from "./ec2.ts";
import type { SharedLooks } from "./shared-looks.ts";

/**
 * The CIDR reservations of these subnets. One GetSubnetCidrReservations for each, in a fleet of one node for all; one after
 * the other, for nothing waits for them.
 * Source: https://docs.aws.amazon.com/vpc/latest/userguide/subnet-cidr-reservation.html
 */
export async function readReservations(
  ec2: Ec2,
  looks: SharedLooks,
  subnetIds: readonly string[],
  signal?: AbortSignal,
): Promise<readonly Reservation[]> {
  const all: Reservation[] = [];
  for (const subnetId of subnetIds) {
    const seen = await looks.reservations(ec2, subnetId, signal);
    all.push(...seen.flatMap((one) => reservationOf(one, subnetId)));
  }
  return all;
}

/** None of a kind that is not known: who knows what EC2 does with it. */
function reservationOf(seen: SubnetCidrReservation, subnetId: string): Reservation[] {
  const { SubnetCidrReservationId: id, Cidr: cidr, ReservationType: kind } = seen;
  if (typeof id !== "string" || typeof cidr !== "string" || (kind !== "explicit" && kind !== "prefix")) return [];
  return [{ id, subnetId, cidr: cidr.includes(":") ? canonicalIpv6(cidr) : cidr, kind }];
}
