import type { SettingValues } from "../configuration/index.ts";
import { EnidError } from "../errors.ts";
import { cidrDifference, cidrHolds, cidrsOverlap } from "../pool/index.ts";
import type { Reservation, SubnetFact } from "./ports/index.ts";

/** A part of what rules name that EC2 may give to anybody: no explicit reservation covers it. */
export interface Unreserved {
  readonly subnetId: string;
  readonly cidr: string;
  /** Reservations of type prefix over a part of it, which are in the way of an explicit one. */
  readonly inTheWay: readonly string[];
}

type Range = Pick<SubnetFact, "id" | "cidr">;

/** How many parts an error names. */
const LISTED = 8;

/** The ranges that rules name, if their addresses are to wait in reservations; none otherwise. */
export function rangesToReserve(values: Pick<SettingValues, "fixed" | "fixed-parking">): readonly string[] {
  if (values["fixed-parking"] !== "reservation") return [];
  const all = [...new Set(values.fixed.flatMap(({ addresses = [] }) => addresses))];
  return all.filter((range) => !all.some((other) => other !== range && cidrHolds(other, range)));
}

/** Of these subnets, those that have a part of the ranges. */
export function subnetsOf<Subnet extends Range>(ranges: readonly string[], subnets: readonly Subnet[]): Subnet[] {
  return subnets.filter(({ cidr }) => ranges.some((range) => cidrsOverlap(range, cidr)));
}

/** What explicit reservations do not cover, in as few CIDRs as there can be. `ranges` do not overlap. */
export function unreserved(
  ranges: readonly string[],
  subnets: readonly Range[],
  reservations: readonly Reservation[],
): Unreserved[] {
  return subnets.flatMap((subnet) => {
    const here = reservations.filter(({ subnetId }) => subnetId === subnet.id);
    const explicit = here.filter(({ kind }) => kind === "explicit").map(({ cidr }) => cidr);
    const prefix = here.filter(({ kind }) => kind === "prefix");
    const parts = ranges.flatMap((range) => withinSubnet(range, subnet.cidr) ?? []);
    return parts
      .flatMap((part) => cidrDifference(part, explicit))
      .filter((rest) => cidrDifference(rest, reservedByEc2(subnet.cidr)).length > 0)
      .map((cidr) => ({
        subnetId: subnet.id,
        cidr,
        inTheWay: prefix.filter((one) => cidrsOverlap(one.cidr, cidr)).map(({ id }) => id),
      }));
  });
}

/** Why fixed addresses of these parts wait on the node, and the commands that end that. */
export function unreservedError(parts: readonly Unreserved[]): EnidError {
  const named = parts.slice(0, LISTED);
  const more = parts.length > LISTED ? ` and ${parts.length - LISTED} more` : "";
  const missing = `${named.map(({ cidr, subnetId }) => `${cidr} of ${subnetId}`).join(", ")}${more}`;
  const remove = [...new Set(named.flatMap(({ inTheWay }) => inTheWay))].map(
    (id) => `aws ec2 delete-subnet-cidr-reservation --subnet-cidr-reservation-id ${id}`,
  );
  const make = named.map(
    ({ subnetId, cidr }) =>
      `aws ec2 create-subnet-cidr-reservation --subnet-id ${subnetId} --cidr ${cidr} --reservation-type explicit`,
  );
  return new EnidError("ENID_FIXED_UNRESERVED", { missing, commands: [...remove, ...make].join(" && ") });
}

/** One of the two holds the other, or they share nothing. */
function withinSubnet(range: string, subnet: string): string | undefined {
  if (cidrHolds(subnet, range)) return range;
  return cidrHolds(range, subnet) ? subnet : undefined;
}

/** The first four and the last address, which nobody ever gets. */
function reservedByEc2(subnet: string): readonly string[] {
  const [base = "", length = ""] = subnet.split("/");
  const [a = 0, b = 0, c = 0, d = 0] = base.split(".").map(Number);
  const first = ((a * 256 + b) * 256 + c) * 256 + d;
  const last = first + 2 ** (32 - Number(length)) - 1;
  const text = [24, 16, 8, 0].map((shift) => Math.floor(last / 2 ** shift) % 256).join(".");
  return [`${base}/30`, `${text}/32`];
}
