import type { AddressState, Attachment, Block, Lease } from "../../src/pool/index.ts";

/** A pool that keeps one record per address and searches them all: slow, and too simple to be wrong. */

export interface ModelAddress {
  readonly text: string;
  readonly block: ModelBlock;
  state: AddressState;
  /** Order in which free addresses come to be leased. */
  turn: number;
  lease?: Lease;
  untilMs?: number;
  /** Order among those whose cooling ends at the same time. */
  cooledAs?: number;
}

export interface ModelBlock {
  readonly block: Block;
  readonly addresses: ModelAddress[];
  usable: boolean;
  releasing: boolean;
}

export interface Model {
  nowMs: number;
  turns: number;
  readonly interfaces: Map<string, { index: number; usable: boolean }>;
  readonly blocks: Map<string, ModelBlock>;
}

/**
 * The addresses that may be leased next: of the interface that comes first, of its fullest blocks, of each block the one
 * that is free the longest. Several blocks of several addresses may be equally full; single addresses have one turn.
 */
export function nextAddresses(model: Model): ModelAddress[] {
  const offered = allAddresses(model).filter(
    ({ state, block }) => state === "free" && block.usable && isUsable(model, block),
  );
  const rank = (address: ModelAddress): (number | string)[] => {
    const { interfaceId } = address.block.block;
    const onInterface = ({ block }: ModelAddress) => block.block.interfaceId === interfaceId;
    const leased = allAddresses(model).filter((one) => onInterface(one) && one.state === "leased").length;
    const free = offered.filter(onInterface).length;
    const index = model.interfaces.get(interfaceId)?.index ?? 0;
    return [-leased, free, index, interfaceId, -fullness(address.block)];
  };
  const ranked = offered.map((address) => ({ address, rank: rank(address) }));
  ranked.sort((left, right) => compareRanks(left.rank, right.rank) || left.address.turn - right.address.turn);
  const best = ranked
    .filter((one) => compareRanks(one.rank, ranked[0]?.rank ?? []) === 0)
    .map(({ address }) => address);
  if (best[0]?.block.addresses.length === 1) return best.slice(0, 1);
  return best.filter(({ block }, place) => best.findIndex((other) => other.block === block) === place);
}

/** In sixteenths; a single address comes after blocks with leases and before empty ones. */
export function fullness({ block, addresses }: ModelBlock): number {
  const size = addressesOf(block.cidr).length;
  if (size === 1) return 0.5;
  return Math.ceil((16 * addresses.filter(({ state }) => state === "leased").length) / size);
}

export function compareRanks(left: (number | string)[], right: (number | string)[]): number {
  for (let place = 0; place < left.length; place++) {
    const [one, other] = [left[place] ?? 0, right[place] ?? 0];
    if (one !== other) return one < other ? -1 : 1;
  }
  return 0;
}

export function startCooling(model: Model, address: ModelAddress, untilMs: number): void {
  delete address.lease;
  address.state = "cooling";
  address.untilMs = untilMs;
  address.cooledAs = model.turns++;
}

/** A single address that is offered again stands behind the others. */
export function offeredAgain(model: Model, { addresses }: ModelBlock): void {
  const [only] = addresses;
  if (addresses.length === 1 && only !== undefined) only.turn = model.turns++;
}

export function coolingIn(model: Model): ModelAddress[] {
  return allAddresses(model)
    .filter(({ state }) => state === "cooling")
    .sort((a, b) => (a.untilMs ?? 0) - (b.untilMs ?? 0) || (a.cooledAs ?? 0) - (b.cooledAs ?? 0));
}

export function allAddresses(model: Model): ModelAddress[] {
  return [...model.blocks.values()].flatMap(({ addresses }) => addresses);
}

export function addressIn(model: Model, text: string): ModelAddress | undefined {
  return allAddresses(model).find((address) => address.text === text);
}

export function leaseIn(model: Model, of: Attachment): Lease | undefined {
  const same = (held: Lease) =>
    held.attachment.containerId === of.containerId && held.attachment.interfaceName === of.interfaceName;
  return allAddresses(model).find(({ lease: held }) => held !== undefined && same(held))?.lease;
}

export function inUse({ addresses }: ModelBlock): boolean {
  return addresses.some(({ state }) => state === "leased" || state === "cooling");
}

export function isUsable(model: Model, { block }: ModelBlock): boolean {
  return model.interfaces.get(block.interfaceId)?.usable ?? false;
}

export function countsOf(addresses: ModelAddress[]): Record<string, number> {
  const counts = { total: addresses.length, free: 0, leased: 0, cooling: 0, releasing: 0 };
  for (const { state } of addresses) counts[state]++;
  return counts;
}

export function addressesOf(cidrText: string): string[] {
  const [base = "", length] = cidrText.split("/");
  const octets = base.split(".").map(Number);
  const last = octets.pop() ?? 0;
  return Array.from({ length: 2 ** (32 - Number(length)) }, (_, index) => [...octets, last + index].join("."));
}
