import { sentences } from "./sentences.ts";
import type { PlanInput, SetSecurityGroupsStep, Step } from "./types.ts";

/** Interfaces made by enid follow the groups that they should have; the primary one and those of others are left alone. */
export function followSecurityGroups(input: PlanInput, steps: readonly Step[]): readonly SetSecurityGroupsStep[] {
  const { securityGroups: wanted = [], interfaces } = input;
  // EC2 takes no interface without a group, so an empty list can only mean that nobody knows.
  if (wanted.length === 0) return [];
  const leaving = new Set(steps.flatMap((step) => (step.kind === "remove-interface" ? [step.interfaceId] : [])));
  return interfaces.flatMap(({ id, removable = false, busy = false, securityGroups: has }) => {
    if (!removable || busy || has === undefined || leaving.has(id) || equalAsSets(has, wanted)) return [];
    const reason = sentences.setSecurityGroups({ id, has, wanted });
    return [{ kind: "set-security-groups" as const, interfaceId: id, securityGroups: wanted, reason }];
  });
}

function equalAsSets(left: readonly string[], right: readonly string[]): boolean {
  const [one, other] = [new Set(left), new Set(right)];
  return one.size === other.size && [...one].every((id) => other.has(id));
}
