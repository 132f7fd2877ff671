import type { SecurityGroup } from "@aws-sdk/client-ec2";
import { EnidError } from "../../errors.ts";
import type { Selection } from "../../manager/ports/index.ts";
import type { Ec2 } from "./ec2.ts";
import { listed, tagsOf } from "./subnets.ts";

type Choice = Pick<Selection, "securityGroups" | "securityGroupTags">;

/**
 * The security groups that created interfaces get: those named (each must exist in the VPC), else all with all the
 * tags, else those of the primary interface (no EC2 call). Ids win over tags, as in Cilium. Rejects with
 * ENID_SECURITY_GROUP_NO_MATCH. Order: as named, else by id.
 */
export async function resolveSecurityGroups(
  ec2: Ec2,
  choice: Choice,
  vpcId: string,
  ofPrimary: () => Promise<readonly string[]>,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  if (choice.securityGroups.length > 0) return named(ec2, choice.securityGroups, vpcId, signal);
  const tags = Object.entries(choice.securityGroupTags);
  if (tags.length === 0) return ofPrimary();
  // Filter values know wildcards and their escapes; asking for the keys and comparing here knows none.
  const filters = { "vpc-id": [vpcId], "tag-key": tags.map(([key]) => key) };
  const found = await ec2.describeSecurityGroups(filters, signal);
  const ids = found.filter((group) => hasTags(group, tags)).flatMap((group) => group.GroupId ?? []);
  if (ids.length > 0) return ids.sort();
  const all = await ec2.describeSecurityGroups({ "vpc-id": [vpcId] }, signal);
  throw noMatch(`security-group-tags ${tags.map(([key, value]) => `${key}=${value}`).join(", ")}`, vpcId, all);
}

async function named(ec2: Ec2, ids: readonly string[], vpcId: string, signal?: AbortSignal) {
  const seen = await ec2.describeSecurityGroups({ "group-id": ids }, signal);
  const usable = new Set(seen.filter((group) => group.VpcId === vpcId).map((group) => group.GroupId));
  const missing = ids.filter((id) => !usable.has(id));
  // One that is missing refuses all: an interface with fewer groups than asked for is not what was asked for.
  if (missing.length > 0) throw noMatch(`security-groups ${missing.join(", ")}`, vpcId, seen);
  return [...new Set(ids)];
}

function noMatch(selection: string, vpcId: string, seen: readonly SecurityGroup[]): EnidError {
  const groups = seen.map((group) => {
    const tags = Object.entries(tagsOf(group.Tags)).map(([key, value]) => `${key}=${value}`);
    return `${group.GroupId} (${group.GroupName}, ${group.VpcId}, tags ${listed(tags)})`;
  });
  return new EnidError("ENID_SECURITY_GROUP_NO_MATCH", { selection, vpcId, seen: listed(groups) });
}

function hasTags(group: SecurityGroup, wanted: readonly (readonly [string, string])[]): boolean {
  const tags = tagsOf(group.Tags);
  return wanted.every(([key, value]) => Object.hasOwn(tags, key) && tags[key] === value);
}
