import { contains, formatRange, type IpAddress, type IpRange, overlap, parseRange, sizeOf } from "./ip-range.ts";
import type { ValueFault } from "./problems.ts";

/** Most addresses that the IPv4 ranges of a node have together: a /16. */
export const POD_ADDRESSES_LIMIT = 65_536;

/**
 * Faults that a pattern cannot see: host bits, ranges that cannot carry pods, overlaps, too many addresses.
 * Entries that do not have the form of a range are given as undefined and skipped.
 */
export function rangeFaults(cidrs: readonly (string | undefined)[]): ValueFault[] {
  const faults: ValueFault[] = [];
  const earlier: { readonly at: number; readonly range: IpRange }[] = [];
  for (const [at, cidr] of cidrs.entries()) {
    if (cidr === undefined) continue;
    const parsed = parseRange(cidr);
    if (parsed === undefined) {
      faults.push({ at: `/${at}`, what: "is not a range", allowed: "allowed is an IPv4 or IPv6 range" });
      continue;
    }
    const { range } = parsed;
    const fault = hostBitsFault(parsed) ?? unusableFault(range);
    const other = earlier.find((candidate) => overlap(candidate.range, range));
    if (fault !== undefined) faults.push({ at: `/${at}`, ...fault });
    else if (other !== undefined) {
      const what = `overlaps ${formatRange(other.range)}`;
      faults.push({ at: `/${at}`, with: `/${other.at}`, what, allowed: "allowed are ranges that do not overlap" });
    }
    earlier.push({ at, range });
  }
  const ofIpv4 = earlier.filter(({ range }) => range.family === "ipv4");
  const total = ofIpv4.reduce((sum, { range }) => sum + Number(sizeOf(range)), 0);
  const last = ofIpv4.at(-1);
  if (faults.length === 0 && last !== undefined && total > POD_ADDRESSES_LIMIT) {
    const what = `makes ${total} addresses with the IPv4 ranges before it`;
    faults.push({ at: `/${last.at}`, what, allowed: `allowed are ${POD_ADDRESSES_LIMIT} in all` });
  }
  return faults;
}

/** The same for `excluded-addresses`, of which only the form can be told without podCIDRs. */
export function excludedFaults(entries: readonly (string | undefined)[]): ValueFault[] {
  return entries.flatMap((entry, at) => {
    if (entry === undefined) return [];
    const parsed = parseRange(entry);
    if (parsed === undefined) {
      return [{ at: `/${at}`, what: "is not an address", allowed: "allowed is an IPv4 or IPv6 address or range" }];
    }
    const fault = hostBitsFault(parsed);
    return fault === undefined ? [] : [{ at: `/${at}`, ...fault }];
  });
}

type Fault = Pick<ValueFault, "what" | "allowed">;

function hostBitsFault({ range, address }: { range: IpRange; address: IpAddress }): Fault | undefined {
  if (range.first === address.value) return undefined;
  return { what: "has host bits set", allowed: `allowed is the network itself, ${formatRange(range)}` };
}

function unusableFault(range: IpRange): Fault | undefined {
  const kind = unusable(range);
  if (kind === undefined) return undefined;
  return { what: kind, allowed: "allowed is a range that can be routed to the node" };
}

/** Why the range cannot carry pods. Ranges are so small that each lies in one of these altogether, or in none. */
function unusable(range: IpRange): string | undefined {
  const found = UNUSABLE[range.family].find(([cidr]) => {
    const other = parseRange(cidr)?.range;
    return other !== undefined && (contains(other, range) || (range.prefixLength > 30 && contains(range, other)));
  });
  return found?.[1];
}

/** RFC 1122 3.2.1.3, RFC 3927, RFC 5771; RFC 4291 2.4 and 2.5. Unique local addresses (fc00::/7) are fine. */
const UNUSABLE = {
  ipv4: [
    ["0.0.0.0/8", 'is in 0.0.0.0/8, which means "this network"'],
    ["127.0.0.0/8", "is in 127.0.0.0/8, the loopback range"],
    ["169.254.0.0/16", "is in 169.254.0.0/16, the link-local range"],
    ["224.0.0.0/4", "is in 224.0.0.0/4, the multicast range"],
    // Of a larger range the last address is no pod's anyway.
    ["255.255.255.255/32", "has the broadcast address, 255.255.255.255"],
  ],
  ipv6: [
    ["::/8", "is in ::/8, which holds the loopback and the unspecified address and those that stand for IPv4 ones"],
    ["fe80::/10", "is in fe80::/10, the link-local range"],
    ["ff00::/8", "is in ff00::/8, the multicast range"],
  ],
} as const satisfies Record<string, readonly (readonly [string, string])[]>;
