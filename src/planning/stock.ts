import { addressesIn, type SlotUnit } from "./blocks.ts";
import type { PlanSubnet } from "./types.ts";

/** What a new interface asks of its subnet. */
export interface Ask {
  readonly unit: SlotUnit;
  /** Blocks that it must have at least. */
  readonly leastBlocks: number;
  readonly ipv6: boolean;
}

/** Addresses of the allowed subnets, as a working copy that a plan takes from. */
export class Stock {
  readonly #free: Map<string, number>;
  readonly #subnets: Map<string, PlanSubnet>;
  readonly #nowMs: number;

  constructor(subnets: readonly PlanSubnet[], nowMs: number) {
    this.#nowMs = nowMs;
    this.#subnets = new Map(subnets.map((subnet) => [subnet.id, subnet]));
    this.#free = new Map(subnets.map((subnet) => [subnet.id, freeNow(subnet, nowMs)]));
  }

  allows(id: string): boolean {
    return this.#subnets.has(id);
  }

  /** Free addresses that a step may ask for now; none while growth in the subnet is held back. */
  free(id: string): number {
    return this.#free.get(id) ?? 0;
  }

  /** Blocks that the subnet can give besides `others` single addresses, as far as its free count can tell. */
  blocks(id: string, unit: SlotUnit, others = 0): number {
    const held = unit === "prefix" && isHeldBack(this.#subnets.get(id)?.prefixesBlockedUntilMs, this.#nowMs);
    return held ? 0 : Math.max(0, Math.floor((this.free(id) - others) / addressesIn(unit)));
  }

  hasIpv6(id: string): boolean {
    return this.#subnets.get(id)?.ipv6 === true;
  }

  /** Is growth in the subnet held back? IPv6 prefixes then wait too. */
  isHeldBack(id: string): boolean {
    return isHeldBack(this.#subnets.get(id)?.blockedUntilMs, this.#nowMs);
  }

  draw(id: string, addresses: number): void {
    this.#free.set(id, this.free(id) - addresses);
  }

  /** The subnet with the most free addresses of those that can give what a new interface asks for. */
  roomiest({ unit, leastBlocks, ipv6 }: Ask): string | undefined {
    let roomiest: [string | undefined, number] = [undefined, 0];
    for (const [id, free] of this.#free) {
      // The primary address of an interface comes from the subnet too.
      const gives = this.blocks(id, unit, 1) >= leastBlocks && (!ipv6 || this.hasIpv6(id));
      if (gives && free > roomiest[1]) roomiest = [id, free];
    }
    return roomiest[0];
  }
}

/** Is growth held back until a time that has not come yet? */
export function isHeldBack(untilMs: number | undefined, nowMs: number): boolean {
  return untilMs !== undefined && untilMs > nowMs;
}

function freeNow({ freeAddresses, blockedUntilMs }: PlanSubnet, nowMs: number): number {
  return isHeldBack(blockedUntilMs, nowMs) ? 0 : Math.max(0, freeAddresses);
}
