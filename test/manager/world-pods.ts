import { EnidError } from "../../src/errors.ts";
import type { StoredState } from "../../src/manager/index.ts";
import type { Lease } from "../../src/pool/index.ts";
import type { CloudInterface } from "../support/world-cloud.ts";
import { cidrsOn, holds, subnetOf } from "../support/world-subnets.ts";
import { attachment, pod } from "./harness.ts";
import type { Process, World } from "./world.ts";
import { lingering, unquiet } from "./world-verdict.ts";

/** A pod as its runtime knows it. */
interface PodRecord {
  readonly n: number;
  /** What an ADD was answered with, both of two; undefined while none was, or after a DEL was sent. */
  held: readonly string[] | undefined;
  /** Calls without an answer. */
  adding: number;
  deleting: boolean;
  /** A DEL was sent and no ADD since. */
  ended: boolean;
  /** The end of its lease is durable: nothing may bring it back. */
  endedForGood: boolean;
  readonly hangUp: AbortController[];
}

const MANY = 12;
/** The pods of a random world, and what each of them was promised. */
export class WorldPods {
  readonly #world: World;
  readonly #pods = new Map<number, PodRecord>();
  /** Addresses that cool down: until when (monotonic ms). */
  readonly #cooling = new Map<string, { readonly untilMs: number; readonly wallOffsetMs: number }>();
  readonly #seenLeases = new Set<string>();
  #next = 0;
  readonly counts = { served: 0, dual: 0, refused: 0, deleted: 0, blocksGone: 0, interfacesGone: 0 };

  constructor(world: World) {
    this.#world = world;
  }

