/** IPv4 arithmetic of the simulated cloud: addresses are unsigned 32-bit integers. */

export interface Range {
  /** First address, the network address. */
  readonly first: number;
  /** Number of addresses, a power of two. */
  readonly size: number;
  /** Prefix length, 0 to 32. */
  readonly length: number;
}

const DOT = ".".charCodeAt(0);
const ZERO = "0".charCodeAt(0);
const NINE = "9".charCodeAt(0);

/** The number of a dotted quad; undefined for anything else, leading zeros included. */
export function parseAddress(text: string): number | undefined {
  let value = 0;
  let octet = 0;
  let digits = 0;
  let dots = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === DOT) {
      if (digits === 0) return undefined;
      value = value * 256 + octet;
      octet = 0;
      digits = 0;
      dots += 1;
      continue;
    }
    const isLeadingZero = digits === 1 && octet === 0;
    if (code < ZERO || code > NINE || isLeadingZero) return undefined;
    octet = octet * 10 + code - ZERO;
    digits += 1;
    if (octet > 255) return undefined;
  }
  return dots === 3 && digits > 0 ? value * 256 + octet : undefined;
}

export function formatAddress(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

/** A CIDR whose host bits are zero; undefined for anything else. */
export function parseRange(text: string): Range | undefined {
  const [address, length, ...rest] = text.split("/");
  if (address === undefined || length === undefined || rest.length > 0 || !/^(\d|[12]\d|3[0-2])$/.test(length)) {
    return undefined;
  }
  const first = parseAddress(address);
  if (first === undefined) return undefined;
  const size = 2 ** (32 - Number(length));
  return first % size === 0 ? { first, size, length: Number(length) } : undefined;
}

export function formatRange(range: Pick<Range, "first" | "length">): string {
  return `${formatAddress(range.first)}/${range.length}`;
}

export function contains(outer: Range, inner: Range): boolean {
  return inner.first >= outer.first && inner.first + inner.size <= outer.first + outer.size;
}

export function overlaps(one: Range, other: Range): boolean {
  return one.first < other.first + other.size && other.first < one.first + one.size;
}

export function includes(range: Range, address: number): boolean {
  return address >= range.first && address < range.first + range.size;
}
