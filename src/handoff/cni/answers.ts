import type { EnidError } from "../../errors.ts";
import type { AddAnswer, AddressNetwork } from "./port.ts";
import { CNI_VERSIONS, type CniVersion, NEWEST_CNI_VERSION } from "./versions.ts";

/** What the plugin executable prints and exits with. */
export interface CniAnswer {
  readonly exit: 0 | 1;
  /** JSON text, or nothing for DEL, CHECK, GC and STATUS that succeed. */
  readonly body: string;
}

export const EMPTY_SUCCESS: CniAnswer = { exit: 0, body: "" };

/** A plugin-specific code (100 and above are free) for errors that have no CNI code of their own. */
const OTHER_FAILURE = 100;

/**
 * The result of a delegated IPAM plugin: no `interfaces`, and `ips` that name none, one for each family of the pod. Up
 * to 0.4.0 each of them says its IP version. Where the network of an address is known, the address has its prefix length,
 * and there is a default route over its gateway; otherwise it stands alone, /32 or /128.
 */
export function addResult(cniVersion: CniVersion, answer: AddAnswer): CniAnswer {
  const { address, network, ipv6Address, ipv6Network } = answer;
  const configs = [configOf(address, network)];
  if (ipv6Address !== undefined) configs.push(configOf(ipv6Address, ipv6Network));
  const saysVersion = cniVersion.startsWith("0.");
  const ips = configs.map(({ isIpv6, ip }) => (saysVersion ? { version: isIpv6 ? "6" : "4", ...ip } : ip));
  const routes = configs.flatMap(({ isIpv6, ip: { gateway } }) =>
    gateway === undefined ? [] : [{ dst: isIpv6 ? "::/0" : "0.0.0.0/0", gw: gateway }],
  );
  const result = routes.length === 0 ? { cniVersion, ips } : { cniVersion, ips, routes };
  return { exit: 0, body: JSON.stringify(result) };
}

interface IpConfig {
  readonly isIpv6: boolean;
  readonly ip: { readonly address: string; readonly gateway?: string };
}

function configOf(address: string, network: AddressNetwork | undefined): IpConfig {
  const isIpv6 = address.includes(":");
  if (network === undefined) return { isIpv6, ip: { address: `${address}/${isIpv6 ? 128 : 32}` } };
  return { isIpv6, ip: { address: `${address}/${network.prefixLength}`, gateway: network.gateway } };
}

/** The version result carries the version of the question (specification 1.1, VERSION success). */
export function versionResult(asked: unknown): CniAnswer {
  const cniVersion = typeof asked === "string" && /^[0-9.]{1,32}$/.test(asked) ? asked : NEWEST_CNI_VERSION;
  return { exit: 0, body: JSON.stringify({ cniVersion, supportedVersions: CNI_VERSIONS }) };
}

/** `msg` says what happened, `details` what to do: kubelet shows both in the pod's events. */
export function errorAnswer(
  cniVersion: CniVersion,
  error: EnidError,
  code: number = error.entry.cni ?? OTHER_FAILURE,
): CniAnswer {
  const msg = `${error.code}: ${error.message}`;
  return { exit: 1, body: JSON.stringify({ cniVersion, code, msg, details: error.remedy }) };
}