  act(what: "add" | "addMany" | "remove" | "removeMany" | "repeat" | "abort", process: Process): void {
    const { dice } = this.#world;
    const known = [...this.#pods.values()];
    switch (what) {
      case "add":
        this.#add(this.#next++, process);
        break;
      case "addMany":
        for (let n = dice.between(2, MANY); n > 0; n--) this.#add(this.#next++, process);
        break;
      case "repeat":
        if (known.length > 0) this.#add(dice.pick(known).n, process);
        break;
      case "abort":
        dice.pick([...known.flatMap(({ hangUp }) => hangUp), new AbortController()]).abort();
        break;
      case "remove":
        if (known.length > 0) this.#remove(dice.pick(known), process);
        break;
      case "removeMany":
        for (const record of known) if (dice.chance(0.6)) this.#remove(record, process);
        break;
    }
  }

  /** Calls under way get no answer; the runtime will repeat them or not. */
  processDied(): void {
    for (const record of this.#pods.values()) {
      record.adding = 0;
      record.deleting = false;
      record.hangUp.splice(0);
    }
  }

  /** The leases that a new process finds are not of its making. */
  processBorn(state: StoredState): void {
    for (const lease of state.leases) this.#seenLeases.add(leaseKey(lease));
  }

  /** A daemon that begins lets nothing cool for longer than the settings say now. */
  processBegan(coolingMs: number): void {
    const { clock } = this.#world;
    const latestMs = clock.monotonicMs() + coolingMs;
    for (const [address, { untilMs, wallOffsetMs }] of this.#cooling) {
      // Nobody can tell how long it has been when the wall was set in between.
      if (wallOffsetMs !== clock.wallOffsetMs) this.#cooling.delete(address);
      else this.#cooling.set(address, { untilMs: Math.min(untilMs, latestMs), wallOffsetMs });
    }
  }

  /** The pods ended with the machine; what cools is what the state says. */
  rebooted(state: StoredState): void {
    this.#pods.clear();
    const cooling = new Set(state.cooling.map(({ address }) => address));
    for (const address of [...this.#cooling.keys()]) if (!cooling.has(address)) this.#cooling.delete(address);
  }

  instanceReplaced(): void {
    this.#cooling.clear();
  }

  /** An interface is taken off by enid itself: nothing on it may be in use. */
  interfaceGoes(entry: CloudInterface): void {
    this.counts.interfacesGone += 1;
    this.#mustBeUnused(entry, [...cidrsOn(entry), `${entry.primaryAddress}/32`], "is taken off");
  }

  /** Blocks are given back by enid itself: nothing in them may be in use, or cool. */
  blocksGo(entry: CloudInterface, cidrs: readonly string[]): void {
    const there = cidrsOn(entry).filter((cidr) => cidrs.includes(cidr));
    this.counts.blocksGone += there.length;
    this.#mustBeUnused(entry, there, `gives ${there} back`);
  }

  #mustBeUnused(entry: CloudInterface, cidrs: readonly string[], what: string): void {
    const world = this.#world;
    const { blocks } = world.disk.load();
    // One that somebody took from a pod may have come here by chance: the pod has lost it already.
    const isElsewhere = (address: string) =>
      blocks.some(({ cidr, interfaceId }) => interfaceId !== entry.id && holds(cidr, address));
    for (const cidr of cidrs) {
      for (const { n, held = [] } of this.#pods.values()) {
        const address = held.find((one) => holds(cidr, one) && !isElsewhere(one));
        if (address !== undefined) world.complain(`${entry.id} ${what} while pod ${n} has its ${address}`);
      }
      const isKnown = blocks.some((one) => one.cidr === cidr && one.interfaceId === entry.id);
      for (const [address, { untilMs }] of isKnown ? this.#cooling : []) {
        const coolsMs = untilMs - world.clock.monotonicMs();
        if (coolsMs > 1 && holds(cidr, address))
          world.complain(`${entry.id} ${what} while ${address} cools for ${coolsMs} ms more`);
      }
    }
  }

  check(): void {
    const { process } = this.#world;
    const held = [...this.#pods.values()].filter((record) => record.held !== undefined);
    const addresses = held.flatMap((record) => record.held ?? []);
    if (new Set(addresses).size !== addresses.length) {
      this.#world.complain(`an address is held twice: ${held.map(({ n, held: of }) => `${n}:${of}`)}`);
    }
    const stored = new Map(
      this.#world.disk.load().leases.map((lease) => [lease.attachment.containerId, addressesOf(lease)]),
    );
    for (const { n, held: has } of held) {
      const kept = stored.get(attachment(n).containerId);
      if (`${kept}` !== `${has}`) this.#world.complain(`pod ${n} has ${has}; the state says ${kept}`);
    }
    if (process?.begun !== true) return;
    for (const { n, held: has } of held) {
      const lease = process.manager.lookup(attachment(n));
      const given = lease === undefined ? undefined : addressesOf(lease);
      if (`${given}` !== `${has}`) this.#world.complain(`pod ${n} has ${has}; the manager says ${given}`);
    }
    for (const lease of process.manager.leases()) this.#checkLease(lease, process);
  }

  /** Pods whose address somebody took away are ended by their operators. */
  deleteDenied(process: Process): void {
    const { cloud, disk } = this.#world;
    const attached = [...cloud.interfaces.values()].filter(({ deviceIndex }) => deviceIndex >= 0);
    const on = new Map(attached.map((entry) => [entry.id, [...cidrsOn(entry), `${entry.primaryAddress}/32`]]));
    // An address that came back as another block is not the one that the pool holds.
    const blocks = disk.load().blocks.filter(({ cidr, interfaceId }) => on.get(interfaceId)?.includes(cidr));
    for (const lease of process.manager.leases()) {
      const n = numberOf(lease);
      const record = this.#pods.get(n) ?? this.#record(n);
      const isThere = (address: string) => blocks.some(({ cidr }) => holds(cidr, address));
      if (record.held === undefined || !addressesOf(lease).every(isThere)) this.#remove(record, process);
    }
  }

  /** Whether the end of this lease was durable. */
  isOver(lease: Lease): boolean {
    return this.#pods.get(numberOf(lease))?.endedForGood === true;
  }

  /** All is quiet: pods come until the node is full, each with an address or a true reason; then all go. */
  async epilogue(process: Process): Promise<void> {
    const world = this.#world;
    world.say("epilogue");
    // What others left behind is looked for now and then.
    const changes = () => process.provider.calling.changes - world.counts.swept;
    const changesBefore = changes();
    await world.clock.advance(1_800_000);
    for (const text of lingering(world, process)) world.complain(`hours after the troubles: ${text}`);
    // Where prefixes are wanted and cannot be had, they are tried again now and then.
    const probes = process.manager.status().degraded.some(({ name }) => name === "subnet-fragmented");
    if (changes() !== changesBefore && !probes) world.complain("a quiet node changes something in the cloud");
    const firedBefore = process.clock.fired;
    await world.clock.advance(600_000);
    const fired = process.clock.fired - firedBefore;
    if (fired > 200) world.complain(`a quiet node wakes ${fired} times in ten minutes`);
    for (let n = world.dice.pick([3, 30]); n > 0; n--) this.#add(this.#next++, process);
    await world.clock.advance(150_000);
    for (const { n, adding } of this.#pods.values()) if (adding > 0) world.complain(`pod ${n} still waits`);
    this.check();
    for (const record of this.#pods.values()) this.#remove(record, process);
    await world.clock.advance(400_000);
    const left = process.manager.leases().filter(({ attachment: { containerId } }) => {
      return this.#pods.get(Number(containerId.slice(10)))?.endedForGood !== false;
    });
    if (left.length > 0) world.complain(`${left.length} leases are left when all pods are gone`);
    const { pool } = process.manager.status();
    if (pool.leased + pool.cooling > 0) world.complain(`all pods are gone: ${JSON.stringify(pool)}`);
    // What was only kept for its pod goes with the next look at EC2, or the one after that.
    for (let hours = 0; hours < 3 && unquiet(world, process).length > 0; hours++) await world.clock.advance(3_600_000);
    for (const text of unquiet(world, process)) world.complain(`three hours after all pods went: ${text}`);
    await world.clock.advance(1_800_000);
    for (const text of lingering(world, process)) world.complain(`long after all pods went: ${text}`);
  }

  #record(n: number): PodRecord {
    const record: PodRecord = {
      n,
      held: undefined,
      adding: 0,
      deleting: false,
      ended: false,
      endedForGood: false,
      hangUp: [],
    };
    this.#pods.set(n, record);
    return record;
  }

  #add(n: number, process: Process): void {
    const world = this.#world;
    const record = this.#pods.get(n) ?? this.#record(n);
    // A runtime that waits for a DEL sends no ADD for the same sandbox.
    if (record.deleting) return;
    record.ended = false;
    record.endedForGood = false;
    record.adding += 1;
    const hangUp = new AbortController();
    record.hangUp.push(hangUp);
    world.say(`ADD ${n}`);
    const sinceMs = world.clock.monotonicMs();
    const waitMs = Math.max(20, ...world.settings.at(sinceMs).map(({ values }) => values["add-wait-seconds"])) * 1_000;
    const over = () => {
      record.adding -= 1;
      record.hangUp.splice(record.hangUp.indexOf(hangUp), 1);
      const tookMs = world.clock.monotonicMs() - sinceMs;
      if (tookMs > waitMs + 1_000) world.complain(`ADD ${n} took ${tookMs} ms`);
    };
    process.manager.add({ attachment: attachment(n), pod: pod(n) }, hangUp.signal).then(
      (answer) => {
        if (world.process !== process) return;
        over();
        const given = addressesOf(answer);
        world.say(`ADD ${n} = ${given}`);
        this.counts.served += 1;
        if (given.length > 1) this.counts.dual += 1;
        if (record.held !== undefined && `${record.held}` !== `${given}`)
          world.complain(`pod ${n} had ${record.held} and is given ${given}`);
        if (record.ended) world.complain(`ADD ${n} was answered with ${given} after its DEL`);
        else record.held = given;
      },
      (error: EnidError) => {
        if (world.process !== process) return;
        over();
        this.counts.refused += 1;
        world.say(`ADD ${n} refused: ${error.message}`);
        if (!(error instanceof EnidError) || error.entry.cni === undefined)
          world.complain(`ADD ${n} failed with ${error}`);
        else if (/\{\w+\}|a pause|undefined|NaN/.test(`${error.message} ${error.remedy}`))
          world.complain(`the reason for pod ${n} is not complete: ${error.message} ${error.remedy}`);
      },
    );
  }

  #remove(record: PodRecord, process: Process): void {
    const world = this.#world;
    if (!process.begun || record.deleting) return;
    const { n } = record;
    world.say(`DEL ${n}`);
    const lease = process.manager.leases().find(({ attachment: one }) => one.containerId === attachment(n).containerId);
    const coolingMs = process.manager.status().settings.values["cooling-seconds"] * 1_000;
    // One that no pod was told of may be free again at once if the process dies before it is durable.
    if (lease !== undefined && (record.held !== undefined || this.#isStored(n)))
      for (const address of addressesOf(lease))
        this.#cooling.set(address, {
          untilMs: world.clock.monotonicMs() + coolingMs,
          wallOffsetMs: world.clock.wallOffsetMs,
        });
    record.held = undefined;
    record.deleting = true;
    record.ended = true;
    void process.manager.remove(attachment(n)).then(() => {
      if (world.process !== process) return;
      record.deleting = false;
      this.counts.deleted += 1;
      const stored = this.#isStored(n);
      if (record.ended) record.endedForGood = !stored;
      if (stored && !world.disk.full && !world.climate.disk && record.ended)
        world.complain(`DEL ${n} was answered before it was durable`);
    });
  }

  #isStored(n: number): boolean {
    const { containerId } = attachment(n);
    return this.#world.disk.load().leases.some((lease) => lease.attachment.containerId === containerId);
  }

  #checkLease(lease: Lease, process: Process): void {
    const world = this.#world;
    if (this.isOver(lease)) world.complain(`the lease of pod ${numberOf(lease)} came back`);
    const key = leaseKey(lease);
    if (this.#seenLeases.has(key)) return;
    this.#seenLeases.add(key);
    const settings = world.settings.at(lease.leasedAtMs - process.wallOffsetMs);
    const families = lease.ipv6Address !== undefined ? "dual" : lease.address.includes(":") ? "ipv6" : "ipv4";
    if (!settings.some(({ values }) => values["ip-families"] === families))
      world.complain(`pod ${numberOf(lease)} is given ${addressesOf(lease)}: families ${families} are not asked for`);
    for (const address of addressesOf(lease)) this.#checkAddress(address, lease, process);
  }

  #checkAddress(address: string, lease: Lease, process: Process): void {
    const world = this.#world;
    const n = numberOf(lease);
    const leasedMs = lease.leasedAtMs - process.wallOffsetMs;
    const settings = world.settings.at(leasedMs);
    const coolsUntilMs = this.#cooling.get(address)?.untilMs ?? 0;
    // Steady time is kept in whole milliseconds.
    if (leasedMs < coolsUntilMs - 1)
      world.complain(`${address} is leased to pod ${n} ${coolsUntilMs - leasedMs} ms before its cooling ends`);
    const subnetId = subnetOf(address);
    const allowed = settings.some(({ values }) =>
      world.cloud
        .allowed({ subnetIds: values["subnet-ids"], subnetTags: values["subnet-tags"] })
        .some(({ id }) => id === subnetId),
    );
    if (!allowed) world.complain(`${address} is leased to pod ${n}; ${subnetId} is not allowed`);
    const on = world.cloud.holderOf(address);
    const firstIndex = Math.min(...settings.map(({ values }) => values["first-interface-index"]));
    const block = world.disk.load().blocks.find(({ cidr }) => holds(cidr, address));
    if (on === undefined || on.id !== block?.interfaceId || on.deviceIndex < 0 || on.networkCard > 0) return;
    if (on.deviceIndex < firstIndex)
      world.complain(`${address} is leased on device index ${on.deviceIndex}, below ${firstIndex}`);
  }
}

function numberOf({ attachment: { containerId } }: Lease): number {
  return Number(containerId.slice("container-".length));
}

function addressesOf({ address, ipv6Address }: Pick<Lease, "address" | "ipv6Address">): readonly string[] {
  return ipv6Address === undefined ? [address] : [address, ipv6Address];
}

function leaseKey(lease: Lease): string {
  return `${addressesOf(lease)} ${lease.attachment.containerId} ${lease.leasedAtMs}`;
}
