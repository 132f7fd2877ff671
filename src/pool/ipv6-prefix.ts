import { formatIpv6Address, networkOf, parseIpv6Address } from "./ipv6.ts";

const PREFIX_LENGTH = 80;

/** The /80 (EC2's only IPv6 prefix) that holds the address, as a canonical CIDR; undefined for what is no pod address. */
export function ipv6PrefixOf(address: string): string | undefined {
  const number = parseIpv6Address(address);
  return number === undefined ? undefined : `${formatIpv6Address(networkOf(number, PREFIX_LENGTH))}/${PREFIX_LENGTH}`;
}
