import type { Attachment, Pod } from "../pool/index.ts";

/** The IPAM programs whose leases can be taken over, as `enid adopt --from` names them. */
export const ADOPTION_SOURCES = ["vpc-cni", "cilium"] as const;
export type AdoptionSource = (typeof ADOPTION_SOURCES)[number];

/** A lease of another IPAM as its own record states it; whether the node holds the address is not known here. */
export interface AdoptableLease {
  /** Canonical text, no prefix length. IPv4, or the IPv6 address of a pod that has no other (RFC 5952). */
  readonly address: string;
  /** The IPv6 address of a dual-stack pod. */
  readonly ipv6Address?: string;
  readonly pod: Pod;
  /** That of the pod's ADD where the record states it; otherwise one of `adopted:` (matching.ts). */
  readonly attachment: Attachment;
  /** Wall ms; absent when the record does not say. */
  readonly leasedAtMs?: number;
  /** What the record says beyond that and enid does not keep; for people. */
  readonly note?: string;
}

export interface AdoptionFile {
  readonly leases: readonly AdoptableLease[];
  /** What was read in another way than one might expect, a sentence each. */
  readonly notes: readonly string[];
}

export interface AdoptionText {
  readonly from: AdoptionSource;
  /** Name of the file, for messages. */
  readonly file: string;
  readonly text: string;
  /** Name of enid's own network configuration: later calls of the runtime come with it. */
  readonly network: string;
}
