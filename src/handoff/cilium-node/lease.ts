import type { Clock } from "../../adapters/index.ts";
import { coerceError, EnidError } from "../../errors.ts";
import { type KubernetesApi, type KubernetesObject, LEASES } from "./api.ts";
import { fieldsOf, textOf } from "./merge-patch.ts";
import { ownedByNode } from "./owner.ts";

export interface NodeLeaseOptions {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly nodeName: string;
  readonly namespace: string;
  /** "STATE/PROCESS": who goes by the same state is the same enid, started anew. */
  readonly holder: string;
}

/** A lease is over when nobody renewed it for so long; renewed three times in that time. */
export const LEASE_MS = 180_000;
export const RENEW_MS = 60_000;
/** Before the end of the own lease, for what is on its way then. */
const MARGIN_MS = 20_000;

/**
 * The lease object `enid-NODE` (coordination.k8s.io): of two enids that serve one node by mistake one writes. That the other's
 * is over is told by this clock alone, from when its last renewal was seen here: the clocks of machines differ.
 */
export class NodeLease {
  readonly #options: NodeLeaseOptions;
  #heldUntilMs = 0;
  #renewAtMs = 0;
  #seen: { readonly text: string; readonly atMs: number } | undefined;

  constructor(options: NodeLeaseOptions) {
    this.#options = options;
  }

  /** Whether this process may write now. */
  get isHeld(): boolean {
    return this.#options.clock.monotonicMs() < this.#heldUntilMs - MARGIN_MS;
  }

  /** Monotonic ms. */
  get renewAtMs(): number {
    return this.#renewAtMs;
  }

  /**
   * Takes the lease, or renews it when that is due.
   * @throws EnidError ENID_CILIUM_NODE_OTHER_ENID while another enid has it, ENID_KUBERNETES_*.
   */
  async keep(signal: AbortSignal): Promise<void> {
    const { api, clock, nodeName, holder } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.isHeld && nowMs < this.#renewAtMs) return;
    const name = this.#name;
    const there = await api.get(LEASES, name, signal);
    const sentMs = clock.monotonicMs();
    if (there === undefined) {
      await this.#create(signal);
    } else {
      const spec = fieldsOf(there.spec);
      const other = textOf(spec.holderIdentity);
      if (!this.#mayTake(other, `${other} ${textOf(spec.renewTime)} ${there.metadata.uid}`, nowMs)) {
        this.#heldUntilMs = 0;
        throw new EnidError("ENID_CILIUM_NODE_OTHER_ENID", {
          node: nodeName,
          holder: other,
          since: textOf(spec.acquireTime),
        });
      }
      const time = this.#time();
      const acquired = other === holder ? {} : { acquireTime: time };
      const { resourceVersion } = there.metadata;
      const renewed = { holderIdentity: holder, renewTime: time, leaseDurationSeconds: LEASE_MS / 1_000, ...acquired };
      await api.patch(LEASES, name, { metadata: { resourceVersion }, spec: renewed }, {}, signal);
    }
    // It counts from before the call, whose effect came after that.
    this.#heldUntilMs = sentMs + LEASE_MS;
    this.#renewAtMs = sentMs + RENEW_MS;
    this.#seen = undefined;
  }

  /** Another enid may begin at once. Never rejects. */
  async release(signal: AbortSignal): Promise<void> {
    if (!this.isHeld) return;
    this.#heldUntilMs = 0;
    const { api, holder } = this.#options;
    try {
      const there = await api.get(LEASES, this.#name, signal);
      if (there === undefined || textOf(fieldsOf(there.spec).holderIdentity) !== holder) return;
      const { resourceVersion } = there.metadata;
      await api.patch(
        LEASES,
        this.#name,
        { metadata: { resourceVersion }, spec: { holderIdentity: null } },
        {},
        signal,
      );
    } catch {
      // It ends by itself.
    }
  }

  get #name() {
    return { name: `enid-${this.#options.nodeName}`, namespace: this.#options.namespace };
  }

  #mayTake(other: string, text: string, nowMs: number): boolean {
    const { holder } = this.#options;
    if (other === "" || stateOf(other) === stateOf(holder)) return true;
    if (this.#seen?.text !== text) this.#seen = { text, atMs: nowMs };
    return nowMs - this.#seen.atMs >= LEASE_MS;
  }

  async #create(signal: AbortSignal): Promise<void> {
    const { api, holder, nodeName } = this.#options;
    const time = this.#time();
    const owner = await ownedByNode(api, nodeName, signal);
    const lease: KubernetesObject = {
      apiVersion: "coordination.k8s.io/v1",
      kind: LEASES.kind,
      metadata: { ...this.#name, ...owner },
      spec: { holderIdentity: holder, leaseDurationSeconds: LEASE_MS / 1_000, acquireTime: time, renewTime: time },
    };
    try {
      await api.create(LEASES, lease, signal);
    } catch (thrown) {
      const error = coerceError(thrown);
      // Somebody was faster: who it is, the next look tells.
      if (error.code !== "ENID_KUBERNETES_EXISTS") throw error;
      throw new EnidError("ENID_KUBERNETES_CONFLICT", { what: `the lease ${this.#name.name}` }, { cause: error });
    }
  }

  /** RFC 3339 with microseconds, as the API wants it. */
  #time(): string {
    return new Date(this.#options.clock.nowMs()).toISOString().replace("Z", "000Z");
  }
}

function stateOf(holder: string): string {
  return holder.slice(0, holder.lastIndexOf("/"));
}
