import {
  type AddressState,
  type Attachment,
  type Block,
  type Family,
  familyOf,
  type Lease,
} from "../../src/pool/index.ts";

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
 * The addresses of a family that may be leased next: of the blocks that come first, and of these on the interface that
 * comes first, of each block the one that is free the longest. Several blocks of several addresses may be equally full;
 * single addresses have one turn.
 */
export function nextAddresses(model: Model, family: Family): ModelAddress[] {
  const all = allAddresses(model);
  const offered = all.filter(
    ({ state, block }) =>
      state === "free" && block.usable && isUsable(model, block) && familyOf(block.block.cidr) === family,
  );
  const rank = (address: ModelAddress): (number | string)[] => {
    const { interfaceId } = address.block.block;
    const onInterface = ({ block }: ModelAddress) => block.block.interfaceId === interfaceId;
    const leased = all.filter((one) => onInterface(one) && one.state === "leased").length;
    const free = offered.filter(onInterface).length;
    const index = model.interfaces.get(interfaceId)?.index ?? 0;
    return [...fullness(address.block), -leased, free, index, interfaceId];
  };
  const ranked = offered.map((address) => ({ address, rank: rank(address) }));
  ranked.sort((left, right) => compareRanks(left.rank, right.rank) || left.address.turn - right.address.turn);
  const best = ranked
    .filter((one) => compareRanks(one.rank, ranked[0]?.rank ?? []) === 0)
    .map(({ address }) => address);
  if (best[0] !== undefined && sizeOf(best[0].block.block.cidr) === 1) return best.slice(0, 1);
  return best.filter(({ block }, place) => best.findIndex((other) => other.block === block) === place);
}

const PART_FILLED = 0;
const SINGLE = 1;
const NEARLY_EMPTY = 2;
const ONLY_COOLING = 3;
const WHOLE = 4;

/** What comes first, and within it the more leased (in sixteenths, negative). */
export function fullness({ block, addresses }: ModelBlock): [number, number] {
  const size = sizeOf(block.cidr);
  if (size === 1) return [SINGLE, 0];
  const sixteenths = Math.ceil((16 * addresses.filter(({ state }) => state === "leased").length) / size);
  if (sixteenths > 2) return [PART_FILLED, -sixteenths];
  if (sixteenths > 0) return [NEARLY_EMPTY, -sixteenths];
  return [addresses.some(({ state }) => state === "cooling") ? ONLY_COOLING : WHOLE, 0];
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

/** The texts of a CIDR; of IPv6 those of the first 4,096 addresses, for a CIDR that ends with "::" or "00". */
export function addressesOf(cidrText: string): string[] {
  const [base = ""] = cidrText.split("/");
  if (familyOf(cidrText) === "ipv6") {
    const head = base.endsWith("::") ? base : base.slice(0, base.lastIndexOf(":") + 1);
    const first = base.endsWith("::") ? 0 : Number.parseInt(base.slice(head.length), 16);
    return Array.from({ length: sizeOf(cidrText) }, (_, index) =>
      first + index === 0 ? head : `${head}${(first + index).toString(16)}`,
    );
  }
  const octets = base.split(".").map(Number);
  const last = octets.pop() ?? 0;
  return Array.from({ length: sizeOf(cidrText) }, (_, index) => [...octets, last + index].join("."));
}

export function sizeOf(cidrText: string): number {
  const length = Number(cidrText.split("/")[1]);
  return familyOf(cidrText) === "ipv6" ? Math.min(4096, 2 ** (128 - length)) : 2 ** (32 - length);
}

/** The first address of an IPv6 block, which no pod gets anew. */
export function isAnycast({ block, text }: ModelAddress): boolean {
  return familyOf(text) === "ipv6" && text === block.block.cidr.split("/")[0];
}

/** An address is free again: in its turn, or gone if no pod gets it anew. */
export function becomesFree(address: ModelAddress, turn: number): void {
  address.state = "free";
  address.turn = turn;
  delete address.lease;
  delete address.untilMs;
  if (isAnycast(address)) address.block.addresses.splice(address.block.addresses.indexOf(address), 1);
}

/** The address that a lease or a cooling time of earlier can be entered for. */
export function restorable(model: Model, text: string): ModelAddress | undefined {
  const known = addressIn(model, text);
  if (known !== undefined) return known.state === "free" ? known : undefined;
  for (const block of model.blocks.values()) {
    const address: ModelAddress = { text, block, state: "free", turn: 0 };
    if (isAnycast(address) && !block.releasing) return address;
  }
  return undefined;
}

/** Enters what `restorable` found. */
export function enter(address: ModelAddress): void {
  if (!address.block.addresses.includes(address)) address.block.addresses.push(address);
}
