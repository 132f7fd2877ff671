import type { EnidError } from "../../errors.ts";
import type { Attachment, Lease, Pod } from "../../pool/index.ts";

/** What the CNI hand-off needs of the manager. */
export interface LeaseService {
  /**
   * The pod's address: the one it has (repeated ADD), a free one, or a planned one waited for up to the configured limit.
   * Resolves only after the lease is durable. Rejects with an EnidError whose entry has a CNI code.
   * An aborted signal (the caller hung up) ends the waiting; a lease already made stays until DEL or a repeated ADD.
   */
  add(request: AddRequest, signal?: AbortSignal): Promise<AddAnswer>;
  /**
   * Ends the lease and resolves once that is durable; succeeds for an unknown attachment. `pod` finds a lease that was
   * taken over from another IPAM, which did not know the attachment.
   */
  remove(attachment: Attachment, pod?: Pod): Promise<void>;
  /** The lease of the attachment, if any. Synchronous: it reads the pool. */
  lookup(attachment: Attachment): Lease | undefined;
  /** Undefined when ADD can be served; otherwise why not (STATUS answers with its CNI code). */
  notReady(): EnidError | undefined;
}

export interface AddRequest {
  readonly attachment: Attachment;
  readonly pod: Pod;
}

export interface AddAnswer {
  /** Canonical text, no prefix length. IPv4, or the IPv6 address of a pod that has no other. */
  readonly address: string;
  /** Of a dual-stack pod. */
  readonly ipv6Address?: string;
}
