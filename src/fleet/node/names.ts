import { createHash } from "node:crypto";
import type { FleetMember } from "../../manager/ports/index.ts";

/** Longest name as it is; of a longer one a part and its hash are used. */
const LONGEST = 200;

/** A name within the node's account and Region, bounded: nodes of others mean other things by it. */
export function nameWithin({ accountId, region }: FleetMember, name: string): string {
  const short = name.length <= LONGEST ? name : `${name.slice(0, LONGEST - 65)}#${hashOf(name)}`;
  return `${accountId}/${region}/${short}`;
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
