/**
 * Who holds which IPv6 address and /80 of a subnet. A subnet's IPv6 CIDR is a /64, so that it has 65,536 prefixes of
 * which the first and the last are never given: they hold the addresses that AWS keeps.
 */

import { insufficientBlocks } from "./addresses.ts";
import {
  contains6,
  formatAddress6,
  formatRange6,
  includes6,
  overlaps6,
  parseAddress6,
  parseRange6,
  type Range6,
  size6,
} from "./ipv6.ts";
import type { NetworkInterface, Subnet } from "./records.ts";
import { invalidValue, SimulatedError } from "./simulated-error.ts";
import type { CloudState, World } from "./state.ts";

export const PREFIX6_LENGTH = 80;
const PREFIXES = 65_536;
/** The first four addresses of a subnet and its last one are AWS's, as with IPv4. */
const RESERVED_AT_START = 4n;

/** What the interfaces of one subnet hold: canonical texts to interface ids. */
export interface Use6 {
  readonly addresses: Map<string, string>;
  readonly prefixes: Map<string, string>;
  /** How many of the addresses lie in a /80, by its canonical text; without those that hold none. */
  readonly addressesByPrefix: Map<string, number>;
}

/** What a request adds to an interface, as canonical texts. */
export interface Chosen6 {
  readonly addresses: readonly string[];
  readonly prefixes: readonly string[];
}

export interface Wanted6 {
  readonly addresses: readonly string[];
  readonly prefixes: readonly string[];
  readonly addressCount: number;
  readonly prefixCount: number;
}

export function use6(state: CloudState, subnetId: string): Use6 {
  const known = state.ipv6.get(subnetId);
  if (known) return known;
  const use: Use6 = { addresses: new Map(), prefixes: new Map(), addressesByPrefix: new Map() };
  state.ipv6.set(subnetId, use);
  return use;
}

export function hold6(state: CloudState, one: NetworkInterface, added: Chosen6): void {
  const use = use6(state, one.subnetId);
  for (const address of added.addresses) {
    if (!use.addresses.has(address)) count(use, address, 1);
    use.addresses.set(address, one.id);
  }
  for (const prefix of added.prefixes) use.prefixes.set(prefix, one.id);
}

export function release6(state: CloudState, one: NetworkInterface, removed: Chosen6): void {
  const use = use6(state, one.subnetId);
  for (const address of removed.addresses) if (use.addresses.delete(address)) count(use, address, -1);
  for (const prefix of removed.prefixes) use.prefixes.delete(prefix);
}

function count({ addressesByPrefix }: Use6, address: string, change: number): void {
  const prefix = prefixOf(address);
  const next = (addressesByPrefix.get(prefix) ?? 0) + change;
  if (next === 0) addressesByPrefix.delete(prefix);
  else addressesByPrefix.set(prefix, next);
}

/** Everything of the interface. */
export function carried6(one: NetworkInterface): Chosen6 {
  return { addresses: one.ipv6Addresses, prefixes: one.ipv6Prefixes };
}

/**
 * Free addresses and prefixes for a request, the named ones first. Nothing is taken yet. Errors: InvalidParameterValue
 * (no IPv6 CIDR, outside, reserved), `takenError` for what is held already, InsufficientCidrBlocks.
 */
export function choose6(
  world: World,
  subnet: Subnet,
  wanted: Wanted6,
  takenError: (text: string) => SimulatedError,
): Chosen6 {
  const isNothing = wanted.addresses.length + wanted.prefixes.length + wanted.addressCount + wanted.prefixCount === 0;
  if (isNothing) return { addresses: [], prefixes: [] };
  const range = requireRange6(subnet);
  const use = use6(world.state, subnet.id);
  const addresses = [...new Set(wanted.addresses.map((text) => usableAddress6(range, text)))];
  const prefixes = [...new Set(wanted.prefixes.map((text) => usablePrefix6(range, text)))];
  for (const text of addresses) if (isTaken6(use, text)) throw takenError(text);
  for (const text of prefixes) if (isTaken6(use, text)) throw takenError(text);
  for (let count = 0; count < wanted.prefixCount; count += 1)
    prefixes.push(freePrefix6(world, subnet, range, prefixes));
  for (let count = 0; count < wanted.addressCount; count += 1) {
    addresses.push(freeAddress6(world, subnet, range, addresses));
  }
  return { addresses, prefixes };
}

