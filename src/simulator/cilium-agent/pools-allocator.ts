import type { Clock } from "../../adapters/index.ts";
import { type Allocator, type AllocatorOptions, type DueWrite, noAddress, shuffled } from "./allocator.ts";
import { CidrPool, contains } from "./cidr-pool.ts";
import { isExcluded, type NodeView, type PoolAllocation, type PoolRequest } from "./node-view.ts";

export interface PoolsOptions extends AllocatorOptions {
  readonly clock: Clock;
  readonly reclaims: boolean;
}

const DEFAULT_POOL = "default";
/** Of the agent, while the CiliumNode says nothing. */
const DEFAULT_PRE_ALLOCATE = 8;
/** A pod that got none and does not come again counts no longer. */
const PENDING_MS = 5 * 60_000;
/** An address in use may be withdrawn for so long, by mistake. */
const WITHDRAWN_MS = 60_000;
/** What an older agent said. */
const CLEAR_USED: DueWrite = {
  subresource: "status",
  patch: { status: { ipam: { used: null } } },
  what: "clears used",
};

/**
 * Dialect eni-1.20: the agent takes what `status.eni.enis` has into `spec.ipam.pools.allocated`, of which it is the only
 * writer, and says in `requested` how many addresses it needs. Source: cilium/cilium main, pkg/ipam/multipool_manager.go and
 * eni.go: needed = used + pods that got none + pre-allocate, not rounded in this dialect; CIDRs are let go with a write,
 * once all endpoints are restored; `used` of an older agent is cleared after the first write.
 */
export class PoolsAllocator implements Allocator {
  readonly #options: PoolsOptions;
  readonly #pool = new CidrPool();
  readonly #owners = new Map<string, string>();
  /** Until when they count, monotonic ms, by owner. */
  readonly #pending = new Map<string, number>();
  #node: NodeView | undefined;
  #preAllocate = DEFAULT_PRE_ALLOCATE;
  #hasPool = false;
  /** In use and not offered, by the newest version; and since when, monotonic ms. */
  #withdrawn: readonly string[] = [];
  readonly #withdrawnAtMs = new Map<string, number>();
  #isRestored = false;
  #hasWritten = false;

  constructor(options: PoolsOptions) {
    this.#options = options;
  }

  accept(node: NodeView | undefined): boolean {
    // Of a CiliumNode that was deleted the last version goes on.
    if (node === undefined) return false;
    const isFirst = this.#node === undefined;
    this.#node = node;
    if (node.preAllocate > 0) this.#preAllocate = node.preAllocate;
    const offered = this.#offered(node);
    if (offered !== undefined) {
      this.#hasPool = true;
      this.#withdrawn = this.#pool.update(offered.filter((cidr) => !cidr.includes(":")));
    }
    this.#watchWithdrawals();
    return isFirst;
  }

