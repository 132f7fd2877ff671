/** IPv4 arithmetic of the simulated cloud: addresses are unsigned 32-bit integers. */

export interface Range {
  /** First address, the network address. */
  readonly first: number;
  /** Number of addresses, a power of two. */
  readonly size: number;
  /** Prefix length, 0 to 32. */
  readonly length: number;
}

const OCTET = /^(0|[1-9]\d{0,2})$/;

/** The number of a dotted quad; undefined for anything else, leading zeros included. */
export function parseAddress(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!OCTET.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

export function formatAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
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
