import ipaddr from "ipaddr.js";
import type { ReachPicture } from "../../manager/ports/index.ts";

/** What the node announces, in canonical text and in the order of the numbers. */
export interface Announcements {
  /** CIDRs that lead to this node as a whole. */
  readonly ranges: readonly string[];
  /** Leased addresses outside of them, as /32 and /128. */
  readonly hosts: readonly string[];
  /** The address is inside of one of the ranges. */
  covers(address: string): boolean;
}

export const NOTHING: Announcements = { ranges: [], hosts: [], covers: () => false };

/**
 * A block is announced as a whole while pods can get addresses of it: a node range, on AWS a delegated prefix that is in
 * use or at hand. One that drains, or that the settings do not allow any more, is withdrawn, and with it what this node
 * said of addresses that are somebody else's from now on; those that are still leased are announced one by one, as are
 * leased addresses that stand alone (secondary addresses, fixed addresses that came from another node), and win over
 * whatever range they lie in elsewhere.
 */
export function announcementsOf({ blocks, addresses }: Pick<ReachPicture, "blocks" | "addresses">): Announcements {
  const ranges = blocks.filter(({ usable, kind }) => usable && kind !== "address").map(({ cidr }) => parseRange(cidr));
  // By length: an address is looked up once for each length that there is, however many ranges there are.
  const byLength = new Map<string, Set<bigint>>();
  for (const { bits, length, number } of ranges) {
    const key = `${bits}/${length}`;
    byLength.set(key, (byLength.get(key) ?? new Set()).add(number >> BigInt(bits - length)));
  }
  const covers = ({ bits, number }: Numbered) => {
    for (const [key, starts] of byLength) {
      const [family, length] = key.split("/").map(Number) as [number, number];
      if (family === bits && starts.has(number >> BigInt(bits - length))) return true;
    }
    return false;
  };
  const hosts = addresses.map(({ address }) => parseAddress(address)).filter((address) => !covers(address));
  return {
    ranges: textsOf(ranges),
    hosts: textsOf(hosts),
    covers: (address) => covers(parseAddress(address)),
  };
}

interface Numbered {
  /** 32 or 128. */
  readonly bits: number;
  readonly number: bigint;
  /** As BIRD takes it. */
  readonly text: string;
}

function parseAddress(text: string): Numbered {
  const bytes = ipaddr.parse(text).toByteArray();
  const bits = bytes.length * 8;
  return { bits, number: bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n), text: `${text}/${bits}` };
}

function parseRange(cidr: string): Numbered & { readonly length: number } {
  const [address = "", length = ""] = cidr.split("/");
  return { ...parseAddress(address), length: Number(length), text: cidr };
}

/** IPv4 before IPv6; each text once. */
function textsOf(networks: readonly Numbered[]): string[] {
  const inOrder = networks.toSorted(
    (a, b) => a.bits - b.bits || Number(a.number > b.number) - Number(a.number < b.number),
  );
  return [...new Set(inOrder.map(({ text }) => text))];
}
