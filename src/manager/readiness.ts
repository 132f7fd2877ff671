import { EnidError } from "../errors.ts";
import type { Degradations } from "./degradations.ts";
import type { NodeState } from "./node.ts";

/** States that keep a daemon from getting through its start. */
const OBSTACLES = ["node-unknown", "no-subnet", "no-security-group", "cloud-away"];

/** What a daemon without a warm state still waits for before it serves pods. */
export function stillStarting(node: NodeState, degradations: Degradations): EnidError {
  const obstacle = degradations.list().find(({ name }) => OBSTACLES.includes(name));
  const why = (waitingFor: string, doing: string) =>
    new EnidError("ENID_STARTING", { waitingFor: `${waitingFor} (${obstacle?.error.message ?? doing})` });
  if (node.hasRanges) {
    if (node.facts === undefined) return why("who this node is", "its identity is being read");
    return why("what addresses the node itself has", "its devices are being looked at");
  }
  if (node.facts === undefined) return why("who this node is", "instance metadata is being read");
  return why("what this node holds", "EC2 is being asked");
}

/** Addresses at which the node counts as ready: min-allocate, at least one, at most what it can hold. */
export function readyAt(node: NodeState): number {
  const { minAllocate, maxAllocate } = node.watermarks();
  const most = Math.min(node.capacity() || Number.POSITIVE_INFINITY, maxAllocate || Number.POSITIVE_INFINITY);
  return Math.min(Math.max(1, minAllocate), most);
}
