import { formatRange, type IpRange, parseRange } from "../../src/configuration/index.ts";

/** The range of a text in CIDR notation, IPv4 and without host bits; else a text that says what is wrong and what is allowed. */
export function ipv4Range(text: string): IpRange | string {
  const parsed = parseRange(text);
  if (parsed === undefined || !text.includes("/") || parsed.range.family !== "ipv4") {
    return `${text} is no IPv4 range; allowed is CIDR notation, as 100.64.0.0/16`;
  }
  const { range, address } = parsed;
  return range.first === address.value ? range : `${text} has host bits set; allowed is ${formatRange(range)}`;
}

/** The first `count` ranges of that prefix length in the range. */
export function split(range: IpRange, prefixLength: number, count: number): IpRange[] {
  const size = 1n << BigInt(32 - prefixLength);
  return Array.from({ length: count }, (_, at) => ({ ...range, first: range.first + BigInt(at) * size, prefixLength }));
}
