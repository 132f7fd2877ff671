import { EnidError } from "../../errors.ts";
import type { Attachment } from "../../pool/index.ts";
import { isRecord } from "./call.ts";
import type { NetworkConfiguration } from "./network-configuration.ts";

const KEY = "cni.dev/valid-attachments";

/** An attachment in the words of GC, which is about one network. */
export type ValidAttachment = Pick<Attachment, "containerId" | "interfaceName">;

/**
 * What GC says is still there. Throws ENID_CNI_CONFIG unless every entry is whole: a list that is understood by half
 * would end the leases of pods that run. Where the key is missing nothing is said of any attachment; `null` is how libcni
 * writes an empty list.
 */
export function validAttachments(network: NetworkConfiguration): readonly ValidAttachment[] {
  const list = network.validAttachments;
  if (list === undefined) throw unusable(`${KEY} is missing; GC needs the attachments that are still valid`);
  if (list === null) return [];
  if (!Array.isArray(list)) throw unusable(`${KEY} is not an array`);
  return list.map((entry, index) => {
    if (!isRecord(entry)) throw unusable(`${KEY}[${index}] is not an object`);
    const { containerID, ifname } = entry;
    if (!isText(containerID)) throw unusable(`${KEY}[${index}] has no containerID`);
    if (!isText(ifname)) throw unusable(`${KEY}[${index}] has no ifname`);
    return { containerId: containerID, interfaceName: ifname };
  });
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function unusable(detail: string): EnidError {
  return new EnidError("ENID_CNI_CONFIG", { detail });
}
