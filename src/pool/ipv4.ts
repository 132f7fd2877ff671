/**
 * IPv4 addresses as signed 32-bit integers, which V8 keeps unboxed in maps and typed arrays. Text is canonical dotted
 * decimal, without leading zeros. Multicast addresses (224.0.0.0/4) are no host's, so they are not parsed: the pool numbers
 * IPv6 addresses with their integers (ipv6-blocks.ts).
 */

/** A CIDR as numbers. */
export interface Range {
  readonly family: "ipv4";
  /** The first address. */
  readonly base: number;
  /** 0 to 32. */
  readonly prefixLength: number;
  /** How many addresses, 2 ^ (32 - prefixLength). */
  readonly size: number;
}

const OCTETS = Array.from({ length: 256 }, (_, value) => String(value));

/** Undefined unless the text is one canonical IPv4 address, and not a multicast one. */
export function parseAddress(text: string): number | undefined {
  let address = 0;
  let octets = 0;
  let octet = -1;
  for (let position = 0; position <= text.length; position++) {
    const digit = position === text.length ? DOT : text.charCodeAt(position) - ZERO;
    if (digit === DOT) {
      if (octet < 0 || octets === 4) return undefined;
      address = (address << 8) | octet;
      octets++;
      octet = -1;
    } else {
      // A second digit after 0 is a leading zero, which other programs read as octal.
      if (digit < 0 || digit > 9 || octet === 0) return undefined;
      octet = octet < 0 ? digit : octet * 10 + digit;
      if (octet > 255) return undefined;
    }
  }
  return octets === 4 && !isMulticast(address) ? address : undefined;
}

/** Is the number that of an IPv4 multicast address, 224.0.0.0/4? No host has such an address (RFC 5771). */
export function isMulticast(address: number): boolean {
  return address >>> 28 === MULTICAST >>> 28;
}

/** 224.0.0.0, as a signed 32-bit integer. */
export const MULTICAST = 0xe0000000 | 0;

const ZERO = "0".charCodeAt(0);
const DOT = ".".charCodeAt(0) - ZERO;

export function formatAddress(address: number): string {
  const first = OCTETS[address >>> 24];
  const second = OCTETS[(address >>> 16) & 255];
  const third = OCTETS[(address >>> 8) & 255];
  return `${first}.${second}.${third}.${OCTETS[address & 255]}`;
}

/** Undefined unless the text is a canonical IPv4 CIDR: no host bits, no leading zeros. */
export function parseCidr(text: string): Range | undefined {
  const slash = text.indexOf("/");
  if (slash < 0) return undefined;
  const base = parseAddress(text.slice(0, slash));
  const lengthText = text.slice(slash + 1);
  if (base === undefined || !/^(0|[1-9]\d?)$/.test(lengthText)) return undefined;
  const prefixLength = Number(lengthText);
  if (prefixLength > 32 || (base & maskOf(prefixLength)) !== base) return undefined;
  return { family: "ipv4", base, prefixLength, size: 2 ** (32 - prefixLength) };
}

/** The network mask of a prefix length, as a signed 32-bit integer. */
export function maskOf(prefixLength: number): number {
  // A shift by 32 is a shift by 0 in JavaScript.
  return prefixLength === 0 ? 0 : -1 << (32 - prefixLength);
}
