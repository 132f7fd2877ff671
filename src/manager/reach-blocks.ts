import { cidrsOverlap } from "../pool/index.ts";
import type { NodeState } from "./node.ts";
import { NODE_INTERFACE, type ReachBlock } from "./ports/index.ts";

/**
 * The blocks as the way to them is found. The node's own ranges are told as podCIDRs names them: the blocks that pods of
 * earlier ranges cut them into are nobody's concern, and what such a block has outside of them is not this node's any more.
 */
export function reachBlocks({ pool, settings, hasRanges }: NodeState): ReachBlock[] {
  const blocks = [...pool.blocks()];
  const ranges = hasRanges ? settings.values.podCIDRs : [];
  const held = ranges.filter((range) => blocks.some(({ block }) => cidrsOverlap(range, block.cidr)));
  const others = blocks.filter(
    ({ block }) => block.kind !== "node-cidr" || !ranges.some((range) => cidrsOverlap(range, block.cidr)),
  );
  return [
    ...held.map((cidr) => ({ cidr, kind: "node-cidr" as const, interfaceId: NODE_INTERFACE, usable: true })),
    ...others.map(({ block: { cidr, kind, interfaceId }, usable }) => ({ cidr, kind, interfaceId, usable })),
  ];
}
