import { readCiliumNode } from "./cilium.ts";
import type { AdoptionFile, AdoptionText } from "./types.ts";
import { readVpcCniCheckpoint } from "./vpc-cni.ts";

export { ADOPTION_FILE_LIMIT_BYTES } from "./document.ts";
export { adoptedAttachment, attachmentToEnd, isOfRuntime } from "./matching.ts";
export * from "./types.ts";

/**
 * The leases that another IPAM's record states. Reads the text alone; nothing is taken over by it.
 * @throws EnidError ENID_ADOPTION_FILE_INVALID with the place.
 */
export function readAdoptionFile(text: AdoptionText): AdoptionFile {
  return text.from === "vpc-cni" ? readVpcCniCheckpoint(text) : readCiliumNode(text);
}
