import ipaddr from "ipaddr.js";
import type { BlockUnit } from "../../planning/index.ts";

/** What an interface carries besides its primary address. */
export interface Carried {
  /** Secondary IPv4 addresses as text. */
  readonly addresses: readonly string[];
  /** /28 prefixes as CIDRs. */
  readonly prefixes: readonly string[];
  /** /80 prefixes as canonical CIDRs. */
  readonly ipv6Prefixes: readonly string[];
}

/** The blocks an interface carries, as canonical CIDRs. */
export function blocksOf({ addresses, prefixes, ipv6Prefixes }: Carried): readonly string[] {
  return [...addresses.map(addressBlock), ...prefixes, ...ipv6Prefixes];
}

/** "10.0.1.7" → "10.0.1.7/32" */
export function addressBlock(address: string): string {
  return `${address}/32`;
}

/** What takes a slot when the block does. */
export function unitOf(block: string): BlockUnit {
  if (block.includes(":")) return "ipv6-prefix";
  return block.endsWith("/32") ? "address" : "prefix";
}

/** What is left without `gone`. */
export function without(carried: Carried, gone: ReadonlySet<string>): Carried {
  const stays = (block: string) => !gone.has(block);
  return {
    addresses: carried.addresses.filter((address) => stays(addressBlock(address))),
    prefixes: carried.prefixes.filter(stays),
    ipv6Prefixes: carried.ipv6Prefixes.filter(stays),
  };
}

/** What the blocks are, each at its place. */
export function carriedOf(blocks: Iterable<string>): Carried {
  const addresses: string[] = [];
  const prefixes: string[] = [];
  const ipv6Prefixes: string[] = [];
  for (const block of blocks) {
    const unit = unitOf(block);
    if (unit === "address") addresses.push(block.slice(0, -"/32".length));
    else (unit === "prefix" ? prefixes : ipv6Prefixes).push(block);
  }
  return { addresses, prefixes, ipv6Prefixes };
}

/** An IPv6 CIDR as RFC 5952 writes it; what is not one stays as it is. */
export function canonicalIpv6(cidr: string): string {
  const [address = "", length] = cidr.split("/");
  if (!ipaddr.IPv6.isValid(address)) return cidr;
  const text = ipaddr.IPv6.parse(address).toRFC5952String();
  return length === undefined ? text : `${text}/${length}`;
}

/** A prefix as it is written here; undefined for a text that is none (cut off, or something else altogether). */
export function canonicalPrefix(text: string): string | undefined {
  if (ipaddr.IPv6.isValidCIDR(text)) return canonicalIpv6(text);
  return ipaddr.IPv4.isValidCIDRFourPartDecimal(text) ? text : undefined;
}
