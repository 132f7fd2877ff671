import { ADDRESSES_PER_PREFIX, addressesIn, addressesOf, type SlotUnit } from "./blocks.ts";
import { placeOf } from "./cards.ts";
import type { Demand } from "./demand.ts";
import { holdsIpv6, needsIpv6 } from "./ipv6.ts";
import { sparePrefixAddresses } from "./recovery.ts";
import type { Room } from "./room.ts";
import { sentences } from "./sentences.ts";
import type { FreeBlock, GiveBack, PlanInput, PlanInterface, Step } from "./types.ts";
import { primaryAddresses } from "./watermarks.ts";

/** What a plan gives back. */
export interface GivingBack {
  readonly steps: readonly Step[];
  /** IPv4 addresses that the steps give back. */
  readonly givenBack: number;
  /** What is kept for later, a sentence a line. */
  readonly waits: readonly string[];
}

export const NOTHING_BACK: GivingBack = { steps: [], givenBack: 0, waits: [] };

/**
 * Gives back what lasted beyond the watermarks, never more than is beyond them now: an interface with nothing used goes
 * whole, once it was idle for long enough; else wholly free blocks, of the emptiest interfaces first. Nothing goes back
 * while pods wait or addresses are on their way, and nothing of an interface that a step changes. What may carry no pods
 * and takes the last place goes in any case, also for pods that wait.
 */
export function giveBack(input: PlanInput, demand: Demand, room: Room): GivingBack {
  const { giveBack: allowed, waiting, pending } = input;
  if (allowed === undefined) return NOTHING_BACK;
  const giving = new Giving(input, allowed, demand, room);
  const isStuck = demand.required > 0 && demand.ceiling > 0 && room.freeAddresses === 0 && pending === 0;
  if (isStuck) return giving.clearPlaces();
  return allowed.uselessOnly === true || waiting > 0 || pending > 0 ? NOTHING_BACK : giving.give();
}

class Giving {
  readonly #input: PlanInput;
  readonly #room: Room;
  readonly #giveBack: GiveBack;
  readonly #units: readonly SlotUnit[];
  readonly #steps: Step[] = [];
  readonly #waits: string[] = [];
  readonly #kept = new Set<string>();
  #givenBack = 0;
  /** Addresses that may still go. */
  #left: number;
  /** Of these, how many may be of prefixes. */
  #leftOfPrefixes: number;

  constructor(input: PlanInput, of: GiveBack, { excess, units }: Demand, room: Room) {
    const takesPrefixes = units.includes("prefix");
    this.#input = input;
    this.#room = room;
    this.#giveBack = of;
    // Towards what the node takes: single addresses go first where it takes prefixes, prefixes where it takes none.
    this.#units = takesPrefixes ? ["address", "prefix"] : ["prefix", "address"];
    this.#left = Math.max(0, Math.min(of.count, excess));
    this.#leftOfPrefixes = takesPrefixes ? sparePrefixAddresses(input) : Number.POSITIVE_INFINITY;
  }

