import ipaddr from "ipaddr.js";
import type { Random } from "../../adapters/index.ts";
import { pick } from "./allocator.ts";

interface Range {
  readonly cidr: string;
  readonly addresses: readonly string[];
  readonly used: Set<string>;
  /** It is offered no more while a pod has an address of it. */
  isRemoved: boolean;
}

/**
 * The CIDRs that the agent of dialect eni-1.20 has taken, in order, and what it has given of them.
 * Source: cilium/cilium main, pkg/ipam/pool.go: pods get an address of the first CIDR that has a free one; a CIDR that is free
 * as a whole is let go when enough free addresses stay, the last one first; one that was let go and is offered still is
 * taken again when it is needed; one that is offered no more gives no further address and is kept until it is free.
 */
export class CidrPool {
  #ranges: readonly Range[] = [];
  readonly #letGo = new Map<string, Range>();

  /** In the order in which they came. */
  get cidrs(): readonly string[] {
    return this.#ranges.map(({ cidr }) => cidr);
  }

  get usedCount(): number {
    return this.#ranges.reduce((sum, { used }) => sum + used.size, 0);
  }

  /** Addresses that a pod could get. */
  get freeCount(): number {
    return this.#ranges.reduce((sum, range) => sum + freeOf(range), 0);
  }

  /** What is offered now; IPv4 only. Answers addresses in use that it no longer holds. */
  update(offered: readonly string[]): readonly string[] {
    const there = new Set(offered);
    for (const cidr of [...this.#letGo.keys()]) if (!there.has(cidr)) this.#letGo.delete(cidr);
    const kept = this.#ranges.filter((range) => there.has(range.cidr) || range.used.size > 0);
    for (const range of kept) range.isRemoved = !there.has(range.cidr);
    const known = new Set([...kept.map(({ cidr }) => cidr), ...this.#letGo.keys()]);
    const fresh = [...there].filter((cidr) => !known.has(cidr)).map(newRange);
    this.#ranges = [...kept, ...fresh];
    return this.#ranges.filter(({ isRemoved }) => isRemoved).flatMap(({ used }) => [...used]);
  }

  has(address: string): boolean {
    return this.#rangeOf(address) !== undefined;
  }

  /** Undefined: none is free. */
  takeNext(random: Random, isHeld: (address: string) => boolean): string | undefined {
    for (const range of this.#ranges) {
      if (range.isRemoved) continue;
      const free = range.addresses.filter((address) => !range.used.has(address) && !isHeld(address));
      const address = pick(random, free);
      if (address === undefined) continue;
      range.used.add(address);
      return address;
    }
    return undefined;
  }

  /** False: no CIDR of the pool has it. */
  take(address: string): boolean {
    return this.#rangeOf(address)?.used.add(address) !== undefined;
  }

  give(address: string): void {
    this.#rangeOf(address)?.used.delete(address);
  }

  /** Lets go of what is free as a whole and not needed, and takes again what is. */
  settle(freeNeeded: number, reclaims: boolean): void {
    let free = this.freeCount;
    if (reclaims) {
      for (const cidr of [...this.#letGo.keys()].sort()) {
        if (free >= freeNeeded) break;
        const range = this.#letGo.get(cidr) as Range;
        this.#letGo.delete(cidr);
        this.#ranges = [...this.#ranges, range];
        free += range.addresses.length;
      }
    }
    for (const range of [...this.#ranges].reverse()) {
      if (range.used.size > 0 || free - freeOf(range) < freeNeeded) continue;
      free -= freeOf(range);
      this.#ranges = this.#ranges.filter((other) => other !== range);
      if (!range.isRemoved) this.#letGo.set(range.cidr, range);
    }
  }

  #rangeOf(address: string): Range | undefined {
    return this.#ranges.find(({ addresses }) => addresses.includes(address));
  }
}

function freeOf({ addresses, used, isRemoved }: Range): number {
  return isRemoved ? 0 : addresses.length - used.size;
}

function newRange(cidr: string): Range {
  return { cidr, addresses: expand(cidr), used: new Set(), isRemoved: false };
}

/** All addresses of an IPv4 CIDR: of a delegated prefix the first and the last are pods' too. */
function expand(cidr: string): readonly string[] {
  const [network, length] = ipaddr.IPv4.parseCIDR(cidr);
  const first = network.octets.reduce((sum, octet) => sum * 256 + octet, 0);
  return Array.from({ length: 2 ** (32 - length) }, (_, index) => textOf(first + index));
}

function textOf(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join(".");
}

/** Whether an IPv4 CIDR contains an address. */
export function contains(cidr: string, address: string): boolean {
  return !address.includes(":") && ipaddr.IPv4.parse(address).match(ipaddr.IPv4.parseCIDR(cidr));
}
