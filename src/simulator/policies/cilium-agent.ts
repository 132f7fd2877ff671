/**
 * The Cilium agent of one node, as far as addresses go.
 * Source: cilium/cilium, pkg/ipam/crd.go: it blocks at its start until the CiliumNode shows min-allocate addresses; ADD
 * takes a free address of the pool or fails at once (the runtime tries again); what is used goes into status.ipam.used at
 * most every 15 s; addresses do not rest after their pod; leases come back with the endpoints after a restart.
 * An address on a new interface is usable once the interface is attached, which the agent looks for each 500 ms
 * (an assumption: the source listens to the kernel).
 */
import { sleep } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import type { AddAnswer, AddRequest } from "../../handoff/cni/port.ts";
import type { Attachment, Lease } from "../../pool/index.ts";
import { ProcessClock } from "../engine/index.ts";
import type { SimulatedCloud } from "../index.ts";
import type { Agent, NodeContext } from "../scenario/index.ts";
import type { NodeReader, PublishedPool } from "./cilium-node.ts";
import type { CiliumOperator } from "./cilium-operator.ts";
import { type Leases, PeerPool } from "./peer-pool.ts";
import { addressesToBeReady, peerSettings } from "./peer-settings.ts";
import { Readiness } from "./readiness.ts";

const USED_UPDATE_MS = 15_000;
const DEVICE_LOOK_MS = 500;

export class CiliumAgent implements Agent, NodeReader {
  readonly #cloud: SimulatedCloud;
  readonly #operator: CiliumOperator;
  readonly #node: NodeContext;
  readonly #clock: ProcessClock;
  readonly #pool: PeerPool;
  readonly #readiness: Readiness;
  /** Pods whose ADD failed for want of an address. */
  readonly #pending = new Set<string>();
  readonly #attached = new Set<string>();
  #pools: PublishedPool = [];
  #isCut = false;
  #isLooking = false;
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  #willReport = false;

  constructor(cloud: SimulatedCloud, operator: CiliumOperator, node: NodeContext, leases: Leases) {
    this.#cloud = cloud;
    this.#operator = operator;
    this.#node = node;
    this.#clock = new ProcessClock(node.clock);
    this.#pool = new PeerPool(leases, 0);
    this.#readiness = new Readiness(addressesToBeReady(peerSettings(node)));
    operator.announce(node, this);
    this.#report();
  }

  add({ attachment, pod }: AddRequest): Promise<AddAnswer> {
    const name = `${pod.namespace}/${pod.name}`;
    const starting = this.notReady();
    const lease = starting === undefined ? this.#pool.lease(attachment, pod, this.#clock.nowMs()) : undefined;
    if (lease !== undefined) {
      this.#pending.delete(name);
      this.#report();
      return Promise.resolve({ address: lease.address });
    }
    this.#pending.add(name);
    return Promise.reject(
      starting ?? new EnidError("ENID_NO_ADDRESS", { pod: name, waitedMs: 0, reason: "no more addresses in the pool" }),
    );
  }

  remove(attachment: Attachment, pod?: { readonly namespace: string; readonly name: string }): Promise<void> {
    const known = this.#pool.lookup(attachment)?.pod ?? pod;
    if (known !== undefined) this.#pending.delete(`${known.namespace}/${known.name}`);
    if (this.#pool.release(attachment, this.#clock.nowMs())) this.#report();
    return Promise.resolve();
  }

  lookup(attachment: Attachment): Lease | undefined {
    return this.#pool.lookup(attachment);
  }

  notReady(): EnidError | undefined {
    return this.#readiness.notReady(this.#pool.total, undefined);
  }

  idleAddresses(): number {
    return this.#pool.total - this.#pool.used;
  }

  cut(): void {
    this.#isCut = true;
    this.#clock.cut();
  }

  receive(pools: PublishedPool): void {
    if (this.#isCut) return;
    this.#pools = pools;
    if (!this.#isLooking) void this.#takeOver();
  }

  pendingPods(): number {
    return this.#pending.size;
  }

  /** Addresses of attached interfaces join the pool; the others as soon as theirs is attached. */
  async #takeOver(): Promise<void> {
    this.#isLooking = true;
    while (!this.#takeAttached()) await sleep(this.#clock, DEVICE_LOOK_MS);
    this.#isLooking = false;
  }

  /** False while an interface is missing. */
  #takeAttached(): boolean {
    if (this.#pools.some(({ interfaceId }) => !this.#attached.has(interfaceId))) {
      for (const { id, attachment } of this.#cloud.interfacesOf(this.#node.instanceId)) {
        if (attachment?.status === "attached") this.#attached.add(id);
      }
    }
    for (const { interfaceId, addresses } of this.#pools) {
      if (!this.#attached.has(interfaceId)) continue;
      for (const address of addresses) this.#pool.add(interfaceId, address);
    }
    return this.#pools.every(({ interfaceId }) => this.#attached.has(interfaceId));
  }

  /** At once, or 15 s after the one before. */
  #report(): void {
    if (this.#willReport) return;
    this.#willReport = true;
    const delayMs = Math.max(0, this.#reportedAtMs + USED_UPDATE_MS - this.#clock.monotonicMs());
    this.#clock.after(delayMs, () => {
      this.#willReport = false;
      this.#reportedAtMs = this.#clock.monotonicMs();
      this.#operator.reportUsed(this.#node, this.#pool.used);
    });
  }
}
