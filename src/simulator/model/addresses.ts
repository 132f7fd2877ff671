/** Who holds which address of a subnet: EC2's reserved five, uniqueness, the choice of free addresses and prefixes. */
import { AddressSpace } from "./address-space.ts";
import { contains, includes, overlaps, parseAddress, parseRange, type Range } from "./ipv4.ts";
import type { Holder, Subnet } from "./records.ts";
import { invalidValue, SimulatedError } from "./simulated-error.ts";
import type { CloudState, World } from "./state.ts";

export const PREFIX_LENGTH = 28;
export const PREFIX_SIZE = 16;
/** The first four addresses of a subnet and its last one are AWS's. */
const RESERVED_AT_START = 4;

/** Errors: RangeError for a subnet that there is not. */
export function spaceOf(state: CloudState, subnetId: string): AddressSpace {
  const known = state.spaces.get(subnetId);
  if (known) return known;
  const subnet = state.subnets.get(subnetId);
  if (!subnet) throw new RangeError(`the simulator has no subnet ${subnetId}`);
  const space = new AddressSpace(subnet.range);
  state.spaces.set(subnetId, space);
  return space;
}

export function holdersOf(state: CloudState, subnetId: string): ReadonlyMap<number, Holder> {
  return spaceOf(state, subnetId).holders;
}

export function freeCount(state: CloudState, subnet: Subnet): number {
  return spaceOf(state, subnet.id).freeCount;
}

/** Free addresses of the subnet that are not among `except`. */
export function freeBeside(state: CloudState, subnet: Subnet, except: ReadonlySet<number>): number {
  const { holders, freeCount: free } = spaceOf(state, subnet.id);
  let setAside = 0;
  for (const address of except) {
    if (includes(subnet.range, address) && !isReserved(subnet.range, address) && !holders.has(address)) setAside += 1;
  }
  return free - setAside;
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
  const space = spaceOf(world.state, subnet.id);
  const reserved = reservedRanges(world.state, subnet.id).map(({ range }) => range);
  const free = freeBeside(world.state, subnet, except) - freeInReservations(space, reserved, except);
  if (free === 0) throw insufficientAddresses();
  if (free < count) throw insufficientForCount();
  const chosen = new Set<number>();
  const isRefused = (address: number) => except.has(address) || chosen.has(address);
  while (chosen.size < count) {
    const start = Math.floor(world.random.fraction() * subnet.range.size);
    const address = space.nextFree(start, reserved, isRefused);
    if (address === undefined) throw insufficientAddresses();
    chosen.add(address);
  }
  return [...chosen];
}

/** Free addresses that no automatic choice of single addresses takes. Reservations do not overlap. */
function freeInReservations(space: AddressSpace, reserved: readonly Range[], except: ReadonlySet<number>): number {
  let free = 0;
  for (const range of reserved) free += space.freeWithin(range);
  if (free === 0) return 0;
  for (const address of except) {
    if (reserved.some((range) => includes(range, address)) && space.isFree(address)) free -= 1;
  }
  return free;
}

interface ReservedRange {
  readonly kind: "prefix" | "explicit";
  readonly range: Range;
}

function reservedRanges(state: CloudState, subnetId: string): readonly ReservedRange[] {
  if (state.reservations.size === 0) return [];
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
  const space = spaceOf(world.state, subnet.id);
  const reserved = reservedRanges(world.state, subnet.id);
  const sources = reserved.filter(({ kind }) => kind === "prefix");
  const closed = reserved.filter(({ kind }) => kind === "explicit");
  const isOpen = (range: Range) =>
    (sources.length === 0 || sources.some((one) => contains(one.range, range))) &&
    !closed.some((one) => overlaps(one.range, range)) &&
    !touches(range, except);
  const total = countWholePrefixes(subnet);
  const start = Math.floor(world.random.fraction() * total);
  const chosen: Range[] = [];
  // The first and the last /28 hold addresses of AWS: they are never free.
  for (const first of space.freeBlocks(firstOfPrefix(subnet, start))) {
    if (chosen.length === count) break;
    const range = { first, size: PREFIX_SIZE, length: PREFIX_LENGTH };
    if (isOpen(range)) chosen.push(range);
  }
  if (chosen.length < count) throw insufficientBlocks();
  return chosen;
}

/** Every aligned /28 of the subnet that holds none of EC2's reserved addresses. */
export function wholePrefixes(subnet: Subnet): Range[] {
  return Array.from({ length: countWholePrefixes(subnet) }, (_, index) => ({
    first: firstOfPrefix(subnet, index),
    size: PREFIX_SIZE,
    length: PREFIX_LENGTH,
  }));
}

/** All but the first and the last one. */
function countWholePrefixes({ range }: Subnet): number {
  return Math.max(0, range.size / PREFIX_SIZE - 2);
}

function firstOfPrefix({ range }: Subnet, index: number): number {
  return range.first + (index + 1) * PREFIX_SIZE;
}

function touches(range: Range, except: ReadonlySet<number>): boolean {
  if (except.size === 0) return false;
  for (let address = range.first; address < range.first + range.size; address += 1) {
    if (except.has(address)) return true;
  }
  return false;
}

export function take(state: CloudState, subnetId: string, addresses: Iterable<number>, holder: Holder): void {
  spaceOf(state, subnetId).take(addresses, holder);
}

export function give(state: CloudState, subnetId: string, addresses: Iterable<number>): void {
  spaceOf(state, subnetId).give(addresses);
}

const NOTHING: Range = { first: 0, size: 0, length: 0 };

export function addressesOf(range: Range): number[] {
  return Array.from({ length: range.size }, (_, offset) => range.first + offset);
}

/** Every address that the texts (addresses or CIDRs of the model itself) cover. */
export function numbersOf(texts: readonly string[]): number[] {
  const numbers: number[] = [];
  for (const text of texts) {
    const address = parseAddress(text);
    if (address !== undefined) numbers.push(address);
    else numbers.push(...addressesOf(parseRange(text) ?? NOTHING));
  }
  return numbers;
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
