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
  /**
   * GC: ends the leases of the network whose attachment is not among `valid` and that were made before the request came.
   * Resolves once that is durable. Absent = GC is refused (peers that are simulated have none).
   */
  collect?(network: string, valid: readonly Pick<Attachment, "containerId" | "interfaceName">[]): Promise<void>;
  /** The lease of the attachment, if any. Synchronous: it reads the pool. */
  lookup(attachment: Attachment): Lease | undefined;
  /** Why an address of the lease is the node's no more, so that nothing reaches it for good. Absent = nobody can tell. */
  lost?(lease: Lease): EnidError | undefined;
  /** Undefined when ADD can be served; otherwise why not (STATUS answers with 50). */
  notReady(): EnidError | undefined;
  /** Why pods that run may have limited connectivity (STATUS answers with 51); undefined = they do not. */
  limited?(): EnidError | undefined;
}

export interface AddRequest {
  readonly attachment: Attachment;
  readonly pod: Pod;
  /** CNI_NETNS. Absent = the caller names none. */
  readonly sandboxPath?: string;
  /**
   * Addresses that the caller asks for, canonical, at most one of each family. Absent = any. Refused with
   * ENID_ADDRESS_UNAVAILABLE when one cannot be had; never another one instead.
   */
  readonly wanted?: readonly string[];
  /** Annotations of the pod under `enid.io/`. Absent = none, or the runtime passes none on. */
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface AddAnswer {
  /** Canonical text, no prefix length. IPv4, or the IPv6 address of a pod that has no other. */
  readonly address: string;
  /** The network that `address` is of, for callers that use it. Absent = not known: the address stands alone. */
  readonly network?: AddressNetwork;
  /** Of a dual-stack pod. */
  readonly ipv6Address?: string;
  readonly ipv6Network?: AddressNetwork;
}

/** What a caller like ptp or bridge needs beside an address; cilium-cni uses none of it. */
export interface AddressNetwork {
  /** Of the subnet or node range that the address is of. */
  readonly prefixLength: number;
  /** The pod's default gateway, which the node itself answers for; manager/networks.ts says which one it is. */
  readonly gateway: string;
}
