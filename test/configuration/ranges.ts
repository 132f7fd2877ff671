import fc from "fast-check";
import { formatAddress, formatRange, type IpRange, parseRange, sizeOf } from "../../src/configuration/ip-range.ts";

/** The network with that many leading bits of the address, as canonical text. */
function rangeText(address: string, prefixLength: number): string {
  const parsed = parseRange(`${address}/${prefixLength}`);
  if (parsed === undefined) throw new Error(`${address}/${prefixLength} is no range`);
  return formatRange(parsed.range);
}

const octet = fc.integer({ min: 0, max: 255 });
const group = fc.oneof(
  fc.constant("0"),
  fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16)),
);

/** IPv4 ranges that podCIDRs may have, of these prefix lengths. */
export const ipv4Range = (shortest = 16, longest = 32): fc.Arbitrary<string> =>
  fc
    .tuple(fc.constantFrom(10, 100, 172, 192, 203), octet, octet, octet, fc.integer({ min: shortest, max: longest }))
    .map(([a, b, c, d, length]) => rangeText(`${a}.${b}.${c}.${d}`, length));

/** IPv6 ranges that podCIDRs may have, of these prefix lengths. */
export const ipv6Range = (shortest = 48, longest = 120): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.constantFrom("2001", "2a05", "fd00", "fdff"),
      fc.array(group, { minLength: 7, maxLength: 7 }),
      fc.integer({ min: shortest, max: longest }),
    )
    .map(([first, groups, length]) => rangeText([first, ...groups].join(":"), length));

export const podRange = fc.oneof(ipv4Range(), ipv6Range());

/** An address of the range, mostly one of its first. */
export function addressIn(cidr: string): fc.Arbitrary<string> {
  const { family, first, prefixLength } = rangeOf(cidr);
  const last = sizeOf({ family, first, prefixLength }) - 1n;
  const near = last < 5_000n ? last : 5_000n;
  return fc
    .oneof(fc.bigInt({ min: 0n, max: near }), fc.bigInt({ min: 0n, max: last }))
    .map((offset) => formatAddress({ family, value: first + offset }));
}

/** An address of the range, or a range that is part of it. */
export function partOf(cidr: string): fc.Arbitrary<string> {
  const { family, prefixLength } = rangeOf(cidr);
  const bits = family === "ipv4" ? 32 : 128;
  return fc.tuple(addressIn(cidr), fc.integer({ min: Math.min(prefixLength + 1, bits), max: bits })).map(
    // A range of one address is written as the address.
    ([address, length]) => (length === bits ? address : rangeText(address, length)),
  );
}

export function rangeOf(text: string): IpRange {
  const parsed = parseRange(text);
  if (parsed === undefined) throw new Error(`${text} is no range`);
  return parsed.range;
}
