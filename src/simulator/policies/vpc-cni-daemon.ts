/**
 * The VPC CNI's daemon (ipamd) of one node.
 * Source: aws/amazon-vpc-cni-k8s at b52188387f2e (August 2026), pkg/ipamd/ipamd.go and pkg/ipamd/datastore:
 * nodeInit (describe, tag, set up each interface with up to 5 more tries 10 s apart, one increase of the pool before it
 * serves), StartNodeIPPoolManager (2.5 s, updateIPPoolIfRequired, 2.5 s, reconcile), increaseDatastorePool (addresses on
 * an interface that has room, else a new interface; one per round), decrease at most each 30 s, interfaces that leave
 * after at least 60 s of life without pods and without cooling addresses, IP_COOLDOWN_PERIOD 30 s, 120 s of silence after
 * an exhausted subnet. Reconciling reads metadata only and finds nothing new here, so it costs nothing and is left out;
 * rounds in which nothing can change are not simulated, the others come at their moments.
 * A failed nodeInit ends the process; the kubelet starts it again after 10 s, 20 s, 40 s ... 300 s (Kubernetes
 * documentation, "Pod lifecycle: container restart policy").
 */
import { type Cancel, sleep } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import type { AddAnswer, AddRequest } from "../../handoff/cni/port.ts";
import type { Attachment, Lease } from "../../pool/index.ts";
import { ProcessClock } from "../engine/index.ts";
import { SimulatedError } from "../index.ts";
import type { Agent, FleetContext, NodeContext } from "../scenario/index.ts";
import { Ec2Client } from "./ec2-client.ts";
import { type Leases, PeerPool } from "./peer-pool.ts";
import { addressesToBeReady, type PeerSettings, peerSettings } from "./peer-settings.ts";
import { Readiness } from "./readiness.ts";
import { VpcCniCloud } from "./vpc-cni-cloud.ts";

/** WARM_ENI_TARGET in interfaces, or WARM_IP_TARGET in addresses (which then decides alone). */
export type WarmTarget = { readonly interfaces: number } | { readonly addresses: number };

const ROUND_MS = 5_000;
const SETUP_TRIES = 6;
const SETUP_PAUSE_MS = 10_000;
const COOLING_MS = 30_000;
const DECREASE_MS = 30_000;
const LEAST_LIFE_MS = 60_000;
const EXHAUSTED_MS = 120_000;
const CRASH_FIRST_MS = 10_000;
const CRASH_MOST_MS = 300_000;
const SWEEP_MS = 3_600_000;
const SWEEP_SPREAD_MS = 300_000;
/** What the EKS calculator of max pods allows at most on a machine of up to 30 vCPU. */
const MAX_PODS = 110;

const EXHAUSTED: ReadonlySet<string> = new Set(["InsufficientCidrBlocks", "InsufficientFreeAddressesInSubnet"]);

export class VpcCniDaemon implements Agent {
  readonly #world: FleetContext;
  readonly #node: NodeContext;
  readonly #clock: ProcessClock;
  readonly #settings: PeerSettings;
  readonly #warm: WarmTarget;
  readonly #leases: Leases;
  readonly #maxPods: number;
  readonly #readiness: Readiness;
  #cloud: VpcCniCloud;
  #pool: PeerPool;
  #primaryId = "";
  readonly #bornAtMs = new Map<string, number>();
  #isServing = false;
  #isBusy = false;
  #baseMs = 0;
  #lastDecreaseMs = Number.NEGATIVE_INFINITY;
  #exhaustedUntilMs = 0;
  #round: { readonly atMs: number; readonly cancel: Cancel } | undefined;

  constructor(world: FleetContext, node: NodeContext, leases: Leases, warm: WarmTarget) {
    this.#world = world;
    this.#node = node;
    this.#leases = leases;
    this.#warm = warm;
    this.#clock = new ProcessClock(node.clock);
    this.#settings = peerSettings(node);
    const { maxInterfaces, slotsPerInterface } = this.#settings;
    this.#maxPods = Math.min(MAX_PODS, maxInterfaces * slotsPerInterface + 2);
    this.#readiness = new Readiness(Math.min(addressesToBeReady(this.#settings), this.#targetWithoutPods()));
    this.#pool = new PeerPool(leases, COOLING_MS);
    this.#cloud = this.#freshCloud();
    void this.#run();
  }

