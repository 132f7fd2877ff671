import { NODE_GROUP, POD_GROUP } from "../draw/place.ts";
import type { Machine } from "../machine.ts";

/**
 * What was begun under a configuration may go on so long after it: a step has five minutes, settling comes after, and a full
 * disk can keep a new configuration out.
 */
const LINGERING_MS = 30 * 60_000;

/** Configurations that may be in force now, or under which something was begun that still goes on. */
function current({ configurations, clock }: Machine) {
  const sinceMs = clock.monotonicMs() - LINGERING_MS;
  return configurations.filter(({ untilMs }) => untilMs >= sinceMs).map(({ sections }) => sections);
}

/** Subnets in which addresses may be taken and given to pods. */
export function allowedSubnets(machine: Machine): ReadonlySet<string> {
  const allowed = new Set<string>();
  for (const { eni } of current(machine)) {
    const named = eni["subnet-ids"] as readonly string[] | undefined;
    for (const id of named ?? machine.taggedSubnets) allowed.add(id);
  }
  return allowed;
}

/** Groups that a created interface may have: those that are named, else those of the primary interface. */
export function allowedGroups(machine: Machine): ReadonlySet<string> {
  return new Set(
    current(machine).map(({ eni }) =>
      eni["security-groups"] !== undefined || eni["security-group-tags"] !== undefined ? POD_GROUP : NODE_GROUP,
    ),
  );
}

export function leastCoolingMs({ configurations }: Machine): number {
  const seconds = configurations.map(({ sections }) => Number(sections.ipam["cooling-seconds"] ?? 30));
  return 1_000 * Math.min(...seconds);
}
