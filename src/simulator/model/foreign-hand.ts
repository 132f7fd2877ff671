/** What others do in the account, past every rule that EC2 has for callers: take addresses, fragment, change, delete. */
import {
  chooseAddresses,
  freeCount,
  give,
  holdersOf,
  numbersOf,
  take,
  usableAddress,
  wholePrefixes,
} from "./addresses.ts";
import { releaseAll } from "./holding.ts";
import { formatAddress } from "./ipv4.ts";
import { interfaceNotFound, requireSubnet, securityGroupsFor } from "./lookups.ts";
import type { NetworkInterface, Tags } from "./records.ts";
import { dropInterface, findInterface, putInterface, type World } from "./state.ts";

/** What a foreign hand may change of an interface; tags are replaced as a whole. */
export interface InterfacePatch {
  readonly tags?: Tags;
  readonly securityGroups?: readonly string[];
  readonly description?: string;
  readonly deleteOnTermination?: boolean;
}

/** Changes an interface whoever manages it; Describe calls and metadata show it after their lags. */
export function changeInterface(world: World, interfaceId: string, patch: InterfacePatch): NetworkInterface {
  const found = requireAny(world, interfaceId);
  const { tags, securityGroups, description, deleteOnTermination } = patch;
  return putInterface(world, {
    ...found,
    ...(tags !== undefined && { tags }),
    ...(description !== undefined && { description }),
    ...(securityGroups !== undefined && { securityGroups: securityGroupsFor(world, securityGroups, found.vpcId) }),
    ...(deleteOnTermination !== undefined &&
      found.attachment && { attachment: { ...found.attachment, deleteOnTermination } }),
  });
}

/** Deletes an interface whatever its state, as a foreign hand that forces it would. */
export function eraseInterface(world: World, interfaceId: string): void {
  const found = requireAny(world, interfaceId);
  if (found.attachment) world.state.attachments.delete(found.attachment.id);
  releaseAll(world.state, found);
  dropInterface(world, interfaceId);
}

/** Takes addresses of a subnet for something outside the model: so many of the free ones, or these addresses and CIDRs. */
export function occupy(world: World, subnetId: string, what: number | readonly string[]): number {
  return occupied(world, subnetId, what).length;
}

/** Gives back what `occupy` took: so many, or these, or all of it. */
export function vacate(world: World, subnetId: string, what?: number | readonly string[]): number {
  requireSubnet(world, subnetId);
  const foreign = [...holdersOf(world.state, subnetId)].flatMap(([number, { role }]) =>
    role === "other" ? [number] : [],
  );
  const wanted = typeof what === "object" ? new Set(numbersOf(what)) : undefined;
  const given = foreign.filter((number) => wanted?.has(number) ?? true);
  const limited = typeof what === "number" ? given.slice(0, what) : given;
  give(world.state, subnetId, limited);
  return limited.length;
}

/**
 * Takes one free address in every /28 of the subnet that has any and in which nothing foreign sits yet: no prefix fits
 * any more, while nearly every address is free. A /28 that is held as a whole stays what it is. Says how many it took.
 */
export function fragment(world: World, subnetId: string): number {
  const subnet = requireSubnet(world, subnetId);
  const holders = holdersOf(world.state, subnetId);
  const places = wholePrefixes(subnet).flatMap(({ first, size }) => {
    const addresses = Array.from({ length: size }, (_, offset) => first + ((offset + size / 2) % size));
    if (addresses.some((address) => holders.get(address)?.role === "other")) return [];
    return addresses.filter((address) => !holders.has(address)).slice(0, 1);
  });
  const taken = occupied(world, subnetId, places.map(formatAddress));
  const before = world.state.fragments.get(subnetId) ?? [];
  world.state.fragments.set(subnetId, [...before, ...taken]);
  return taken.length;
}

/** Gives back what `fragment` took; says how many addresses that were. */
export function defragment(world: World, subnetId: string): number {
  const taken = world.state.fragments.get(subnetId) ?? [];
  world.state.fragments.delete(subnetId);
  return vacate(world, subnetId, taken);
}

function occupied(world: World, subnetId: string, what: number | readonly string[]): string[] {
  const subnet = requireSubnet(world, subnetId);
  const numbers =
    typeof what === "number"
      ? chooseAddresses(world, subnet, Math.min(what, freeCount(world.state, subnet)), new Set())
      : numbersOf(what);
  const holders = holdersOf(world.state, subnetId);
  const free = numbers.filter((number) => !holders.has(number));
  for (const number of free) usableAddress(subnet, formatAddress(number));
  take(world.state, subnetId, free, { role: "other", interfaceId: "" });
  return free.map(formatAddress);
}

function requireAny(world: World, interfaceId: string): NetworkInterface {
  const found = findInterface(world.state, interfaceId);
  if (!found) throw interfaceNotFound(interfaceId);
  return found;
}
