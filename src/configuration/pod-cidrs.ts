import ipaddr from "ipaddr.js";

/** Most addresses that the ranges of a node have together: a /16. */
export const POD_ADDRESSES_LIMIT = 65_536;

/** A fault among ranges that each have the right form. */
export interface RangeFault {
  /** Index in the list. */
  readonly at: number;
  /** Index of the other range, where two conflict. */
  readonly with?: number;
  /** Words that follow the range: "has host bits set; allowed is 10.0.0.0/24". */
  readonly what: string;
}

/**
 * Faults that a pattern cannot see: host bits, ranges that cannot carry pods, overlaps, too many addresses.
 * Entries that do not have the form of a range are given as undefined and skipped.
 */
export function rangeFaults(cidrs: readonly (string | undefined)[]): RangeFault[] {
  const faults: RangeFault[] = [];
  const earlier: { readonly at: number; readonly cidr: string; readonly range: Range }[] = [];
  for (const [at, cidr] of cidrs.entries()) {
    if (cidr === undefined) continue;
    const range = ipaddr.IPv4.parseCIDR(cidr);
    const fault = rangeFault(cidr, range);
    const other = earlier.find((candidate) => overlaps(candidate.range, range));
    if (fault !== undefined) faults.push({ at, what: fault });
    else if (other !== undefined) faults.push({ at, with: other.at, what: `overlaps ${other.cidr}` });
    earlier.push({ at, cidr, range });
  }
  const total = earlier.reduce((sum, { range: [, length] }) => sum + 2 ** (32 - length), 0);
  const last = earlier.at(-1);
  if (faults.length === 0 && last !== undefined && total > POD_ADDRESSES_LIMIT) {
    const what = `makes ${total} addresses with the ranges before it; allowed are ${POD_ADDRESSES_LIMIT} in all`;
    faults.push({ at: last.at, what });
  }
  return faults;
}

function rangeFault(cidr: string, [address, length]: Range): string | undefined {
  const network = ipaddr.IPv4.networkAddressFromCIDR(cidr);
  if (network.toString() !== address.toString()) {
    return `has host bits set; allowed is the network itself, ${network}/${length}`;
  }
  const kind = UNUSABLE[network.range()];
  return kind === undefined ? undefined : `is ${kind}; allowed is a range that can be routed to the node`;
}

const UNUSABLE: Readonly<Record<string, string>> = {
  unspecified: 'in 0.0.0.0/8, which means "this network"',
  loopback: "in 127.0.0.0/8, the loopback range",
  linkLocal: "in 169.254.0.0/16, the link-local range",
  multicast: "in 224.0.0.0/4, the multicast range",
  broadcast: "the broadcast address",
};

type Range = [ipaddr.IPv4, number];

function overlaps(a: Range, b: Range): boolean {
  const shorter = Math.min(a[1], b[1]);
  return a[0].match(b[0], shorter);
}