  add({ attachment, pod }: AddRequest): Promise<AddAnswer> {
    if (!this.#isServing) return Promise.reject(new EnidError("ENID_STARTING", { waitingFor: "ipamd to initialise" }));
    const lease = this.#pool.lease(attachment, pod, this.#clock.nowMs());
    this.#arm();
    if (lease !== undefined) return Promise.resolve({ address: lease.address });
    return Promise.reject(
      new EnidError("ENID_NO_ADDRESS", {
        pod: `${pod.namespace}/${pod.name}`,
        waitedMs: 0,
        reason: "the datastore has no available address",
      }),
    );
  }

  remove(attachment: Attachment): Promise<void> {
    this.#pool.release(attachment, this.#clock.nowMs());
    this.#arm();
    return Promise.resolve();
  }

  lookup(attachment: Attachment): Lease | undefined {
    return this.#pool.lookup(attachment);
  }

  notReady(): EnidError | undefined {
    return this.#readiness.notReady(this.#pool.total, this.#isServing ? undefined : "ipamd initialises");
  }

  idleAddresses(): number {
    return this.#pool.total - this.#pool.used;
  }

  cut(): void {
    this.#clock.cut();
  }

  async #run(): Promise<void> {
    for (let delayMs = CRASH_FIRST_MS; ; delayMs = Math.min(CRASH_MOST_MS, delayMs * 2)) {
      try {
        await this.#initialise();
        break;
      } catch (thrown) {
        if (!(thrown instanceof SimulatedError)) throw thrown;
        this.#world.log("daemon", `ipamd ends: ${thrown.code}; again in ${delayMs / 1_000} s`, this.#node.node);
        await sleep(this.#clock, delayMs);
      }
    }
    this.#isServing = true;
    this.#baseMs = this.#clock.monotonicMs() - ROUND_MS / 2;
    this.#arm();
  }

  async #initialise(): Promise<void> {
    this.#pool = new PeerPool(this.#leases, COOLING_MS);
    this.#bornAtMs.clear();
    this.#cloud = this.#freshCloud();
    const cloud = this.#cloud;
    const all = await cloud.describeAll();
    void this.#sweepEachHour(cloud);
    for (const { seen, shown } of all) {
      if (shown.deviceIndex === 0) this.#primaryId = shown.id;
      await cloud.tag(shown);
      await this.#setUp(cloud);
      this.#hold(shown.id, seen.addresses.slice(1));
    }
    if (this.#isLow()) await this.#increase();
  }

  /** Gives up after its tries, as the daemon does: the interface is used all the same. */
  async #setUp(cloud: VpcCniCloud): Promise<void> {
    for (let tries = 1; tries <= SETUP_TRIES; tries += 1) {
      try {
        await cloud.checkSubnet();
        return;
      } catch {
        await sleep(this.#clock, SETUP_PAUSE_MS);
      }
    }
  }

  async #sweepEachHour(cloud: VpcCniCloud): Promise<void> {
    for (;;) {
      await sleep(this.#clock, this.#node.dice.fraction() * SWEEP_SPREAD_MS);
      if (this.#cloud !== cloud) return;
      await cloud.sweep().catch(() => undefined);
      await sleep(this.#clock, SWEEP_MS);
    }
  }

  /** The next round at which something can happen; none when nothing can before a pod comes or goes. */
  #arm(): void {
    if (!this.#isServing || this.#isBusy) return;
    const nowMs = this.#clock.monotonicMs();
    const dueMs = this.#dueMs(nowMs);
    if (dueMs === undefined) return;
    const rounds = Math.max(1, Math.ceil((Math.max(dueMs, nowMs) - this.#baseMs) / ROUND_MS));
    const atMs = this.#baseMs + rounds * ROUND_MS;
    if (this.#round !== undefined && this.#round.atMs <= atMs) return;
    this.#round?.cancel();
    const cancel = this.#clock.after(atMs - nowMs, () => void this.#update());
    this.#round = { atMs, cancel };
  }

  #dueMs(nowMs: number): number | undefined {
    if (this.#isLow()) return this.#canGrow() ? Math.max(nowMs, this.#exhaustedUntilMs) : undefined;
    const moments: number[] = [];
    if (this.#over() > 0) moments.push(this.#lastDecreaseMs + DECREASE_MS);
    if (this.#mayFreeInterfaces()) {
      for (const id of this.#pool.interfaceIds) {
        if (this.#isDispensable(id)) moments.push(this.#freeableFromMs(id, nowMs));
      }
    }
    return moments.length === 0 ? undefined : Math.max(nowMs, Math.min(...moments));
  }

  /** One round of updateIPPoolIfRequired. */
  async #update(): Promise<void> {
    this.#round = undefined;
    this.#isBusy = true;
    try {
      if (this.#isLow()) {
        if (this.#clock.monotonicMs() >= this.#exhaustedUntilMs) await this.#increase();
      } else if (this.#over() > 0 && this.#clock.monotonicMs() >= this.#lastDecreaseMs + DECREASE_MS) {
        await this.#decrease();
        this.#lastDecreaseMs = this.#clock.monotonicMs();
      }
      if (this.#mayFreeInterfaces()) await this.#freeInterface();
    } catch (thrown) {
      if (!(thrown instanceof SimulatedError)) throw thrown;
      this.#world.log("daemon", `round fails: ${thrown.code}`, this.#node.node);
    } finally {
      this.#isBusy = false;
    }
    this.#baseMs = this.#clock.monotonicMs();
    this.#arm();
  }

  /** Errors: SimulatedError, but not for an exhausted subnet. */
  async #increase(): Promise<void> {
    try {
      const room = this.#pool.interfaceIds.find((id) => this.#pool.sizeOf(id) < this.#settings.slotsPerInterface);
      if (room === undefined) await this.#allocateInterface();
      else await this.#assign(room);
    } catch (thrown) {
      if (!(thrown instanceof SimulatedError) || !EXHAUSTED.has(thrown.code)) throw thrown;
      this.#exhaustedUntilMs = this.#clock.monotonicMs() + EXHAUSTED_MS;
    }
  }

  async #assign(interfaceId: string): Promise<void> {
    const room = this.#settings.slotsPerInterface - this.#pool.sizeOf(interfaceId);
    let addresses: readonly string[];
    try {
      addresses = await this.#cloud.assign(interfaceId, Math.min(room, this.#wantedAtOnce()));
    } catch (thrown) {
      if (!(thrown instanceof SimulatedError)) throw thrown;
      addresses = await this.#cloud.assign(interfaceId, 1);
    }
    this.#hold(interfaceId, addresses);
  }

  /** A failure is not the end of nodeInit: allocating an interface is tried again in the next round. */
  async #allocateInterface(): Promise<void> {
    if (this.#pool.interfaceIds.length >= this.#settings.maxInterfaces) return;
    const count = Math.min(this.#wantedAtOnce(), this.#settings.slotsPerInterface);
    try {
      const { id, addresses } = await this.#cloud.allocate(count);
      this.#hold(id, addresses);
    } catch (thrown) {
      if (!(thrown instanceof SimulatedError) || EXHAUSTED.has(thrown.code)) throw thrown;
      this.#world.log("daemon", `no interface: ${thrown.code}`, this.#node.node);
    }
  }

  async #decrease(): Promise<void> {
    for (const id of this.#pool.interfaceIds) {
      const over = this.#over();
      if (over === 0) return;
      const removed = this.#pool.removeUnused(id, over);
      if (removed.length > 0) await this.#cloud.unassign(id, removed);
    }
  }

  async #freeInterface(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const id = this.#pool.interfaceIds.find(
      (one) => this.#isDispensable(one) && this.#freeableFromMs(one, nowMs) <= nowMs,
    );
    if (id === undefined) return;
    this.#pool.removeInterface(id);
    this.#bornAtMs.delete(id);
    await this.#cloud.free(id);
  }

  #hold(interfaceId: string, addresses: readonly string[]): void {
    if (!this.#bornAtMs.has(interfaceId)) this.#bornAtMs.set(interfaceId, this.#clock.monotonicMs());
    this.#pool.addInterface(interfaceId);
    for (const address of addresses) this.#pool.add(interfaceId, address);
  }

  /** isDatastorePoolTooLow. Cooling addresses count as available. */
  #isLow(): boolean {
    if (this.#pool.total >= this.#maxPods) return false;
    return this.idleAddresses() < this.#warmAddresses();
  }

  #warmAddresses(): number {
    return "addresses" in this.#warm ? this.#warm.addresses : this.#warm.interfaces * this.#settings.slotsPerInterface;
  }

  #targetWithoutPods(): number {
    return Math.min(
      this.#warmAddresses(),
      this.#maxPods,
      this.#settings.maxInterfaces * this.#settings.slotsPerInterface,
    );
  }

  /** WARM_IP_TARGET takes what is short; WARM_ENI_TARGET all that an interface holds. */
  #wantedAtOnce(): number {
    return "addresses" in this.#warm
      ? Math.max(1, this.#warm.addresses - this.idleAddresses())
      : this.#settings.slotsPerInterface;
  }

  #canGrow(): boolean {
    const { maxInterfaces, slotsPerInterface } = this.#settings;
    return (
      this.#pool.total < this.#pool.interfaceIds.length * slotsPerInterface ||
      this.#pool.interfaceIds.length < maxInterfaces
    );
  }

  /** Addresses beyond WARM_IP_TARGET; with WARM_ENI_TARGET single addresses are never given back. */
  #over(): number {
    return "addresses" in this.#warm ? Math.max(0, this.idleAddresses() - this.#warm.addresses) : 0;
  }

  /** shouldRemoveExtraENIs. */
  #mayFreeInterfaces(): boolean {
    if ("addresses" in this.#warm) return true;
    return this.idleAddresses() >= (this.#warm.interfaces + 1) * this.#settings.slotsPerInterface;
  }

  /** getDeletableENI, but for the moments. */
  #isDispensable(id: string): boolean {
    if (id === this.#primaryId || this.#pool.usedOf(id) > 0) return false;
    return !("addresses" in this.#warm) || this.idleAddresses() - this.#pool.sizeOf(id) >= this.#warm.addresses;
  }

  #freeableFromMs(id: string, nowMs: number): number {
    const coolsForMs = this.#pool.cooledAtMs(id) - this.#clock.nowMs();
    return Math.max((this.#bornAtMs.get(id) ?? 0) + LEAST_LIFE_MS, nowMs + coolsForMs);
  }

  #freshCloud(): VpcCniCloud {
    const { cloud, clock: wire } = this.#world;
    const accessKeyId = cloud.accessKeyOf(this.#node.instanceId);
    const ec2 = new Ec2Client({ cloud, wire, clock: this.#clock, random: this.#node.dice, accessKeyId });
    const { dice } = this.#node;
    return new VpcCniCloud({ cloud, ec2, clock: this.#clock, dice, node: this.#node, settings: this.#settings });
  }
}