  hasMinimum(): boolean {
    const node = this.#node;
    if (node === undefined || !this.#hasWritten) return false;
    return node.interfaces.some(({ vpcPrimaryCidr }) => vpcPrimaryCidr !== "") && this.#pool.freeCount > 0;
  }

  next(owner: string): string {
    const { random, clock, isHeld } = this.#options;
    const address = this.#pool.takeNext(random, isHeld);
    if (address === undefined) {
      this.#pending.set(owner, clock.monotonicMs() + PENDING_MS);
      throw noAddress(owner, "all CIDR ranges are exhausted");
    }
    this.#pending.delete(owner);
    this.#owners.set(address, owner);
    return address;
  }

  restore(address: string, owner: string): void {
    if (this.#pool.take(address)) this.#owners.set(address, owner);
    else this.#options.record.breach("restored-outside-pool", address, owner);
  }

  restored(): boolean {
    this.#isRestored = true;
    // The next write is that of the timer, unless a pod comes or goes before.
    return false;
  }

  free(address: string): void {
    this.#pool.give(address);
    this.#owners.delete(address);
  }

  inUse(): ReadonlyMap<string, string> {
    return new Map(this.#owners);
  }

  freeCount(): number {
    return this.#pool.freeCount;
  }

  dueWrites(): ReturnType<Allocator["dueWrites"]> {
    const node = this.#node;
    this.#watchWithdrawals();
    if (node === undefined) return undefined;
    const requested = this.#requested();
    if (this.#isRestored) {
      const needed = requested[0]?.ipv4Addresses ?? 0;
      this.#pool.settle(Math.max(0, needed - this.#pool.usedCount), this.#options.reclaims);
    }
    const cidrs = [...this.#pool.cidrs].sort();
    const held: readonly PoolAllocation[] = cidrs.length === 0 ? [] : [{ pool: DEFAULT_POOL, cidrs }];
    // Before it knows any CIDR of its own, it leaves alone what the process before it wrote.
    const allocated = this.#hasPool ? held : node.allocated;
    const isSaid = areSame(requested, node.requested) && areSame(allocated, node.allocated);
    const writes = [
      ...(isSaid ? [] : [specWrite(requested, allocated)]),
      ...(node.used.size === 0 ? [] : [CLEAR_USED]),
    ];
    return { resourceVersion: node.resourceVersion, writes };
  }

  written(): void {
    this.#hasWritten = true;
  }

  /**
   * The agent may take again what it let go in the moment in which it is withdrawn. It says so with its next write, and then
   * it must be offered again.
   */
  #watchWithdrawals(): void {
    const { clock, record } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const address of [...this.#withdrawnAtMs.keys()]) {
      if (!this.#withdrawn.includes(address) || !this.#owners.has(address)) this.#withdrawnAtMs.delete(address);
    }
    for (const address of this.#withdrawn) {
      const owner = this.#owners.get(address);
      if (owner === undefined) continue;
      const sinceMs = this.#withdrawnAtMs.get(address) ?? nowMs;
      this.#withdrawnAtMs.set(address, sinceMs);
      if (nowMs - sinceMs >= WITHDRAWN_MS) record.breach("used-address-withdrawn", address, owner);
    }
  }

  #requested(): readonly PoolRequest[] {
    const { clock } = this.#options;
    for (const [owner, untilMs] of [...this.#pending]) {
      if (clock.monotonicMs() > untilMs) this.#pending.delete(owner);
    }
    const ipv4Addresses = this.#pool.usedCount + this.#pending.size + this.#preAllocate;
    return ipv4Addresses === 0 ? [] : [{ pool: DEFAULT_POOL, ipv4Addresses }];
  }

  /** Undefined: nothing is said, and what was taken stays. */
  #offered(node: NodeView): readonly string[] | undefined {
    const { random } = this.#options;
    const usable = shuffled(
      random,
      node.interfaces.filter((one) => !isExcluded(one, node)),
    );
    const cidrs = usable.flatMap(({ addresses, prefixes }) => [
      ...prefixes,
      ...addresses.filter((address) => !prefixes.some((prefix) => contains(prefix, address))).map((one) => `${one}/32`),
    ]);
    if (cidrs.length > 0) return cidrs;
    return node.allocated.find(({ pool }) => pool === DEFAULT_POOL)?.cidrs;
  }
}

function specWrite(requested: readonly PoolRequest[], allocated: readonly PoolAllocation[]): DueWrite {
  const pools = {
    requested:
      requested.length === 0
        ? null
        : requested.map(({ pool, ipv4Addresses }) => ({ pool, needed: { "ipv4-addrs": ipv4Addresses } })),
    allocated: allocated.length === 0 ? null : allocated,
  };
  const count = allocated.reduce((sum, { cidrs }) => sum + cidrs.length, 0);
  return {
    subresource: undefined,
    patch: { spec: { ipam: { pools } } },
    what: `needs ${requested[0]?.ipv4Addresses ?? 0}, holds ${count} CIDRs`,
  };
}

function areSame<Item>(one: readonly Item[], other: readonly Item[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
