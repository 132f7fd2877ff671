import { formatAddress, parseCidr } from "./ipv4.ts";
import { formatIpv6Address, parseIpv6Cidr } from "./ipv6.ts";
import type { Family } from "./types.ts";

/** A canonical CIDR, or an address, as numbers. */
interface Numbers {
  readonly family: Family;
  readonly base: bigint;
  readonly prefixLength: number;
}

const BITS: Readonly<Record<Family, number>> = { ipv4: 32, ipv6: 128 };

/** Does the CIDR hold all of the other one, which may be an address? False for texts that are not canonical. */
export function cidrHolds(outer: string, inner: string): boolean {
  const [large, small] = [numbersOf(outer), numbersOf(inner)];
  return large !== undefined && small !== undefined && holds(large, small);
}

/** Do the two share an address? Of two CIDRs that do, one holds the other. */
export function cidrsOverlap(one: string, other: string): boolean {
  return cidrHolds(one, other) || cidrHolds(other, one);
}

/** What is left of the CIDR without the others, in order and in as few CIDRs as there can be. */
export function cidrDifference(cidr: string, others: readonly string[]): string[] {
  const numbers = numbersOf(cidr);
  if (numbers === undefined) return [];
  return difference(
    numbers,
    others.flatMap((other) => numbersOf(other) ?? []),
  ).map(textOf);
}

function difference(range: Numbers, others: readonly Numbers[]): Numbers[] {
  const near = others.filter((other) => holds(range, other) || holds(other, range));
  if (near.length === 0) return [range];
  if (near.some((other) => holds(other, range))) return [];
  const { family, base, prefixLength } = range;
  const half = 1n << BigInt(BITS[family] - prefixLength - 1);
  const halves = [base, base + half].map((first) => ({ family, base: first, prefixLength: prefixLength + 1 }));
  return halves.flatMap((one) => difference(one, near));
}

function holds(outer: Numbers, inner: Numbers): boolean {
  if (outer.family !== inner.family || outer.prefixLength > inner.prefixLength) return false;
  const hostBits = BigInt(BITS[outer.family] - outer.prefixLength);
  return outer.base >> hostBits === inner.base >> hostBits;
}

function numbersOf(text: string): Numbers | undefined {
  if (text.includes(":")) return parseIpv6Cidr(text.includes("/") ? text : `${text}/128`);
  const range = parseCidr(text.includes("/") ? text : `${text}/32`);
  return range === undefined ? undefined : { ...range, base: BigInt(range.base >>> 0) };
}

function textOf({ family, base, prefixLength }: Numbers): string {
  const address = family === "ipv4" ? formatAddress(Number(base) | 0) : formatIpv6Address(base);
  return `${address}/${prefixLength}`;
}
