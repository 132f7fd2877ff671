import type { Attachment, Lease, Pod } from "../pool/index.ts";

/** No CNI container id can begin so (":" is not allowed in one): what was taken over meets no attachment of a runtime. */
const ADOPTED = "adopted:";
const KEPT = "adopted-kept:";
/** The first interface of a pod. A DEL for another one is not about the address that another IPAM gave it. */
const POD_INTERFACE = "eth0";
const NETWORK = "adopted";

/** The attachment of a lease that was taken over from an IPAM that knew the pod but not its container. */
export function adoptedAttachment({ namespace, name }: Pick<Pod, "namespace" | "name">): Attachment {
  return { network: NETWORK, containerId: `${ADOPTED}${namespace}/${name}`, interfaceName: POD_INTERFACE };
}

/** The attachment of an address that is kept out of use: no DEL ends it. */
export function keptAttachment(name: string): Attachment {
  return { network: NETWORK, containerId: `${KEPT}${name}`, interfaceName: POD_INTERFACE };
}

/**
 * What a DEL ends: the lease of its attachment or, when that has none, the one that the same pod had from another IPAM.
 * A sandbox that enid itself gave an address is always found by its attachment, so that the DEL of a new sandbox leaves
 * the adopted lease alone, and a late DEL of the old one leaves the new lease alone. Costs two look-ups.
 */
export function attachmentToEnd(
  pool: { leaseOf(attachment: Attachment): Lease | undefined },
  attachment: Attachment,
  pod: Pod | undefined,
): Attachment {
  if (pod === undefined || attachment.interfaceName !== POD_INTERFACE) return attachment;
  if (pool.leaseOf(attachment) !== undefined) return attachment;
  const adopted = adoptedAttachment(pod);
  const lease = pool.leaseOf(adopted);
  return lease === undefined || isAnotherPod(lease.pod, pod) ? attachment : adopted;
}

/** Pods of one name follow each other, each with a UID of its own. Records of other IPAMs often hold none. */
function isAnotherPod({ uid }: Pod, other: Pod): boolean {
  return uid !== "" && other.uid !== "" && uid !== other.uid;
}

/** Whether it is one that a runtime can name: what was taken over by its pod alone is not. */
export function isOfRuntime({ containerId }: Attachment): boolean {
  return !containerId.includes(":");
}
