import { canonicalRule, fixedFaults } from "./fixed-rules.ts";
import { formatAddress, formatRange, isSingle, parseAddress, parseRange } from "./ip-range.ts";
import { excludedFaults, rangeFaults } from "./pod-cidrs.ts";
import type { ValueFault } from "./problems.ts";
import { canonicalServer, serverFaults } from "./redis-servers.ts";
import { settingErrors } from "./schema.ts";
import type { BgpUplink, SettingName } from "./types.ts";
import { uplinkFaults } from "./uplinks.ts";

/** The faults of a value that its schema does not see. Parts that the schema refuses take no part. */
export function valueFaults(name: SettingName, value: unknown): ValueFault[] {
  switch (name) {
    case "podCIDRs":
      return rangeFaults(wellFormed(name, value));
    case "excluded-addresses":
      return excludedFaults(wellFormed(name, value));
    case "uplinks":
      return uplinkFaults(wellFormed(name, value));
    case "router-id":
      return routerIdFaults(value);
    case "fixed":
      return fixedFaults(wellFormed(name, value));
    case "redis":
      return serverFaults(wellFormed(name, value));
    default:
      return [];
  }
}

/** The entries of a list, those undefined that the schema refuses. */
function wellFormed<Entry>(name: SettingName, value: unknown): (Entry | undefined)[] {
  if (!Array.isArray(value)) return [];
  const refused = new Set(settingErrors(name, value).map(({ instancePath }) => instancePath.split("/")[1]));
  return value.map((entry, at) => (refused.has(String(at)) ? undefined : entry));
}

function routerIdFaults(value: unknown): ValueFault[] {
  if (value !== "0.0.0.0") return [];
  return [{ at: "", what: "identifies no router (RFC 6286)", allowed: 'allowed is another IPv4 address, or ""' }];
}

/** A value that is free of faults, as all of enid writes it: no -0, addresses and ranges in canonical text. */
export function canonical(name: string, value: unknown): unknown {
  if (value === 0) return 0;
  if (!Array.isArray(value)) return value;
  switch (name) {
    case "podCIDRs":
      return value.map(canonicalRange);
    case "excluded-addresses":
      return value.map(canonicalPart);
    case "uplinks":
      return value.map(canonicalUplink);
    case "fixed":
      return value.map(canonicalRule);
    case "redis":
      return value.map(canonicalServer);
    default:
      return value;
  }
}

function canonicalRange(text: string): string {
  const parsed = parseRange(text);
  return parsed === undefined ? text : formatRange(parsed.range);
}

/** A range of one address is the address. */
function canonicalPart(text: string): string {
  const parsed = parseRange(text);
  return parsed !== undefined && isSingle(parsed.range) ? formatAddress(parsed.address) : canonicalRange(text);
}

function canonicalUplink(uplink: BgpUplink): BgpUplink {
  const local = uplink["local-address"];
  return {
    ...uplink,
    neighbor: canonicalAddress(uplink.neighbor),
    ...(local === undefined ? undefined : { "local-address": canonicalAddress(local) }),
  };
}

function canonicalAddress(text: string): string {
  const address = parseAddress(text);
  return address === undefined ? text : formatAddress(address);
}