  give(): GivingBack {
    const emptiestFirst = this.#input.interfaces
      .filter(({ usable, used }) => !usable || used !== undefined)
      .sort((left, right) => this.#emptiestFirst(left, right));
    for (const one of emptiestFirst) if (this.#isIdle(one)) this.#keepOrRemove(one);
    this.#release(emptiestFirst.filter((one) => one.usable && !isChanging(one) && !this.#kept.has(one.id)));
    return { steps: this.#steps, givenBack: this.#givenBack, waits: this.#waits };
  }

  /** Removes idle interfaces that may carry no pods: no buffer is lost with them, so they need not have been idle for long. */
  clearPlaces(): GivingBack {
    for (const one of this.#input.interfaces) {
      if (one.usable || !this.#isIdle(one) || isChanging(one)) continue;
      const idleMs = this.#input.nowMs - (one.idleSinceMs ?? this.#input.nowMs);
      const reason = sentences.removeInterface({ id: one.id, addresses: 0, usable: false, idleMs });
      this.#steps.push({ kind: "remove-interface", interfaceId: one.id, reason });
    }
    return { steps: this.#steps, givenBack: 0, waits: [] };
  }

  /** Made by enid, nothing used on it, and all of its slots known to hold free blocks. */
  #isIdle(one: PlanInterface): boolean {
    const { removable = false, used, slotsTaken, slotsPending, freeBlocks = [] } = one;
    const keepsIpv6 = needsIpv6(this.#input) && one.usable && holdsIpv6(one);
    const isKnown = slotsPending === 0 && freeBlocks.length >= slotsTaken;
    return removable && used === 0 && isKnown && !keepsIpv6 && !this.#room.isMaking(one);
  }

  /** An idle interface whose addresses may all go is not bled: they go with it, in two calls instead of many. */
  #keepOrRemove(one: PlanInterface): void {
    const { id, usable, freeBlocks = [] } = one;
    const primaries = primaryAddresses(this.#input.limits);
    // Addresses on an interface that may carry no pods are not among those that the watermarks count.
    const addresses = usable ? addressesOf(freeBlocks) + primaries : 0;
    const ofPrefixes = usable ? addressesOf(freeBlocks.filter(isPrefix)) + primaries : 0;
    if (addresses > this.#left || (ofPrefixes > 0 && ofPrefixes > this.#leftOfPrefixes)) return;
    this.#left -= addresses;
    this.#leftOfPrefixes -= ofPrefixes;
    this.#kept.add(id);
    const idleMs = this.#input.nowMs - (one.idleSinceMs ?? this.#input.nowMs);
    const waitMs = this.#giveBack.interfaceIdleMs - idleMs;
    if (isChanging(one) || one.idleSinceMs === undefined || waitMs > 0) {
      const said = { id, addresses, waitMs: isChanging(one) ? undefined : waitMs };
      this.#waits.push(sentences.keptForRemoval(said));
      return;
    }
    const reason = sentences.removeInterface({ id, addresses, usable, idleMs });
    this.#steps.push({ kind: "remove-interface", interfaceId: id, reason });
    this.#givenBack += addresses;
  }

  /** One call for each interface. */
  #release(candidates: readonly PlanInterface[]): void {
    const chosen = new Map<string, readonly FreeBlock[]>();
    const before = this.#left;
    for (const unit of this.#units) {
      for (const one of candidates) {
        const blocks = this.#choose(one, unit);
        if (blocks.length > 0) chosen.set(one.id, [...(chosen.get(one.id) ?? []), ...blocks]);
      }
    }
    for (const { id, used = 0 } of candidates) {
      const blocks = chosen.get(id);
      if (blocks === undefined) continue;
      const prefixes = blocks.filter(isPrefix).length;
      const said = { id, used, prefixes, addresses: blocks.length - prefixes, left: before };
      const reason = sentences.releaseBlocks(said);
      const cidrs = blocks.map(({ cidr }) => cidr);
      this.#steps.push({ kind: "release-blocks", interfaceId: id, cidrs, reason });
      this.#givenBack += addressesOf(blocks);
    }
  }

  #choose({ freeBlocks = [] }: PlanInterface, unit: SlotUnit): readonly FreeBlock[] {
    const may = unit === "prefix" ? Math.min(this.#left, this.#leftOfPrefixes) : this.#left;
    const blocks = freeBlocks.filter((block) => block.unit === unit).slice(0, Math.floor(may / addressesIn(unit)));
    this.#left -= addressesOf(blocks);
    if (unit === "prefix") this.#leftOfPrefixes -= blocks.length * ADDRESSES_PER_PREFIX;
    return blocks;
  }

  #emptiestFirst(left: PlanInterface, right: PlanInterface): number {
    return (left.used ?? 0) - (right.used ?? 0) || this.#room.places.compare(placeOf(right), placeOf(left));
  }
}

function isChanging({ busy = false, slotsPending }: PlanInterface): boolean {
  return busy || slotsPending > 0;
}

function isPrefix({ unit }: FreeBlock): boolean {
  return unit === "prefix";
}
