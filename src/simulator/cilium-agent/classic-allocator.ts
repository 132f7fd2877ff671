import { type Allocator, type AllocatorOptions, mapPatch, noAddress, pick } from "./allocator.ts";
import { KEPT, MARKED, type NodeView, type PoolEntry, READY, RELEASED } from "./node-view.ts";

export interface ClassicOptions extends AllocatorOptions {
  readonly dialect: "crd" | "eni-classic";
  readonly answersWhileRestoring: boolean;
}

/** Of a router and a health endpoint. */
const LEAST_ADDRESSES = 2;

/**
 * Dialects crd and eni-classic: pods get what `spec.ipam.pool` has; `status.ipam.used` says what they have; addresses go
 * back by the handshake in `status.ipam.release-ips`. Source: cilium/cilium 1.17 to 1.19, pkg/ipam/crd.go.
 */
export class ClassicAllocator implements Allocator {
  readonly #options: ClassicOptions;
  readonly #taken = new Map<string, PoolEntry>();
  #node: NodeView | undefined;
  /** `release-ips` with this agent's answers. */
  #states = new Map<string, string>();
  #isRestored = false;

  constructor(options: ClassicOptions) {
    this.#options = options;
  }

  accept(node: NodeView | undefined): boolean {
    this.#node = node;
    this.#states = new Map(node?.releaseIps);
    this.#watchWithdrawals();
    return this.#answer();
  }

  hasMinimum(): boolean {
    const node = this.#node;
    if (node?.pool === undefined) return false;
    const hasVpc = node.interfaces.some(({ vpcPrimaryCidr }) => vpcPrimaryCidr !== "");
    if (this.#options.dialect === "eni-classic" && !hasVpc) return false;
    return node.pool.size >= (node.minAllocate || node.preAllocate || LEAST_ADDRESSES);
  }

  next(owner: string): string {
    const { random, dialect, record, isHeld } = this.#options;
    const pool = this.#node?.pool;
    if (this.#node === undefined) throw noAddress(owner, "the CiliumNode is not there");
    if (pool === undefined) throw noAddress(owner, "the CiliumNode has no pool");
    const all = [...pool].filter(([address]) => !address.includes(":"));
    const pinned = dialect === "crd" ? all.find(([, entry]) => entry.owner === owner) : undefined;
    if (pinned !== undefined) {
      const [address] = pinned;
      if (this.#isLeaving(address)) throw noAddress(owner, `its address ${address} is being given back`);
      if (this.#taken.has(address) || isHeld(address)) {
        // The agent does not look, and gives it twice.
        record.breach("pinned-address-in-use", address, this.#taken.get(address)?.owner ?? "");
        throw noAddress(owner, `its address ${address} is in use`);
      }
      return this.#take(address, owner);
    }
    const free = this.#free(all);
    const address = pick(random, free);
    if (address === undefined) throw noAddress(owner, "no more addresses in the pool");
    return this.#take(address, owner);
  }

  restore(address: string, owner: string): void {
    if (this.#node?.pool?.has(address) === true) this.#take(address, owner);
    else this.#options.record.breach("restored-outside-pool", address, owner);
    if (this.#states.get(address) === RELEASED) {
      this.#options.record.breach("used-address-released", address, owner);
    }
  }

  restored(): boolean {
    this.#isRestored = true;
    this.#answer();
    return true;
  }

  free(address: string): void {
    this.#taken.delete(address);
  }

  inUse(): ReadonlyMap<string, string> {
    return new Map([...this.#taken].map(([address, { owner }]) => [address, owner]));
  }

  freeCount(): number {
    return this.#free([...(this.#node?.pool ?? [])]).length;
  }

  dueWrites(): ReturnType<Allocator["dueWrites"]> {
    const node = this.#node;
    if (node === undefined) return undefined;
    const { resourceVersion } = node;
    const used = mapPatch(node.used, this.#taken, written);
    const states = mapPatch(node.releaseIps, this.#states, (state) => state);
    if (used === undefined && states === undefined) return { resourceVersion, writes: [] };
    const ipam = {
      ...(used === undefined ? {} : { used }),
      ...(states === undefined ? {} : { "release-ips": states }),
    };
    const what = `${this.#taken.size} used${states === undefined ? "" : ", answers"}`;
    return { resourceVersion, writes: [{ subresource: "status", patch: { status: { ipam } }, what }] };
  }

  written(): void {}

  #take(address: string, owner: string): string {
    const resource = this.#node?.pool?.get(address)?.resource ?? "";
    this.#taken.set(address, { owner, resource });
    return address;
  }

  #free(all: readonly (readonly [string, PoolEntry])[]): readonly string[] {
    const { isHeld } = this.#options;
    return all
      .filter(([address, { owner }]) => owner === "" && !this.#taken.has(address) && !isHeld(address))
      .map(([address]) => address)
      .filter((address) => !this.#isLeaving(address));
  }

  #isLeaving(address: string): boolean {
    const state = this.#states.get(address);
    return state === MARKED || state === READY || state === RELEASED;
  }

  /** True: there is an answer that the CiliumNode lacks. */
  #answer(): boolean {
    const node = this.#node;
    const pool = node?.pool;
    if (node === undefined || pool === undefined) return false;
    const mayKeepOrGive = this.#isRestored || this.#options.answersWhileRestoring;
    let answered = false;
    for (const [address, state] of node.releaseIps) {
      if (state === RELEASED && !pool.has(address)) {
        this.#states.delete(address);
        answered = true;
      } else if (state === MARKED && mayKeepOrGive) {
        this.#states.set(address, pool.has(address) && !this.#taken.has(address) ? READY : KEPT);
        answered = true;
      }
    }
    return answered;
  }

  #watchWithdrawals(): void {
    const { record } = this.#options;
    // A CiliumNode that was deleted withdraws nothing: whoever serves the node makes it anew.
    if (this.#node === undefined) return;
    for (const [address, { owner }] of this.#taken) {
      if (this.#node.pool?.has(address) !== true) record.breach("used-address-withdrawn", address, owner);
      if (this.#states.get(address) === RELEASED) record.breach("used-address-released", address, owner);
    }
  }
}

function written({ owner, resource }: PoolEntry): Readonly<Record<string, string>> {
  return { ...(owner === "" ? {} : { owner }), ...(resource === "" ? {} : { resource }) };
}
