import { addressesIn, type SlotUnit } from "./blocks.ts";
import { Places, pendingPlacesOf, placeOf } from "./cards.ts";
import type { Demand } from "./demand.ts";
import { Stock } from "./stock.ts";
import type { Place, PlanInput, PlanInterface } from "./types.ts";
import { primaryAddresses, slotsPerInterface } from "./watermarks.ts";

/** An interface with free slots; `freeSlots` shrinks as a plan takes of them. */
export interface Opening extends Place {
  readonly id: string;
  readonly subnetId: string;
  readonly slots: number;
  freeSlots: number;
}

/** What a new interface should bring, in addresses. */
export interface Wish {
  readonly unit: SlotUnit;
  readonly addresses: number;
  /** Addresses it must not exceed, whatever whole prefixes round up to. */
  readonly most: number;
  /** It must be in a subnet with IPv6. */
  readonly ipv6: boolean;
}

export interface Created extends Place {
  readonly subnetId: string;
  /** Blocks. */
  readonly count: number;
  /** Pod addresses, its primary one included where that is for pods. */
  readonly brings: number;
  /** Free addresses of its subnet before. */
  readonly subnetFree: number;
}

/**
 * What the instance and the subnets can still give, as a working copy that a plan takes from: what one step takes, the
 * next one does not find.
 */
export class Room {
  /** Interfaces that carry pods or will, by place. */
  readonly carrying: readonly PlanInterface[];
  /** Interfaces that can take blocks now: by card, the fullest first. */
  readonly open: readonly Opening[];
  /** Interfaces being made that will have free slots. */
  readonly making: readonly Opening[];
  /** Pod addresses that the instance can hold, foreign interfaces left out. */
  readonly capacity: number;
  /** Addresses for which there are slots, whatever the subnets can give. */
  readonly freeAddresses: number;
  readonly slotsPerInterface: number;
  readonly stock: Stock;
  readonly places: Places;
  readonly #primaries: number;
  readonly #making: ReadonlySet<string>;
  /** Slots that the interfaces created by this plan leave free. */
  #unfilled = 0;

  constructor(input: PlanInput, { held, units }: Pick<Demand, "held" | "units">) {
    const { limits, subnets, interfaces } = input;
    const pending = pendingPlacesOf(input);
    this.slotsPerInterface = slotsPerInterface(limits);
    this.#primaries = primaryAddresses(limits);
    this.stock = new Stock(subnets, input.nowMs);
    this.places = new Places(limits, [...interfaces.map(placeOf), ...pending]);

    // Without any allowed subnet, what an interface could carry is reported, though nothing can be added to it.
    const isAllowed = (one: PlanInterface) => subnets.length === 0 || this.stock.allows(one.subnetId);
    this.carrying = interfaces
      .filter((one) => one.usable && this.places.carries(placeOf(one)) && isAllowed(one))
      .sort((left, right) => this.places.compare(placeOf(left), placeOf(right)));
    const keys = new Set(pending.map(keyOf));
    this.#making = new Set(interfaces.filter((one) => keys.has(keyOf(placeOf(one)))).map(({ id }) => id));
    const openings = this.carrying.map(toOpening).filter(({ freeSlots }) => freeSlots > 0);
    this.open = openings
      .filter((one) => !this.#making.has(one.id))
      .sort((left, right) => this.#fillingOrder(left, right));
    this.making = openings.filter((one) => this.#making.has(one.id));

    const perSlot = units.includes("prefix") ? addressesIn("prefix") : 1;
    const perInterface = this.slotsPerInterface === 0 ? 0 : this.slotsPerInterface * perSlot + this.#primaries;
    const creatable = this.places.free * perInterface;
    const known = new Set(interfaces.map((one) => keyOf(placeOf(one))));
    const unknown = pending.filter((place) => !known.has(keyOf(place)) && this.places.carries(place)).length;
    this.freeAddresses = openings.reduce((sum, { freeSlots }) => sum + freeSlots * perSlot, creatable);
    // A slot with a single address holds no prefix until that is given back, so what is held counts as it is.
    const existing = perSlot > 1 ? held + this.freeAddresses - creatable : this.#slotsOfCarrying();
    this.capacity = existing + creatable + unknown * perInterface;
  }

  isMaking({ id }: { readonly id: string }): boolean {
    return this.#making.has(id);
  }

  /** Is every slot that pods can have taken, of interfaces that could be made too? */
  get isFull(): boolean {
    const places = this.slotsPerInterface > 0 ? this.places.free : 0;
    const openings = [...this.open, ...this.making];
    return places === 0 && this.#unfilled === 0 && openings.every(({ freeSlots }) => freeSlots === 0);
  }

  /** Takes blocks for up to `addresses` of the opening's subnet, never more than `most`; answers how many blocks. */
  take(opening: Opening, unit: SlotUnit, addresses: number, most: number): number {
    const size = addressesIn(unit);
    const wished = Math.min(Math.ceil(addresses / size), Math.floor(most / size));
    const count = Math.max(0, Math.min(wished, opening.freeSlots, this.stock.blocks(opening.subnetId, unit)));
    opening.freeSlots -= count;
    this.stock.draw(opening.subnetId, count * size);
    return count;
  }

  /** Takes a new interface with blocks for up to `addresses`, in the subnet with the most free ones. */
  create({ unit, addresses, most, ipv6 }: Wish): Created | undefined {
    const size = addressesIn(unit);
    const primaries = this.#primaries;
    // The primary address may be all that is wished for; an interface for prefixes has one at least.
    const leastBlocks = unit === "address" && primaries > 0 ? 0 : 1;
    const subnetId = this.stock.roomiest({ unit, leastBlocks, ipv6 });
    if (subnetId === undefined || this.slotsPerInterface === 0 || most < primaries) return undefined;
    const wished = Math.max(leastBlocks, Math.ceil((addresses - primaries) / size));
    const possible = Math.min(this.stock.blocks(subnetId, unit, 1), Math.floor((most - primaries) / size));
    const count = Math.min(wished, this.slotsPerInterface, possible);
    return count < leastBlocks ? undefined : this.#made(subnetId, count, size);
  }

  /** Takes a new interface for an IPv6 prefix alone. */
  createForIpv6(): Created | undefined {
    const subnetId = this.stock.roomiest({ unit: "address", leastBlocks: 0, ipv6: true });
    return subnetId === undefined ? undefined : this.#made(subnetId, 0, 1);
  }

  #made(subnetId: string, count: number, size: number): Created | undefined {
    const place = this.places.take();
    if (place === undefined) return undefined;
    const subnetFree = this.stock.free(subnetId);
    this.stock.draw(subnetId, count * size + 1);
    this.#unfilled += this.slotsPerInterface - count;
    return { ...place, subnetId, count, brings: count * size + this.#primaries, subnetFree };
  }

  #slotsOfCarrying(): number {
    const withPrimary = this.carrying.filter(({ removable = false }) => removable).length * this.#primaries;
    return this.carrying.reduce((sum, { slots }) => sum + slots, withPrimary);
  }

  #fillingOrder(left: Opening, right: Opening): number {
    const sameCard = left.card === right.card;
    return (sameCard ? left.freeSlots - right.freeSlots : 0) || this.places.compare(left, right);
  }
}

function keyOf({ card, deviceIndex }: Place): string {
  return `${card}/${deviceIndex}`;
}

function toOpening(of: PlanInterface): Opening {
  const { id, subnetId, slots, slotsTaken, slotsPending } = of;
  return { id, subnetId, slots, ...placeOf(of), freeSlots: Math.max(0, slots - slotsTaken - slotsPending) };
}
