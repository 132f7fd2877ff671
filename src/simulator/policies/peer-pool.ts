import type { Attachment, Lease, Pod } from "../../pool/index.ts";
import type { NodeContext } from "../scenario/index.ts";

/** Leases by attachment: what a peer keeps on the disk of its node (checkpoint file, endpoint state). */
export type Leases = Map<string, Lease>;

/** The disks of a fleet. What lies on one outlives the process, but neither a boot of the machine nor the machine. */
export class Disks {
  readonly #disks = new Map<number, { readonly boot: string; readonly leases: Leases }>();

  of({ node, instanceId, bootId }: NodeContext): Leases {
    const boot = `${instanceId} ${bootId}`;
    const known = this.#disks.get(node);
    if (known?.boot === boot) return known.leases;
    const leases: Leases = new Map();
    this.#disks.set(node, { boot, leases });
    return leases;
  }
}

interface Shelf {
  readonly addresses: Set<string>;
  /** Oldest first. */
  readonly free: Set<string>;
  used: number;
  /** Until when the last address given back to it cools. */
  coolUntilMs: number;
}

/** The pod addresses of one node in a peer's memory, by interface. Nothing here depends on how many there are. */
export class PeerPool {
  readonly #leases: Leases;
  readonly #coolingMs: number;
  readonly #shelves = new Map<string, Shelf>();
  readonly #leased = new Map<string, string>();
  readonly #homes = new Map<string, string>();
  #cooling: { readonly address: string; readonly untilMs: number }[] = [];
  #used = 0;

  /** `coolingMs`: how long an address rests after its pod. Addresses of `leases` count as used once they are added. */
  constructor(leases: Leases, coolingMs: number) {
    this.#leases = leases;
    this.#coolingMs = coolingMs;
    for (const [key, { address }] of leases) this.#leased.set(address, key);
  }

  /** Addresses held for pods. */
  get total(): number {
    return this.#homes.size;
  }

  get used(): number {
    return this.#used;
  }

  get interfaceIds(): readonly string[] {
    return [...this.#shelves.keys()];
  }

  has(address: string): boolean {
    return this.#homes.has(address);
  }

  addInterface(interfaceId: string): void {
    if (this.#shelves.has(interfaceId)) return;
    this.#shelves.set(interfaceId, { addresses: new Set(), free: new Set(), used: 0, coolUntilMs: 0 });
  }

  add(interfaceId: string, address: string): void {
    if (this.#homes.has(address)) return;
    this.addInterface(interfaceId);
    const shelf = this.#shelf(interfaceId);
    this.#homes.set(address, interfaceId);
    shelf.addresses.add(address);
    if (this.#leased.has(address)) {
      shelf.used += 1;
      this.#used += 1;
    } else shelf.free.add(address);
  }

  sizeOf(interfaceId: string): number {
    return this.#shelves.get(interfaceId)?.addresses.size ?? 0;
  }

  usedOf(interfaceId: string): number {
    return this.#shelves.get(interfaceId)?.used ?? 0;
  }

  /** Wall ms from which no address of the interface cools. */
  cooledAtMs(interfaceId: string): number {
    return this.#shelves.get(interfaceId)?.coolUntilMs ?? 0;
  }

  /** Up to `count` addresses of the interface that no pod has leave the pool. */
  removeUnused(interfaceId: string, count: number): readonly string[] {
    const shelf = this.#shelf(interfaceId);
    const removed = [...shelf.addresses].filter((address) => !this.#leased.has(address)).slice(0, count);
    for (const address of removed) {
      shelf.addresses.delete(address);
      shelf.free.delete(address);
      this.#homes.delete(address);
    }
    return removed;
  }

  /** Only an interface without pods. */
  removeInterface(interfaceId: string): void {
    this.removeUnused(interfaceId, Number.POSITIVE_INFINITY);
    this.#shelves.delete(interfaceId);
  }

  /** The attachment's address: the one it has or the oldest free one; undefined when there is none. */
  lease(attachment: Attachment, pod: Pod, nowMs: number): Lease | undefined {
    const key = keyOf(attachment);
    const known = this.#leases.get(key);
    if (known !== undefined) return known;
    this.#warm(nowMs);
    for (const shelf of this.#shelves.values()) {
      for (const address of shelf.free) {
        shelf.free.delete(address);
        shelf.used += 1;
        this.#used += 1;
        const lease: Lease = { address, attachment, pod, leasedAtMs: nowMs };
        this.#leases.set(key, lease);
        this.#leased.set(address, key);
        return lease;
      }
    }
    return undefined;
  }

  /** False: the attachment had none. */
  release(attachment: Attachment, nowMs: number): boolean {
    const key = keyOf(attachment);
    const lease = this.#leases.get(key);
    if (lease === undefined) return false;
    this.#leases.delete(key);
    this.#leased.delete(lease.address);
    const home = this.#homes.get(lease.address);
    if (home === undefined) return true;
    const shelf = this.#shelf(home);
    shelf.used -= 1;
    this.#used -= 1;
    if (this.#coolingMs === 0) shelf.free.add(lease.address);
    else {
      shelf.coolUntilMs = nowMs + this.#coolingMs;
      this.#cooling.push({ address: lease.address, untilMs: shelf.coolUntilMs });
    }
    return true;
  }

  lookup(attachment: Attachment): Lease | undefined {
    return this.#leases.get(keyOf(attachment));
  }

  #warm(nowMs: number): void {
    let warmed = 0;
    for (const { address, untilMs } of this.#cooling) {
      if (untilMs > nowMs) break;
      warmed += 1;
      const home = this.#homes.get(address);
      if (home !== undefined && !this.#leased.has(address)) this.#shelf(home).free.add(address);
    }
    if (warmed > 0) this.#cooling = this.#cooling.slice(warmed);
  }

  #shelf(interfaceId: string): Shelf {
    const shelf = this.#shelves.get(interfaceId);
    if (shelf === undefined) throw new RangeError(`no interface ${interfaceId} in the pool`);
    return shelf;
  }
}

function keyOf({ network, containerId, interfaceName }: Attachment): string {
  return `${network} ${containerId} ${interfaceName}`;
}
