import { type Cancel, jitterMs, sleep } from "../../adapters/index.ts";
import { type NodeDocument, urgentPartOf } from "../document.ts";
import type { PartOptions } from "./parts.ts";
import { NodeProfiles } from "./profiles.ts";

export const REGISTRY_LIMITS = {
  /** A node says anew what it has about this often. */
  publishEveryMs: 10_000,
  publishJitter: 0.2,
  /** What is urgent is looked at so often, and told then. */
  lookEveryMs: 2_000,
  /** Three renewals may get lost. */
  ttlMs: 45_000,
  /** Leaving is waited for this long at an orderly stop. */
  leaveMs: 1_000,
} as const;

/** Says who this node is and what it has, again and again, and hears how many there are. Quiet while the store is away. */
export class NodeRegistry {
  /** When it was asked last; 0 = not known. */
  nodes = 0;
  readonly profiles: NodeProfiles;
  readonly #options: PartOptions;
  #document: (() => NodeDocument | undefined) | undefined;
  #cancel: Cancel | undefined;
  #publishing: Promise<void> | undefined;
  #told = "";
  #nextMs = 0;
  #isStopped = false;
  #isThere = false;

  constructor(options: PartOptions) {
    this.#options = options;
    this.profiles = new NodeProfiles(options);
  }

  /** From now on the node is in the registry, as `document` says; undefined = nothing can be said yet. */
  start(document: () => NodeDocument | undefined): void {
    if (this.#isStopped || this.#document !== undefined) return;
    this.#document = document;
    this.#look();
  }

  /** Takes the node out of the registry, if that is possible now; else its entry ends with its time. Never rejects. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#cancel?.();
    const { member, store, clock } = this.#options;
    const nodeId = member()?.nodeId;
    const publishing = this.#publishing;
    if (nodeId === undefined || (!this.#isThere && publishing === undefined)) return;
    const leave = async () => {
      // What is on its way would put the node back.
      await publishing;
      if (this.#isThere) await store.registry.remove(nodeId);
    };
    const leaving = leave().catch(() => {});
    await Promise.race([leaving, sleep(clock, REGISTRY_LIMITS.leaveMs)]);
  }

  #look(): void {
    const { clock } = this.#options;
    const document = this.#options.member() === undefined ? undefined : this.#document?.();
    if (document !== undefined && this.#publishing === undefined) {
      const urgent = urgentPartOf(document);
      if (clock.monotonicMs() >= this.#nextMs || urgent !== this.#told) this.#publish(document, urgent);
    }
    this.#cancel = clock.after(REGISTRY_LIMITS.lookEveryMs, () => this.#look());
  }

  #publish(document: NodeDocument, urgent: string): void {
    const { clock, random } = this.#options;
    // Also after a failure: a store that is away is not asked more often than one that is there.
    this.#told = urgent;
    this.#nextMs =
      clock.monotonicMs() + jitterMs(random, REGISTRY_LIMITS.publishEveryMs, REGISTRY_LIMITS.publishJitter);
    this.#publishing = this.#say(document).finally(() => {
      this.#publishing = undefined;
    });
  }

  async #say(document: NodeDocument): Promise<void> {
    const nodeId = this.#options.member()?.nodeId ?? "";
    const entry = { nodeId, document: JSON.stringify(document), ttlMs: REGISTRY_LIMITS.ttlMs, by: "node" } as const;
    try {
      const { kept, nodes, profilesRevision } = await this.#options.store.registry.publish(entry);
      this.#isThere = kept;
      this.nodes = nodes;
      if (!this.#isStopped) await this.profiles.heard(profilesRevision);
    } catch {
      // Away: the connection tells it, and what was last known of the fleet stays.
      this.#isThere = false;
    }
  }
}
