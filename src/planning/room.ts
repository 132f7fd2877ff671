import type { PlanInput, PlanInterface, PlanSubnet } from "./types.ts";
import { slotsPerInterface } from "./watermarks.ts";

/** EC2's network card that interfaces are attached to unless told otherwise. */
const DEFAULT_CARD = 0;

/** An interface with free slots. */
export interface Opening {
  readonly id: string;
  readonly deviceIndex: number;
  readonly subnetId: string;
  readonly slots: number;
  readonly freeSlots: number;
}

/**
 * What the instance and the subnets can still give, as a working copy that a plan takes from: what one step takes, the
 * next one does not find.
 */
export class Room {
  /** Interfaces that can take addresses now, the fullest first. */
  readonly open: readonly Opening[];
  /** Interfaces being made that will have free slots. */
  readonly making: readonly Opening[];
  /** Pod addresses that the instance can hold, foreign interfaces left out. */
  readonly capacity: number;
  /** Slots that are not taken, whatever the subnets can give. */
  readonly freeSlots: number;
  readonly slotsPerInterface: number;
  readonly #subnetFree: Map<string, number>;
  readonly #takenIndexes: Set<number>;
  readonly #firstIndex: number;
  #creatable: number;

  constructor(input: PlanInput) {
    const { limits, nowMs, subnets, pendingDeviceIndexes } = input;
    const attached = input.interfaces.filter(isOnDefaultCard);
    const pendingIndexes = new Set(pendingDeviceIndexes);
    this.slotsPerInterface = slotsPerInterface(limits);
    this.#firstIndex = limits.firstInterfaceIndex;
    this.#takenIndexes = new Set([...attached.map(({ deviceIndex }) => deviceIndex), ...pendingIndexes]);
    this.#subnetFree = new Map(subnets.map((subnet) => [subnet.id, freeNow(subnet, nowMs)]));

    // Places below the first index stay what they are, free or not: pods get the places from there on.
    const placesTaken = [...this.#takenIndexes].filter((index) => index >= limits.firstInterfaceIndex).length;
    this.#creatable = Math.max(0, limits.maxInterfaces - limits.firstInterfaceIndex - placesTaken);

    const carrying = attached.filter((one) => this.#carriesPods(one, subnets));
    const openings = carrying.map(toOpening).filter(({ freeSlots }) => freeSlots > 0);
    this.open = openings.filter(({ deviceIndex }) => !pendingIndexes.has(deviceIndex)).sort(fullestFirst);
    this.making = openings.filter(({ deviceIndex }) => pendingIndexes.has(deviceIndex));

    const known = new Set(attached.map(({ deviceIndex }) => deviceIndex));
    const unknownMaking = [...pendingIndexes].filter((index) => !known.has(index)).length;
    const creatableSlots = this.#creatable * this.slotsPerInterface;
    this.freeSlots = openings.reduce((sum, { freeSlots }) => sum + freeSlots, creatableSlots);
    this.capacity =
      carrying.reduce((sum, { slots }) => sum + slots, creatableSlots) + unknownMaking * this.slotsPerInterface;
  }

  /** Takes up to `wanted` addresses of the opening's subnet; answers how many it got. */
  take(opening: Opening, wanted: number): number {
    const free = this.subnetFree(opening.subnetId);
    const count = Math.min(wanted, opening.freeSlots, free);
    this.#subnetFree.set(opening.subnetId, free - count);
    return count;
  }

  /** Takes a new interface with up to `wanted` addresses, in the subnet with the most free ones. */
  create(wanted: number): { subnetId: string; deviceIndex: number; count: number } | undefined {
    const [subnetId, free] = this.#roomiestSubnet();
    // The primary address of an interface comes from the subnet too, and is for no pod.
    const count = Math.min(wanted, this.slotsPerInterface, free - 1);
    if (this.#creatable === 0 || count <= 0) return undefined;
    let deviceIndex = this.#firstIndex;
    while (this.#takenIndexes.has(deviceIndex)) deviceIndex++;
    this.#takenIndexes.add(deviceIndex);
    this.#creatable--;
    this.#subnetFree.set(subnetId, free - count - 1);
    return { subnetId, deviceIndex, count };
  }

  /** Free addresses that a step may ask for now. */
  subnetFree(subnetId: string): number {
    return this.#subnetFree.get(subnetId) ?? 0;
  }

  #roomiestSubnet(): [string, number] {
    let roomiest: [string, number] = ["", 0];
    for (const entry of this.#subnetFree) if (entry[1] > roomiest[1]) roomiest = entry;
    return roomiest;
  }

  /** Without any allowed subnet, what an interface could carry is reported, though nothing can be added to it. */
  #carriesPods({ usable, deviceIndex, subnetId }: PlanInterface, subnets: readonly PlanSubnet[]): boolean {
    const allowed = subnets.length === 0 || this.#subnetFree.has(subnetId);
    return usable && deviceIndex >= this.#firstIndex && allowed;
  }
}

function isOnDefaultCard({ networkCard = DEFAULT_CARD }: PlanInterface): boolean {
  return networkCard === DEFAULT_CARD;
}

function freeNow({ freeAddresses, blockedUntilMs }: PlanSubnet, nowMs: number): number {
  return isHeldBack(blockedUntilMs, nowMs) ? 0 : Math.max(0, freeAddresses);
}

/** Is growth held back until a time that has not come yet? */
export function isHeldBack(untilMs: number | undefined, nowMs: number): boolean {
  return untilMs !== undefined && untilMs > nowMs;
}

function toOpening({ id, deviceIndex, subnetId, slots, slotsTaken, slotsPending }: PlanInterface): Opening {
  return { id, deviceIndex, subnetId, slots, freeSlots: Math.max(0, slots - slotsTaken - slotsPending) };
}

function fullestFirst(left: Opening, right: Opening): number {
  return left.freeSlots - right.freeSlots || left.deviceIndex - right.deviceIndex;
}
