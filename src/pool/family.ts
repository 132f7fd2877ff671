import type { Family } from "./types.ts";

/** The family of an address or CIDR: IPv6 text has a colon, IPv4 text has none. */
export function familyOf(text: string): Family {
  return text.includes(":") ? "ipv6" : "ipv4";
}
