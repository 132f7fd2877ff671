import { adoptedAttachment, attachmentToEnd } from "../adoption/index.ts";
import type { Attachment, Pod } from "../pool/index.ts";
import type { NodeState } from "./node.ts";

/** Sandboxes remembered at once; each is a pod that was adopted and has asked here since. */
const REMEMBERED = 2_000;

/**
 * Which lease a DEL ends: that of its attachment and no other, so that a late DEL of an old sandbox frees nothing of a new
 * one. A lease that was taken over from another IPAM is known by its pod alone; the DEL of a sandbox that asked here for an
 * address, whatever came of it, is never about that one.
 */
export class Fence {
  readonly #node: NodeState;
  /** In order of arrival. */
  readonly #askedHere = new Set<string>();

  constructor(node: NodeState) {
    this.#node = node;
  }

  /** An ADD came. `key` names its attachment. */
  asked(key: string, pod: Pod): void {
    if (this.#node.pool.leaseOf(adoptedAttachment(pod)) === undefined) return;
    this.#askedHere.delete(key);
    this.#askedHere.add(key);
    if (this.#askedHere.size <= REMEMBERED) return;
    for (const oldest of this.#askedHere) {
      this.#askedHere.delete(oldest);
      return;
    }
  }

  toEnd(key: string, attachment: Attachment, pod: Pod | undefined): Attachment {
    return this.#askedHere.has(key) ? attachment : attachmentToEnd(this.#node.pool, attachment, pod);
  }
}
