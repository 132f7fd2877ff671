/** Who holds which address of a subnet: EC2's reserved five, uniqueness, the choice of free addresses and prefixes. */
import { contains, includes, overlaps, parseAddress, parseRange, type Range } from "./ipv4.ts";
import type { Holder, Subnet } from "./records.ts";
import { invalidValue, SimulatedError } from "./simulated-error.ts";
import type { CloudState, World } from "./state.ts";

export const PREFIX_LENGTH = 28;
export const PREFIX_SIZE = 16;
/** The first four addresses of a subnet and its last one are AWS's. */
const RESERVED_AT_START = 4;
const RESERVED = RESERVED_AT_START + 1;

export function holdersOf(state: CloudState, subnetId: string): Map<number, Holder> {
  const holders = state.holders.get(subnetId) ?? new Map<number, Holder>();
  state.holders.set(subnetId, holders);
  return holders;
}

export function freeCount(state: CloudState, subnet: Subnet): number {
  return subnet.range.size - RESERVED - holdersOf(state, subnet.id).size;
}

/** Free addresses of the subnet that are not among `except`. */
export function freeBeside(state: CloudState, subnet: Subnet, except: ReadonlySet<number>): number {
  const holders = holdersOf(state, subnet.id);
  const isSetAside = (address: number) =>
    includes(subnet.range, address) && !isReserved(subnet.range, address) && !holders.has(address);
  return freeCount(state, subnet) - [...except].filter(isSetAside).length;
}

export function isReserved(range: Range, address: number): boolean {
  return address < range.first + RESERVED_AT_START || address === range.first + range.size - 1;
}

/** A literal address that may be used in the subnet, taken or not. */
export function usableAddress(subnet: Subnet, text: string): number {
  const address = parseAddress(text);
  if (address === undefined) throw invalidValue(`invalid value for parameter address: ${text}`);
  if (!includes(subnet.range, address)) throw invalidValue("Address does not fall within the subnet's address range");
  if (isReserved(subnet.range, address)) throw invalidValue("Address is in subnet's reserved address range");
  return address;
}

/** A literal /28 inside the subnet, taken or not. */
export function usablePrefix(subnet: Subnet, text: string): Range {
  const range = parseRange(text);
  if (range?.length !== PREFIX_LENGTH) throw invalidValue(`invalid value for parameter prefix: ${text}`);
  if (!includes(subnet.range, range.first))
    throw invalidValue("Prefix does not fall within the subnet's address range");
  if (touchesReserved(subnet.range, range)) throw invalidValue("Prefix is in subnet's reserved address range");
  return range;
}

/** `count` free addresses, chosen without order; those of `except` are set aside. Nothing is taken yet. */
export function chooseAddresses(world: World, subnet: Subnet, count: number, except: ReadonlySet<number>): number[] {
  if (count === 0) return [];
  const holders = holdersOf(world.state, subnet.id);
  const reserved = reservedRanges(world.state, subnet.id);
  const isSetAside = (address: number) => reserved.some(({ range }) => includes(range, address));
  const isFree = (address: number) => !holders.has(address) && !except.has(address) && !isSetAside(address);
  const free = freeBeside(world.state, subnet, except) - freeInReservations(subnet, reserved, holders, except);
  if (free === 0) throw insufficientAddresses();
  if (free < count) throw insufficientForCount();
  const chosen = new Set<number>();
  while (chosen.size < count) {
    const start = Math.floor(world.random.fraction() * subnet.range.size);
    chosen.add(nextFree(subnet.range, start, (address) => isFree(address) && !chosen.has(address)));
  }
  return [...chosen];
}

/** Free addresses that no automatic choice of single addresses takes. Reservations do not overlap. */
function freeInReservations(
  subnet: Subnet,
  reserved: readonly ReservedRange[],
  holders: ReadonlyMap<number, Holder>,
  except: ReadonlySet<number>,
): number {
  let free = 0;
  for (const { range } of reserved) {
    for (let address = range.first; address < range.first + range.size; address += 1) {
      if (!isReserved(subnet.range, address) && !holders.has(address) && !except.has(address)) free += 1;
    }
  }
  return free;
}

interface ReservedRange {
  readonly kind: "prefix" | "explicit";
  readonly range: Range;
}

