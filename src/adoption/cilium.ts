import { canonicalAddress, Place } from "./document.ts";
import { adoptedAttachment, keptAttachment } from "./matching.ts";
import type { AdoptableLease, AdoptionFile, AdoptionText } from "./types.ts";

/** The agent names a pod "NAMESPACE/NAME", after its own restart with " [restored]" (cilium/cilium, daemon/cmd/state.go). */
const POD_OWNER = /^([a-z0-9.-]{1,253})\/([a-z0-9.-]{1,253})(?: \[restored\])?$/;
const OWNER_LIMIT = 512;

/**
 * Reads a CiliumNode (`kubectl get ciliumnode NAME -o json`). It names the pod of each address but not its container.
 * Addresses of the agent itself ("router", "health", "ingress") are kept out of use: it may have them still.
 * @throws EnidError ENID_ADOPTION_FILE_INVALID.
 */
export function readCiliumNode({ file, text }: AdoptionText): AdoptionFile {
  const document = Place.parse(file, text);
  const kind = document.at("kind");
  if (kind.value !== "CiliumNode") throw kind.refuse(`is ${JSON.stringify(kind.value) ?? "missing"}, not "CiliumNode"`);
  const status = document.at("status");
  const ipam = status.isAbsent ? status : status.at("ipam");
  const used = ipam.isAbsent ? ipam : ipam.at("used");
  if (used.isAbsent) {
    throw used.refuse(
      "is missing: this agent does not tell which pod has which address (Cilium from 1.20 on, or another mode)",
    );
  }
  const addresses = new Map<string, string>();
  const byOwner = new Map<string, string[]>();
  for (const [key, entry] of used.members()) {
    const address = canonicalAddress(key);
    if (address === undefined) throw entry.refuse("is not named after an address");
    const before = addresses.get(address);
    if (before !== undefined) throw entry.refuse(`is ${address} again, which ${before} is`);
    addresses.set(address, entry.pointer);
    const owner = entry
      .at("owner")
      .optionalText(OWNER_LIMIT)
      .replace(/ \[restored\]$/, "");
    byOwner.set(owner, [...(byOwner.get(owner) ?? []), address]);
  }
  const notes: string[] = [];
  const leases = [...byOwner].flatMap(([owner, held]) => leasesOf(owner, held, notes));
  return { leases, notes };
}

function leasesOf(owner: string, addresses: readonly string[], notes: string[]): AdoptableLease[] {
  const [, namespace, name] = POD_OWNER.exec(owner) ?? [];
  if (namespace === undefined || name === undefined) {
    const who = owner === "" ? "nobody named" : `Cilium's "${owner}"`;
    notes.push(`${addresses.join(", ")} of ${who} is no pod's: kept out of use until the machine boots`);
    return addresses.map((address) => ({
      address,
      pod: { namespace: "", name: owner || "unnamed", uid: "" },
      attachment: keptAttachment(`${owner || "unnamed"}-${address}`),
      note: "no pod",
    }));
  }
  const pod = { namespace, name, uid: "" };
  const ipv6 = addresses.filter((address) => address.includes(":"));
  const ipv4 = addresses.filter((address) => !address.includes(":"));
  const [first, ...others] = [...ipv4, ...ipv6];
  if (first === undefined) return [];
  const isDualStack = ipv4.length === 1 && ipv6.length === 1;
  if (isDualStack) return [{ address: first, ipv6Address: ipv6[0] ?? "", pod, attachment: adoptedAttachment(pod) }];
  if (others.length > 0) {
    notes.push(
      `${owner} has ${addresses.length} addresses: its DEL ends the lease of ${first}; ${others.join(", ")} is kept out of use until the machine boots`,
    );
  }
  return [
    { address: first, pod, attachment: adoptedAttachment(pod) },
    ...others.map((address) => ({ address, pod, attachment: keptAttachment(`${namespace}/${name}-${address}`) })),
  ];
}
