import type { SecurityGroup } from "@aws-sdk/client-ec2";
import { EnidError } from "../../errors.ts";
import type { Selection } from "../../manager/ports/index.ts";
import type { Filters } from "./ec2-transport.ts";
import { FRESH_AGE_MS, GROUPS_AGE_MS } from "./shared-looks.ts";
import { type Looks, listed, tagsOf } from "./subnets.ts";

type Choice = Pick<Selection, "securityGroups" | "securityGroupTags">;

/**
 * The security groups that created interfaces get: those named (each must exist in the VPC), else all with all the
 * tags, else those of the primary interface (no EC2 call). Ids win over tags, as in Cilium. Rejects with
 * ENID_SECURITY_GROUP_NO_MATCH, never by an answer that is older than the question. Order: as named, else by id.
 */
export async function resolveSecurityGroups(
  looks: Looks,
  choice: Choice,
  vpcId: string,
  ofPrimary: () => Promise<readonly string[]>,
): Promise<readonly string[]> {
  if (choice.securityGroups.length > 0) return named(looks, choice.securityGroups, vpcId);
  const tags = Object.entries(choice.securityGroupTags);
  if (tags.length === 0) return ofPrimary();
  // Filter values know wildcards and their escapes; asking for the keys and comparing here knows none.
  const filters = { "vpc-id": [vpcId], "tag-key": tags.map(([key]) => key) };
  const isWanted = (group: SecurityGroup) => group.VpcId === vpcId && hasTags(group, tags);
  const seen = await look(looks, filters, (groups) => groups.some(isWanted));
  const ids = seen.filter(isWanted).flatMap((group) => group.GroupId ?? []);
  if (ids.length > 0) return ids.sort();
  const all = await looks.looks.securityGroups(looks.ec2, { "vpc-id": [vpcId] }, FRESH_AGE_MS, looks.signal);
  throw noMatch(`security-group-tags ${tags.map(([key, value]) => `${key}=${value}`).join(", ")}`, vpcId, all);
}

async function named(looks: Looks, ids: readonly string[], vpcId: string) {
  const missingOf = (groups: readonly SecurityGroup[]) => {
    const usable = new Set(groups.filter((group) => group.VpcId === vpcId).map((group) => group.GroupId));
    return ids.filter((id) => !usable.has(id));
  };
  const seen = await look(looks, { "group-id": ids }, (groups) => missingOf(groups).length === 0);
  const missing = missingOf(seen);
  // One that is missing refuses all: an interface with fewer groups than asked for is not what was asked for.
  if (missing.length > 0) throw noMatch(`security-groups ${missing.join(", ")}`, vpcId, seen);
  return [...new Set(ids)];
}

/** In a fleet an older answer will do as long as it brings what is wanted. */
async function look(
  { ec2, looks, maxAgeMs, signal }: Looks,
  filters: Filters,
  isEnough: (groups: readonly SecurityGroup[]) => boolean,
): Promise<readonly SecurityGroup[]> {
  const seen = await looks.securityGroups(ec2, filters, Math.min(maxAgeMs, GROUPS_AGE_MS), signal);
  if (isEnough(seen) || !looks.areShared) return seen;
  return looks.securityGroups(ec2, filters, FRESH_AGE_MS, signal);
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