function reservedRanges(state: CloudState, subnetId: string): ReservedRange[] {
  return [...state.reservations.values()].flatMap(({ subnetId: where, kind, cidr }) => {
    const range = where === subnetId ? parseRange(cidr) : undefined;
    return range ? [{ kind, range }] : [];
  });
}

/**
 * `count` free aligned /28 ranges without the addresses of `except`: out of the subnet's `prefix` reservations where it
 * has any, else out of everything that is not reserved. Nothing is taken yet.
 */
export function choosePrefixes(world: World, subnet: Subnet, count: number, except: ReadonlySet<number>): Range[] {
  if (count === 0) return [];
  if (freeBeside(world.state, subnet, except) < count * PREFIX_SIZE) throw insufficientForCount();
  const holders = holdersOf(world.state, subnet.id);
  const reserved = reservedRanges(world.state, subnet.id);
  const sources = reserved.filter(({ kind }) => kind === "prefix");
  const closed = reserved.filter(({ kind }) => kind === "explicit");
  const isOpen = (range: Range) =>
    (sources.length === 0 || sources.some((one) => contains(one.range, range))) &&
    !closed.some((one) => overlaps(one.range, range));
  const isTaken = (address: number) => holders.has(address) || except.has(address);
  const whole = wholePrefixes(subnet);
  const start = Math.floor(world.random.fraction() * whole.length);
  const chosen: Range[] = [];
  for (const range of [...whole.slice(start), ...whole.slice(0, start)]) {
    if (chosen.length === count) break;
    if (isOpen(range) && !touches(range, isTaken)) chosen.push(range);
  }
  if (chosen.length < count) throw insufficientBlocks();
  return chosen;
}

/** Every aligned /28 of the subnet that holds none of EC2's reserved addresses. */
export function wholePrefixes({ range: subnet }: Subnet): Range[] {
  const count = Math.max(0, subnet.size / PREFIX_SIZE - 2);
  return Array.from({ length: count }, (_, index) => ({
    first: subnet.first + (index + 1) * PREFIX_SIZE,
    size: PREFIX_SIZE,
    length: PREFIX_LENGTH,
  }));
}

function touches(range: Range, isTaken: (address: number) => boolean): boolean {
  for (let address = range.first; address < range.first + range.size; address += 1) {
    if (isTaken(address)) return true;
  }
  return false;
}

export function take(state: CloudState, subnetId: string, addresses: Iterable<number>, holder: Holder): void {
  const holders = holdersOf(state, subnetId);
  for (const address of addresses) holders.set(address, holder);
}

export function give(state: CloudState, subnetId: string, addresses: Iterable<number>): void {
  const holders = holdersOf(state, subnetId);
  for (const address of addresses) holders.delete(address);
}

export function addressesOf(range: Range): number[] {
  return Array.from({ length: range.size }, (_, offset) => range.first + offset);
}

/** Every address that the texts (addresses or CIDRs of the model itself) cover. */
export function numbersOf(texts: readonly string[]): number[] {
  return texts.flatMap((text) => {
    const range = parseRange(text.includes("/") ? text : `${text}/32`);
    return range ? addressesOf(range) : [];
  });
}

export function insufficientAddresses(): SimulatedError {
  return new SimulatedError(
    "InsufficientFreeAddressesInSubnet",
    "The specified subnet does not have enough free addresses to satisfy the request.",
  );
}

/** EC2's answer when more is asked than is free (cilium/cilium#31016). */
function insufficientForCount(): SimulatedError {
  return invalidValue("There aren't sufficient free Ipv4 addresses or prefixes");
}

/** Enough addresses are free, but no whole /28 (aws/amazon-vpc-cni-k8s#1836). */
export function insufficientBlocks(): SimulatedError {
  return new SimulatedError(
    "InsufficientCidrBlocks",
    "The specified subnet does not have enough free cidr blocks to satisfy the request.",
  );
}

function touchesReserved(subnet: Range, range: Range): boolean {
  return range.first === subnet.first || range.first + range.size === subnet.first + subnet.size;
}

/** The first free address from `start` on, around the end; the caller knows that there is one. */
function nextFree(range: Range, start: number, isFree: (address: number) => boolean): number {
  for (let step = 0; step < range.size; step += 1) {
    const address = range.first + ((start + step) % range.size);
    if (!isReserved(range, address) && isFree(address)) return address;
  }
  throw insufficientAddresses();
}
