import {
  contains,
  formatAddress,
  type IpAddress,
  type IpRange,
  overlap,
  parseRange,
  singleOf,
  sizeOf,
} from "./ip-range.ts";

/** How many addresses of an IPv6 range pods get: the first ones. The pool's window; a test holds the two equal. */
export const IPV6_WINDOW = 4_096;

/** Shortest ranges that have a network, a broadcast and a gateway address apart from those of pods: RFC 3021, RFC 6164. */
const LONGEST_WITH_GATEWAY = { ipv4: 30, ipv6: 126 } as const;

/**
 * The first usable address of a range, which is the node's: plugins such as `ptp` and `bridge` give it to their side of
 * the link. Undefined for a range so small that it has none to spare: /31, /32, /127 and /128. Throws a TypeError for a
 * text that is no range.
 */
export function gatewayOf(cidr: string): string | undefined {
  const range = rangeOf(cidr);
  if (!hasGateway(range)) return undefined;
  return formatAddress({ family: range.family, value: range.first + 1n });
}

/**
 * The addresses of a range that no pod gets, in order: the first and the last one of an IPv4 range (network and
 * broadcast), the first one of an IPv6 range (the anycast address of its routers, RFC 4291 2.6.1), the gateway, and those
 * that `excluded` names as addresses or ranges. Of an IPv6 range only those among its first 4,096, since pods get no others.
 * Throws a TypeError for a text that is no range.
 */
export function reservedIn(cidr: string, excluded: readonly string[]): string[] {
  const range = rangeOf(cidr);
  return [...reservedOffsets(range, excluded.map(rangeOf))]
    .toSorted((a, b) => a - b)
    .map((offset) => formatAddress({ family: range.family, value: range.first + BigInt(offset) }));
}

/** How many addresses of the range pods can get. */
export function podAddressesIn(range: IpRange, excluded: readonly IpRange[]): number {
  return windowOf(range) - reservedOffsets(range, excluded).size;
}

/** Can a pod get the address, of which the range is? */
export function isForPods(address: IpAddress, range: IpRange, excluded: readonly IpRange[]): boolean {
  const single = singleOf(address);
  if (!contains(range, single) || excluded.some((one) => contains(one, single))) return false;
  const offset = address.value - range.first;
  if (offset >= BigInt(windowOf(range))) return false;
  return !reservedOffsets(range, []).has(Number(offset));
}

function reservedOffsets(range: IpRange, excluded: readonly IpRange[]): Set<number> {
  const window = windowOf(range);
  const offsets = new Set<number>();
  if (hasGateway(range)) {
    offsets.add(0).add(1);
    if (range.family === "ipv4") offsets.add(window - 1);
  }
  for (const other of excluded) {
    if (!overlap(range, other)) continue;
    const first = other.first <= range.first ? 0n : other.first - range.first;
    const end = other.first + sizeOf(other) - range.first;
    const last = Number(end < BigInt(window) ? end : BigInt(window));
    for (let offset = Number(first); offset < last; offset += 1) offsets.add(offset);
  }
  return offsets;
}

/** How many addresses, from the first on, can be pods'. An IPv4 range has at most 65,536. */
function windowOf(range: IpRange): number {
  const size = sizeOf(range);
  if (range.family === "ipv4") return Number(size);
  return size < BigInt(IPV6_WINDOW) ? Number(size) : IPV6_WINDOW;
}

function hasGateway({ family, prefixLength }: IpRange): boolean {
  return prefixLength <= LONGEST_WITH_GATEWAY[family];
}

function rangeOf(text: string): IpRange {
  const parsed = parseRange(text);
  if (parsed === undefined) throw new TypeError(`${JSON.stringify(text)} is not an address or a range`);
  return parsed.range;
}
