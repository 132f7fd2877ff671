import type { Clock } from "../../adapters/index.ts";
import { type KubernetesApi, NODES } from "./api.ts";
import { fieldsOf, listOf, textOf } from "./merge-patch.ts";
import type { AgentOffer } from "./port.ts";

export interface NodeTaintsOptions {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly nodeName: string;
  /** Keys; empty = off. */
  readonly startupTaint: string;
  readonly fullTaint: string;
}

/** The Node is not watched: somebody may have put a taint back. */
const LOOK_AGAIN_MS = 60 * 60_000;

/**
 * Taints of the Node, where the settings name them: the one of the start goes once min-allocate is there, the one of a full
 * node is there while no address is free and none can come. Of the others each stays as it is, in its order.
 */
export class NodeTaints {
  readonly #options: NodeTaintsOptions;
  #applied: string | undefined;
  #appliedMs = 0;

  constructor(options: NodeTaintsOptions) {
    this.#options = options;
  }

  /** @throws EnidError ENID_KUBERNETES_*: to be called again. */
  async apply(offer: AgentOffer, signal: AbortSignal): Promise<void> {
    const { api, clock, nodeName, startupTaint, fullTaint } = this.#options;
    if (startupTaint === "" && fullTaint === "") return;
    const isFull = offer.free === 0 && offer.error !== "";
    const wanted = `${offer.ready} ${isFull}`;
    const nowMs = clock.monotonicMs();
    if (wanted === this.#applied && nowMs - this.#appliedMs < LOOK_AGAIN_MS) return;
    const node = await api.get(NODES, { name: nodeName }, signal);
    if (node !== undefined) {
      const before = listOf(fieldsOf(node.spec).taints);
      const keyOf = (taint: unknown) => textOf(fieldsOf(taint).key);
      const kept = before.filter((taint) => {
        const key = keyOf(taint);
        return !(key !== "" && ((key === startupTaint && offer.ready) || (key === fullTaint && !isFull)));
      });
      const lacks = fullTaint !== "" && isFull && !kept.some((taint) => keyOf(taint) === fullTaint);
      const after = lacks ? [...kept, { key: fullTaint, effect: "NoSchedule" }] : kept;
      if (after.length !== before.length || lacks) {
        const { resourceVersion } = node.metadata;
        const patch = { metadata: { resourceVersion }, spec: { taints: after.length === 0 ? null : after } };
        await api.patch(NODES, { name: nodeName }, patch, {}, signal);
      }
    }
    this.#applied = wanted;
    this.#appliedMs = nowMs;
  }
}
