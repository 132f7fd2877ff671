import { type Action, defineAction, type Result, tagSet } from "../action.ts";
import { applyFilters, FILTER_SHAPE, type FilterFields } from "../filters.ts";
import { required, requireReservation, requireSubnet } from "../lookups.ts";
import { PAGE_SHAPE, paginate } from "../pagination.ts";
import type { Reservation } from "../records.ts";
import { readTagSpecifications, TAG_SPECIFICATION_SHAPE } from "../request-tags.ts";
import { isIpv6, reservationsOf, reserve } from "../reservations.ts";
import { invalidValue } from "../simulated-error.ts";
import type { CloudState } from "../state.ts";

export const createSubnetCidrReservation: Action = defineAction({
  name: "CreateSubnetCidrReservation",
  service: "ec2",
  kind: "mutating",
  shape: {
    SubnetId: "string",
    Cidr: "string",
    ReservationType: "string",
    Description: "string",
    TagSpecification: TAG_SPECIFICATION_SHAPE,
  } as const,
  check(request) {
    required(request.SubnetId, "subnetId");
    required(request.Cidr, "cidr");
    kindOf(required(request.ReservationType, "reservationType"));
  },
  run(world, request): Result {
    const subnet = requireSubnet(world, required(request.SubnetId, "subnetId"));
    const made = reserve(world, subnet, {
      cidr: required(request.Cidr, "cidr"),
      kind: kindOf(required(request.ReservationType, "reservationType")),
      description: request.Description ?? "",
      tags: readTagSpecifications(request.TagSpecification, "subnet-cidr-reservation"),
    });
    return { subnetCidrReservation: reservationResult(world.state, made) };
  },
});

export const deleteSubnetCidrReservation: Action = defineAction({
  name: "DeleteSubnetCidrReservation",
  service: "ec2",
  kind: "mutating",
  shape: { SubnetCidrReservationId: "string" } as const,
  check: (request) => void required(request.SubnetCidrReservationId, "subnetCidrReservationId"),
  run(world, request): Result {
    const id = required(request.SubnetCidrReservationId, "subnetCidrReservationId");
    const found = requireReservation(world, id);
    world.state.reservations.delete(id);
    return { deletedSubnetCidrReservation: reservationResult(world.state, found) };
  },
});

/** Pages count the reservations of both families together. */
export const getSubnetCidrReservations: Action = defineAction({
  name: "GetSubnetCidrReservations",
  service: "ec2",
  kind: "describe",
  shape: { SubnetId: "string", Filter: FILTER_SHAPE, ...PAGE_SHAPE } as const,
  check: (request) => void required(request.SubnetId, "subnetId"),
  run(world, request): Result {
    const subnet = requireSubnet(world, required(request.SubnetId, "subnetId"));
    const selected = applyFilters(reservationsOf(world, subnet.id), request.Filter, FILTERS);
    const scope = ["GetSubnetCidrReservations", subnet.id, request.Filter];
    const page = paginate(selected, (one) => one.id, request, { scope, ceiling: 1_000 });
    const shown = (items: readonly Reservation[]) => items.map((one) => reservationResult(world.state, one));
    return {
      subnetIpv4CidrReservationSet: shown(page.items.filter((one) => !isIpv6(one))),
      subnetIpv6CidrReservationSet: shown(page.items.filter(isIpv6)),
      nextToken: page.nextToken,
    };
  },
});

const FILTERS: FilterFields<Reservation> = {
  reservationType: (one) => [one.kind],
  "subnet-id": (one) => [one.subnetId],
};

function kindOf(text: string): Reservation["kind"] {
  if (text === "prefix" || text === "explicit") return text;
  throw invalidValue(`Value (${text}) for parameter reservationType is invalid.`);
}

function reservationResult(state: CloudState, one: Reservation): Result {
  return {
    subnetCidrReservationId: one.id,
    subnetId: one.subnetId,
    cidr: one.cidr,
    reservationType: one.kind,
    ownerId: state.account,
    description: one.description || undefined,
    tagSet: tagSet(one.tags),
  };
}
