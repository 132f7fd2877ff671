import ipaddr from "ipaddr.js";
import type { Family } from "./actual.ts";

type Address = ipaddr.IPv4 | ipaddr.IPv6;

export function familyOf(text: string): Family {
  return text.includes(":") ? "ipv6" : "ipv4";
}

/** The form that enid and the kernel both write; what is no address stays as it is. */
export function canonical(text: string): string {
  return ipaddr.isValid(text) ? ipaddr.parse(text).toString() : text;
}

export function prefixLengthOf(cidr: string): number {
  return Number(cidr.split("/")[1]);
}

/** The subnet's first address + 1: where the router of a subnet of EC2 answers. */
export function routerOf(subnetCidr: string): string {
  const [network, length] = ipaddr.parseCIDR(subnetCidr);
  const bytes = network.toByteArray();
  for (let bit = length; bit < bytes.length * 8; bit++) {
    const at = bit >> 3;
    bytes[at] = (bytes[at] ?? 0) & ~(0x80 >> (bit & 7));
  }
  const last = bytes.length - 1;
  bytes[last] = (bytes[last] ?? 0) + 1;
  return ipaddr.fromByteArray(bytes).toString();
}

/** Tells whether an address is in one of the CIDRs; a CIDR that cannot be read holds none. */
export function inside(cidrs: readonly string[]): (address: string) => boolean {
  const ranges = cidrs.filter((cidr) => ipaddr.isValidCIDR(cidr)).map((cidr) => ipaddr.parseCIDR(cidr));
  return (text) => {
    if (!ipaddr.isValid(text)) return false;
    const address = ipaddr.parse(text);
    return ranges.some((range) => range[0].kind() === address.kind() && matches(address, range));
  };
}

function matches(address: Address, range: [Address, number]): boolean {
  return (address as ipaddr.IPv4).match(range as [ipaddr.IPv4, number]);
}
