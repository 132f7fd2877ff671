/** Keeps the holders of a subnet's addresses in step with its interfaces. */
import { give, numbersOf, take } from "./addresses.ts";
import { carried6, hold6, release6 } from "./ipv6-addresses.ts";
import type { NetworkInterface } from "./records.ts";
import type { CloudState } from "./state.ts";

/** Takes everything that the interface carries. */
export function holdAll(state: CloudState, one: NetworkInterface): void {
  take(state, one.subnetId, numbersOf([one.primaryAddress]), { role: "primary", interfaceId: one.id });
  holdAddresses(state, one, one.secondaryAddresses);
  holdPrefixes(state, one, one.prefixes);
  hold6(state, one, carried6(one));
}

export function holdAddresses(state: CloudState, one: NetworkInterface, addresses: readonly string[]): void {
  take(state, one.subnetId, numbersOf(addresses), { role: "secondary", interfaceId: one.id });
}

export function holdPrefixes(state: CloudState, one: NetworkInterface, prefixes: readonly string[]): void {
  take(state, one.subnetId, numbersOf(prefixes), { role: "prefix", interfaceId: one.id });
}

/** Frees everything that the interface carries. */
export function releaseAll(state: CloudState, one: NetworkInterface): void {
  give(state, one.subnetId, numbersOf([one.primaryAddress, ...one.secondaryAddresses, ...one.prefixes]));
  release6(state, one, carried6(one));
}

export function releaseSome(state: CloudState, one: NetworkInterface, texts: readonly string[]): void {
  give(state, one.subnetId, numbersOf(texts));
}
