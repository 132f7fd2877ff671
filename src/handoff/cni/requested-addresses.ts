import ipaddr from "ipaddr.js";
import { EnidError } from "../../errors.ts";
import { familyOf } from "../../pool/index.ts";
import { isRecord, quote } from "./call.ts";
import { requestedInArguments } from "./environment.ts";
import type { NetworkConfiguration } from "./network-configuration.ts";

/** Text of an address with its prefix length, and some white space that is none. */
const TEXT_LIMIT = 64;

/**
 * The addresses that the caller asks for, canonical, at most one of each family; undefined = none in particular.
 *
 * By the conventions of CNI (CONVENTIONS.md) and as the plugins static and host-local take them: the capability `ips`
 * (`runtimeConfig.ips`), else `args.cni.ips`, else `IP` in CNI_ARGS, which is deprecated and "must" be ignored where
 * `args` says it. What stands first is taken whole and the others are not looked at; an empty list says nothing. Each
 * entry is an address with or without a prefix length, which is checked and otherwise of no effect.
 *
 * Throws ENID_CNI_CONFIG or ENID_CNI_ENVIRONMENT, after the place of what is wrong, and ENID_CNI_FIELD for the
 * capability `ipRanges`: a plugin is to "return an error if it can't" act on a capability.
 */
export function requestedAddresses(
  network: NetworkConfiguration,
  environment: Readonly<Record<string, string>>,
): readonly string[] | undefined {
  const { runtimeConfig } = network;
  if (runtimeConfig !== undefined && !isRecord(runtimeConfig)) throw unusable("runtimeConfig is not an object");
  refuseRanges(runtimeConfig?.ipRanges);
  const capability = readList("runtimeConfig.ips", runtimeConfig?.ips);
  if (capability !== undefined) return capability;
  const cni = isRecord(network.arguments) ? network.arguments.cni : undefined;
  const argument = readList("args.cni.ips", isRecord(cni) ? cni.ips : undefined);
  if (argument !== undefined) return argument;
  const text = requestedInArguments(environment);
  if (text === "") return undefined;
  const fail = (detail: string) =>
    new EnidError("ENID_CNI_ENVIRONMENT", { variable: "CNI_ARGS", detail: `holds IP=${quote(text)}: ${detail}` });
  return readAddresses(text.split(","), fail);
}

function readList(place: string, value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  const fail = (detail: string) => unusable(`${place}: ${detail}`);
  if (!Array.isArray(value)) throw fail("it is not an array");
  return value.length === 0 ? undefined : readAddresses(value, fail);
}

function readAddresses(entries: readonly unknown[], fail: (detail: string) => EnidError): readonly string[] {
  const addresses = new Set<string>();
  for (const entry of entries) {
    const address = typeof entry === "string" ? readAddress(entry.trim()) : undefined;
    if (address === undefined) {
      const shown = typeof entry === "string" ? quote(entry) : `an entry of type ${typeof entry}`;
      throw fail(`${shown} is not an address, with or without a prefix length`);
    }
    addresses.add(address);
  }
  const all = [...addresses];
  for (const family of ["ipv4", "ipv6"] as const) {
    const own = all.filter((address) => familyOf(address) === family);
    if (own.length > 1) throw fail(`${own.slice(0, 2).join(" and ")} are of one family; a pod has one address of each`);
  }
  return all;
}

/** Canonical text without the prefix length; undefined when it is no address. */
function readAddress(text: string): string | undefined {
  if (text.length > TEXT_LIMIT) return undefined;
  const [address = "", length, ...more] = text.split("/");
  if (more.length > 0) return undefined;
  const isIpv4 = ipaddr.IPv4.isValidFourPartDecimal(address);
  // No zone, and no dotted part: such an address is IPv4 in disguise, or not a pod's.
  if (!isIpv4 && (/[.%]/.test(address) || !ipaddr.IPv6.isValid(address))) return undefined;
  const isLength = length === undefined || /^(0|[1-9]\d{0,2})$/.test(length);
  if (!isLength || Number(length ?? 0) > (isIpv4 ? 32 : 128)) return undefined;
  return isIpv4 ? address : ipaddr.IPv6.parse(address).toRFC5952String();
}

function refuseRanges(ranges: unknown): void {
  if (ranges === undefined || ranges === null || (Array.isArray(ranges) && ranges.length === 0)) return;
  const value = quote(JSON.stringify(ranges), 200);
  throw new EnidError("ENID_CNI_FIELD", { key: "runtimeConfig.ipRanges", value });
}

function unusable(detail: string): EnidError {
  return new EnidError("ENID_CNI_CONFIG", { detail });
}