/** The subnet's IPv6 range. No public source shows EC2's text for a subnet without one; the code is InvalidParameterValue. */
export function requireRange6(subnet: Subnet): Range6 {
  const range = subnet.ipv6Cidr === undefined ? undefined : parseRange6(subnet.ipv6Cidr);
  if (!range) throw invalidValue(`The subnet '${subnet.id}' does not have an IPv6 CIDR block associated with it.`);
  return range;
}

/** A canonical address that may be used in the subnet, taken or not. */
export function usableAddress6(range: Range6, text: string): string {
  const address = parseAddress6(text);
  if (address === undefined) throw invalidValue(`invalid value for parameter address: ${text}`);
  if (!includes6(range, address)) throw invalidValue("Address does not fall within the subnet's address range");
  if (isReserved6(range, address)) throw invalidValue("Address is in subnet's reserved address range");
  return formatAddress6(address);
}

/** A canonical /80 inside the subnet, taken or not. */
export function usablePrefix6(range: Range6, text: string): string {
  const prefix = parseRange6(text);
  if (prefix?.length !== PREFIX6_LENGTH) throw invalidValue(`invalid value for parameter prefix: ${text}`);
  if (!contains6(range, prefix)) throw invalidValue("Prefix does not fall within the subnet's address range");
  const index = (prefix.first - range.first) / size6(prefix);
  if (index === 0n || index === BigInt(PREFIXES - 1))
    throw invalidValue("Prefix is in subnet's reserved address range");
  return formatRange6(prefix);
}

/** True: held, or in a held prefix, or a prefix that holds a held address. */
export function isTaken6(use: Use6, text: string): boolean {
  if (use.addresses.has(text) || use.prefixes.has(text)) return true;
  return text.includes("/") ? use.addressesByPrefix.has(text) : use.prefixes.has(prefixOf(text));
}

function prefixOf(address: string): string {
  const number = parseAddress6(address) ?? 0n;
  const size = size6({ length: PREFIX6_LENGTH });
  return formatRange6({ first: number - (number % size), length: PREFIX6_LENGTH });
}

function isReserved6(range: Range6, address: bigint): boolean {
  return address < range.first + RESERVED_AT_START || address === range.first + size6(range) - 1n;
}

/** Out of `prefix` reservations where the subnet has any, else out of everything that is not reserved `explicit`. */
function freePrefix6(world: World, subnet: Subnet, range: Range6, beside: readonly string[]): string {
  const use = use6(world.state, subnet.id);
  const { prefix: reserved, explicit } = reservations6(world.state, subnet.id);
  const start = Math.floor(world.random.fraction() * PREFIXES);
  const size = size6({ length: PREFIX6_LENGTH });
  for (let step = 0; step < PREFIXES; step += 1) {
    const index = (start + step) % PREFIXES;
    if (index === 0 || index === PREFIXES - 1) continue;
    const candidate = { first: range.first + BigInt(index) * size, length: PREFIX6_LENGTH };
    if (reserved.length > 0 && !reserved.some((one) => contains6(one, candidate))) continue;
    if (explicit.some((one) => overlaps6(one, candidate))) continue;
    const text = formatRange6(candidate);
    if (!beside.includes(text) && !isTaken6(use, text)) return text;
  }
  throw insufficientBlocks();
}

/** A random address outside every reservation; that 64 bits are full is not simulated. */
function freeAddress6(world: World, subnet: Subnet, range: Range6, beside: readonly string[]): string {
  const use = use6(world.state, subnet.id);
  const { prefix: reserved, explicit } = reservations6(world.state, subnet.id);
  const draw = (bits: number) => BigInt(Math.floor(world.random.fraction() * 2 ** bits));
  for (let attempt = 0; attempt < 1_000; attempt += 1) {
    const address = range.first + ((draw(32) << 32n) | draw(32));
    const text = formatAddress6(address);
    const isSetAside = [...reserved, ...explicit].some((one) => includes6(one, address));
    if (!isSetAside && !isReserved6(range, address) && !beside.includes(text) && !isTaken6(use, text)) return text;
  }
  throw new SimulatedError(
    "InsufficientFreeAddressesInSubnet",
    "The specified subnet does not have enough free addresses to satisfy the request.",
  );
}

function reservations6(state: CloudState, subnetId: string): { prefix: Range6[]; explicit: Range6[] } {
  const own = [...state.reservations.values()].filter((one) => one.subnetId === subnetId);
  const ranges = (kind: "prefix" | "explicit") =>
    own.flatMap((one) => (one.kind === kind ? (parseRange6(one.cidr) ?? []) : []));
  return { prefix: ranges("prefix"), explicit: ranges("explicit") };
}
