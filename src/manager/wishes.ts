import { EnidError } from "../errors.ts";
import type { Lease, Pod, Unavailable } from "../pool/index.ts";
import { podName } from "./history.ts";

/** ENID_ADDRESS_UNAVAILABLE with the reason in words. */
export function unavailable(pod: Pod, address: string, why: Unavailable): EnidError {
  return refusal(pod, address, reasonOf(why));
}

/** Why a pod that wants these addresses cannot be answered with the lease that it has; undefined = it can. */
export function otherThanWanted(lease: Lease, wanted: readonly string[]): EnidError | undefined {
  const held = lease.ipv6Address === undefined ? [lease.address] : [lease.address, lease.ipv6Address];
  const missing = wanted.find((address) => !held.includes(address));
  if (missing === undefined) return undefined;
  return refusal(lease.pod, missing, `its sandbox has ${held.join(" and ")} already, until its DEL`);
}

function refusal(pod: Pod, address: string, reason: string): EnidError {
  return new EnidError("ENID_ADDRESS_UNAVAILABLE", { pod: podName(pod), address, reason });
}

function reasonOf(why: Unavailable): string {
  switch (why.because) {
    case "not-here":
      return "no block of this node lends it";
    case "other-family":
      return "pods of this node get no address of its family (ip-families)";
    case "reserved":
      return "it is reserved, no pod gets it";
    case "releasing":
      return "its block is being given back to the cloud";
    case "unusable":
      return "its block gives no addresses to pods now (`enid status` says why)";
    case "kept":
      return "it is the fixed address of another pod";
    case "leased":
      return `it is leased to ${podName(why.pod)}`;
    case "cooling":
      return `another pod had it lately, and it cools down until ${new Date(why.untilMs).toISOString()}`;
  }
}
