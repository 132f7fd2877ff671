import { addressesIn, type SlotUnit } from "./blocks.ts";
import type { Demand } from "./demand.ts";
import type { Ipv6Need } from "./ipv6.ts";
import type { Created, Room } from "./room.ts";
import { sentences } from "./sentences.ts";
import type { CreateInterfaceStep, Step } from "./types.ts";

/** How a plan meets a demand. */
export interface Growth {
  readonly steps: readonly Step[];
  /** IPv4 addresses that the steps bring. */
  readonly planned: number;
  /** Of what is wanted, what is left to interfaces that are being made. */
  readonly deferred: number;
  /** Prefixes are asked for, or waited for, in the stead of free single addresses. */
  readonly recovers: boolean;
  /** An IPv6 prefix was to come with a new interface, and none could be made. */
  readonly ipv6Missing: boolean;
}

export const NO_GROWTH: Growth = { steps: [], planned: 0, deferred: 0, recovers: false, ipv6Missing: false };

/**
 * Takes the demand off the room: whole prefixes first where they may be, then single addresses. Of each, interfaces that
 * exist are filled before one is created, each by one call for all it can take.
 */
export function grow(demand: Demand, wanted: number, room: Room, ipv6: Ipv6Need): Growth {
  return new Growing(demand, wanted, room, ipv6).grow();
}

class Growing {
  readonly #demand: Demand;
  readonly #wanted: number;
  readonly #room: Room;
  readonly #steps: Step[] = [];
  #ipv6: Ipv6Need["kind"];
  #planned = 0;
  #deferred = 0;
  /** Of what is deferred, what is wanted whatever recovery asks for. */
  #deferredWanted = 0;
  #recovers = false;
  /** What the unit at hand must bring at least, and what it may take in calls that are made anyway. */
  #least = 0;
  #target = 0;

  constructor(demand: Demand, wanted: number, room: Room, ipv6: Ipv6Need) {
    this.#demand = demand;
    this.#wanted = wanted;
    this.#room = room;
    this.#ipv6 = ipv6.kind;
    if (ipv6.kind === "add") this.#steps.push(addIpv6(ipv6));
  }

  grow(): Growth {
    const { recovery, units } = this.#demand;
    const leastWanted = this.#leastWanted;
    for (const unit of units) {
      this.#least = unit === "prefix" ? Math.max(leastWanted, recovery) : leastWanted;
      this.#target = unit === "prefix" ? Math.max(this.#wanted, recovery) : this.#wanted;
      this.#fillOpen(unit);
      this.#leaveToMaking(unit);
      this.#createNew(unit);
      if (unit === "prefix") this.#recovers = recovery > leastWanted && this.#got > 0;
    }
    if (this.#ipv6 === "create") this.#add(this.#room.createForIpv6(), "address", 0);
    return {
      steps: this.#steps,
      planned: this.#planned,
      deferred: this.#deferredWanted,
      recovers: this.#recovers,
      ipv6Missing: this.#ipv6 === "create",
    };
  }

  get #leastWanted(): number {
    return Math.min(this.#demand.required, this.#wanted);
  }

  get #got(): number {
    return this.#planned + this.#deferred;
  }

  get #missing(): number {
    return this.#least - this.#got;
  }

  get #open(): number {
    return this.#target - this.#got;
  }

  /** What max-allocate still allows. */
  get #most(): number {
    return this.#demand.ceiling - this.#got;
  }

  #fillOpen(unit: SlotUnit): void {
    for (const opening of this.#room.open) {
      if (this.#missing <= 0) break;
      const { id, slots, subnetId, freeSlots } = opening;
      const subnetFree = this.#room.stock.free(subnetId);
      const open = this.#open;
      const count = this.#room.take(opening, unit, open, this.#most);
      if (count === 0) continue;
      const reason = sentences.addBlocks({ unit, count, open, id, slots, freeSlots, subnetId, subnetFree });
      this.#steps.push({ kind: "add-blocks", interfaceId: id, subnetId, count, ...unitOf(unit), reason });
      this.#planned += count * addressesIn(unit);
    }
  }

  #leaveToMaking(unit: SlotUnit): void {
    for (const opening of this.#room.making) {
      const missing = Math.max(0, this.#missing);
      const count = this.#room.take(opening, unit, missing, this.#most);
      const comes = Math.min(missing, count * addressesIn(unit));
      this.#deferredWanted += Math.min(comes, Math.max(0, this.#leastWanted - this.#got));
      this.#deferred += comes;
    }
  }

  #createNew(unit: SlotUnit): void {
    while (this.#missing > 0) {
      const open = this.#open;
      const wish = { unit, addresses: open, most: this.#most };
      const isDue = this.#ipv6 === "create";
      const withIpv6 = isDue ? this.#room.create({ ...wish, ipv6: true }) : undefined;
      // One place is kept for the interface with the IPv6 prefix.
      const isPlaceFree = this.#room.places.free > (isDue ? 1 : 0);
      const made = withIpv6 ?? (isPlaceFree ? this.#room.create({ ...wish, ipv6: false }) : undefined);
      if (made === undefined) break;
      this.#add(made, unit, open, withIpv6 !== undefined);
    }
  }

  #add(made: Created | undefined, unit: SlotUnit, open: number, ipv6 = true): void {
    if (made === undefined) return;
    const { subnetId, deviceIndex, card, count, brings } = made;
    const said = { ...made, unit, open, slots: this.#room.slotsPerInterface, ipv6 };
    const step: CreateInterfaceStep = {
      kind: "create-interface",
      subnetId,
      deviceIndex,
      ...(card === 0 ? {} : { networkCard: card }),
      count,
      ...(unit === "prefix" ? { unit } : {}),
      ...(ipv6 ? { ipv6Prefixes: 1 } : {}),
      reason: sentences.createInterface(said),
    };
    this.#steps.push(step);
    this.#planned += brings;
    if (ipv6) this.#ipv6 = "held";
  }
}

function addIpv6({ interfaceId, subnetId }: Extract<Ipv6Need, { kind: "add" }>): Step {
  const reason = sentences.addIpv6({ interfaceId, subnetId });
  return { kind: "add-blocks", interfaceId, subnetId, count: 1, unit: "ipv6-prefix", reason };
}

/** Single addresses are what a step is about unless it says otherwise. */
function unitOf(unit: SlotUnit): { readonly unit?: "prefix" } {
  return unit === "prefix" ? { unit } : {};
}
