import type { NodeState } from "./node.ts";
import type { Change } from "./ports/index.ts";

/**
 * Brings the blocks of the pool in line with podCIDRs: a new range joins, one that is no longer named drains (no pod gets
 * an address of it anew) and leaves with its last lease. Answers what is to become durable. On AWS there are none.
 */
export function alignRanges(_node: NodeState): Change[] {
  return [];
}
