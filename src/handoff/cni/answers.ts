import type { EnidError } from "../../errors.ts";
import type { AddAnswer } from "./port.ts";
import { CNI_VERSIONS, type CniVersion, NEWEST_CNI_VERSION } from "./versions.ts";

/** What the plugin executable prints and exits with. */
export interface CniAnswer {
  readonly exit: 0 | 1;
  /** JSON text, or nothing for DEL, CHECK and STATUS that succeed. */
  readonly body: string;
}

export const EMPTY_SUCCESS: CniAnswer = { exit: 0, body: "" };

/** A plugin-specific code (100 and above are free) for errors that have no CNI code of their own. */
const OTHER_FAILURE = 100;

/**
 * The result of a delegated IPAM plugin: no `interfaces`, and `ips` that name none, one for each family of the pod. Up
 * to 0.4.0 each of them says its IP version. The prefix covers the address alone, /32 or /128: on EC2 a pod address
 * belongs to no subnet that the pod could reach directly.
 */
export function addResult(cniVersion: CniVersion, { address, ipv6Address }: AddAnswer): CniAnswer {
  const addresses = ipv6Address === undefined ? [address] : [address, ipv6Address];
  const saysVersion = cniVersion.startsWith("0.");
  const ips = addresses.map((each) => {
    const isIpv6 = each.includes(":");
    const cidr = { address: `${each}/${isIpv6 ? 128 : 32}` };
    return saysVersion ? { version: isIpv6 ? "6" : "4", ...cidr } : cidr;
  });
  return { exit: 0, body: JSON.stringify({ cniVersion, ips }) };
}

/** The version result carries the version of the question (specification 1.1, VERSION success). */
export function versionResult(asked: unknown): CniAnswer {
  const cniVersion = typeof asked === "string" && /^[0-9.]{1,32}$/.test(asked) ? asked : NEWEST_CNI_VERSION;
  return { exit: 0, body: JSON.stringify({ cniVersion, supportedVersions: CNI_VERSIONS }) };
}

/** `msg` says what happened, `details` what to do: kubelet shows both in the pod's events. */
export function errorAnswer(cniVersion: CniVersion, error: EnidError): CniAnswer {
  const code = error.entry.cni ?? OTHER_FAILURE;
  const msg = `${error.code}: ${error.message}`;
  return { exit: 1, body: JSON.stringify({ cniVersion, code, msg, details: error.remedy }) };
}
