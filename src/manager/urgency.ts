import type { NodeState } from "./node.ts";
import type { Urgency } from "./ports/index.ts";
import { readyAt } from "./readiness.ts";

/**
 * How urgent the cloud calls are that bring addresses: pods that wait go before nodes that are not ready, those before
 * buffers. A node that does not know yet what it holds is not ready.
 */
export function urgencyOf(node: NodeState, waitingPods: number, isObserved: boolean): Urgency {
  if (waitingPods > 0) return "pod-waits";
  return isObserved && node.supply().available >= readyAt(node) ? "buffer" : "below-min";
}
