import type { Place, PlanInput, PlanInterface, PlanLimits } from "./types.ts";

/** EC2's network card that interfaces are attached to unless told otherwise. */
const DEFAULT_CARD = 0;

/** A network card as far as pods are concerned. */
interface Card {
  readonly card: number;
  /** Device indexes below this one carry no pods, free or not. */
  readonly carriesFrom: number;
  /** The lowest device index that a new interface gets. */
  readonly createsFrom: number;
  /** Interfaces with pods that fit on it. */
  readonly places: number;
}

/** The cards in the order in which they are filled. `first-interface-index` is about the default card. */
export function cardsOf({ cards = [], maxInterfaces, firstInterfaceIndex }: PlanLimits): readonly Card[] {
  const [first, ...others] = cards;
  const places = Math.max(0, maxInterfaces - firstInterfaceIndex);
  return [
    {
      card: first?.card ?? DEFAULT_CARD,
      carriesFrom: firstInterfaceIndex,
      createsFrom: firstInterfaceIndex,
      places,
    },
    // Index 0 of another card may be taken by an interface of the launch (EFA); a new one never asks for it.
    ...others.map((one) => ({ card: one.card, carriesFrom: 0, createsFrom: 1, places: one.maxInterfaces })),
  ];
}

/** The places that steps under way will take. */
export function pendingPlacesOf({ pendingPlaces, pendingDeviceIndexes, limits }: PlanInput): readonly Place[] {
  const card = limits.cards?.[0]?.card ?? DEFAULT_CARD;
  return pendingPlaces ?? pendingDeviceIndexes.map((deviceIndex) => ({ card, deviceIndex }));
}

export function placeOf({ networkCard = DEFAULT_CARD, deviceIndex }: PlanInterface): Place {
  return { card: networkCard, deviceIndex };
}

/** The places of the instance, as a working copy that a plan takes from. */
export class Places {
  readonly #cards: readonly Card[];
  readonly #taken: Map<number, Set<number>>;

  constructor(limits: PlanLimits, taken: readonly Place[]) {
    this.#cards = cardsOf(limits);
    this.#taken = new Map(this.#cards.map(({ card }) => [card, new Set()]));
    for (const { card, deviceIndex } of taken) this.#taken.get(card)?.add(deviceIndex);
  }

  /** Interfaces that can still be made. Places below a card's first index stay what they are. */
  get free(): number {
    return this.#cards.reduce((sum, card) => sum + this.#freeOn(card), 0);
  }

  /** Takes the lowest free place of the first card that has one. */
  take(): Place | undefined {
    const card = this.#cards.find((one) => this.#freeOn(one) > 0);
    if (card === undefined) return undefined;
    const taken = this.#takenOn(card);
    let deviceIndex = card.createsFrom;
    while (taken.has(deviceIndex)) deviceIndex++;
    taken.add(deviceIndex);
    return { card: card.card, deviceIndex };
  }

  has({ card, deviceIndex }: Place): boolean {
    return this.#taken.get(card)?.has(deviceIndex) ?? false;
  }

  /** Does an interface there carry pods, if it may? */
  carries({ card, deviceIndex }: Place): boolean {
    const found = this.#cards.find((one) => one.card === card);
    return found !== undefined && deviceIndex >= found.carriesFrom;
  }

  /** Orders places as they are filled. */
  compare(left: Place, right: Place): number {
    return this.#rank(left) - this.#rank(right) || left.deviceIndex - right.deviceIndex;
  }

  #rank({ card }: Place): number {
    return this.#cards.findIndex((one) => one.card === card);
  }

  #freeOn(card: Card): number {
    const taken = [...this.#takenOn(card)].filter((index) => index >= card.carriesFrom).length;
    return Math.max(0, card.places - taken);
  }

  #takenOn({ card }: Card): Set<number> {
    return this.#taken.get(card) ?? new Set();
  }
}
