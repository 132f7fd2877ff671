import type { EnidError } from "../../errors.ts";
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
 * The result of a delegated IPAM plugin: no `interfaces`, and `ips` that name none. Up to 0.4.0 each of `ips` says its
 * IP version. The prefix length is 32: on EC2 a pod address belongs to no subnet that the pod could reach directly.
 */
export function addResult(cniVersion: CniVersion, address: string): CniAnswer {
  const cidr = `${address}/32`;
  const ip = cniVersion.startsWith("0.") ? { version: "4", address: cidr } : { address: cidr };
  return { exit: 0, body: JSON.stringify({ cniVersion, ips: [ip] }) };
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
