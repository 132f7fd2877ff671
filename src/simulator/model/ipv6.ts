/** IPv6 arithmetic of the simulated cloud: addresses are unsigned 128-bit integers. */
import ipaddr from "ipaddr.js";

export interface Range6 {
  /** First address, the network address. */
  readonly first: bigint;
  /** Prefix length, 0 to 128. */
  readonly length: number;
}

/** The number of an IPv6 address; undefined for anything else, zone ids included. */
export function parseAddress6(text: string): bigint | undefined {
  if (!ipaddr.IPv6.isValid(text) || text.includes("%")) return undefined;
  return ipaddr.IPv6.parse(text)
    .toByteArray()
    .reduce((value, byte) => value * 256n + BigInt(byte), 0n);
}

/** As EC2 writes it: RFC 5952. */
export function formatAddress6(value: bigint): string {
  const parts = Array.from({ length: 8 }, (_, index) => Number((value >> BigInt(16 * (7 - index))) & 0xffffn));
  return new ipaddr.IPv6(parts).toRFC5952String();
}

/** A CIDR whose host bits are zero; undefined for anything else. */
export function parseRange6(text: string): Range6 | undefined {
  const [address = "", length = "", ...rest] = text.split("/");
  const first = parseAddress6(address);
  if (first === undefined || rest.length > 0 || !/^\d{1,3}$/.test(length) || Number(length) > 128) return undefined;
  const range = { first, length: Number(length) };
  return first % size6(range) === 0n ? range : undefined;
}

export function formatRange6(range: Range6): string {
  return `${formatAddress6(range.first)}/${range.length}`;
}

/** Number of addresses. */
export function size6({ length }: Pick<Range6, "length">): bigint {
  return 1n << BigInt(128 - length);
}

export function includes6(range: Range6, address: bigint): boolean {
  return address >= range.first && address < range.first + size6(range);
}

export function contains6(outer: Range6, inner: Range6): boolean {
  return inner.length >= outer.length && includes6(outer, inner.first);
}

export function overlaps6(one: Range6, other: Range6): boolean {
  return includes6(one, other.first) || includes6(other, one.first);
}
