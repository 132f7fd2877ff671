import { EnidError } from "../../src/errors.ts";
import type { StatusReport, StoredState } from "../../src/manager/index.ts";
import type { Lease } from "../../src/pool/index.ts";
import { type CloudInterface, MAX_INTERFACES, SLOTS } from "../support/world-cloud.ts";
import { attachment, pod } from "./harness.ts";
import type { Process, World } from "./world.ts";

/** A pod as its runtime knows it. */
interface PodRecord {
  readonly n: number;
  /** What an ADD was answered with; undefined while none was, or after a DEL was sent. */
  held: string | undefined;
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
/** Degradations that may stay when all troubles are over: each tells of something that is so. */
const MAY_STAY = ["instance-full", "subnet-exhausted"];

/** The pods of a random world, and what each of them was promised. */
export class WorldPods {
  readonly #world: World;
  readonly #pods = new Map<number, PodRecord>();
  /** Addresses that cool down: until when (monotonic ms). */
  readonly #cooling = new Map<string, { readonly untilMs: number; readonly wallOffsetMs: number }>();
  readonly #seenLeases = new Set<string>();
  #next = 0;
  readonly counts = { served: 0, refused: 0, deleted: 0 };

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
    const held = new Map([...this.#pods.values()].map((record) => [record.held, record.n]));
    const { blocks } = this.#world.disk.load();
    for (const address of entry.addresses) {
      // One that somebody took from a pod may have come here by chance: the pod has lost it already.
      const block = blocks.find(({ cidr }) => cidr === `${address}/32`);
      if (block !== undefined && block.interfaceId !== entry.id) continue;
      const n = held.get(address);
      if (n !== undefined) this.#world.complain(`${entry.id} is taken off while pod ${n} has its ${address}`);
    }
  }

  check(): void {
    const { process } = this.#world;
    const held = [...this.#pods.values()].filter((record) => record.held !== undefined);
    if (new Set(held.map((record) => record.held)).size !== held.length) {
      this.#world.complain(`an address is held twice: ${held.map(({ n, held: address }) => `${n}:${address}`)}`);
    }
    const stored = new Map(
      this.#world.disk.load().leases.map((lease) => [lease.attachment.containerId, lease.address]),
    );
    for (const record of held) {
      const { containerId } = attachment(record.n);
      if (stored.get(containerId) !== record.held)
        this.#world.complain(`pod ${record.n} has ${record.held}; the state says ${stored.get(containerId)}`);
    }
    if (process?.begun !== true) return;
    for (const record of held) {
      const lease = process.manager.lookup(attachment(record.n));
      if (lease?.address !== record.held)
        this.#world.complain(`pod ${record.n} has ${record.held}; the manager says ${lease?.address}`);
    }
    for (const lease of process.manager.leases()) this.#checkLease(lease, process);
  }

  /** Pods whose address somebody took away are ended by their operators. */
  deleteDenied(process: Process): void {
    const { cloud, disk } = this.#world;
    const kept = new Map(disk.load().blocks.map(({ cidr, interfaceId }) => [cidr.slice(0, -3), interfaceId]));
    const attached = [...cloud.interfaces.values()].filter(({ deviceIndex }) => deviceIndex >= 0);
    const on = attached.flatMap(({ id, addresses }) => addresses.map((one) => [one, id] as const));
    const there = new Set(on.filter(([address, id]) => (kept.get(address) ?? id) === id).map(([address]) => address));
    for (const lease of process.manager.leases()) {
      const n = Number(lease.attachment.containerId.slice("container-".length));
      const record = this.#pods.get(n) ?? this.#record(n);
      if (record.held === undefined || !there.has(lease.address)) this.#remove(record, process);
    }
  }

  /** What is not yet as it must be once the troubles are over. */
  unquiet(process: Process): string[] {
    const { manager } = process;
    const status = manager.status();
    const open: string[] = [];
    if (status.phase === "starting" || status.phase === "stopping") open.push(`it is still ${status.phase}`);
    for (const intent of status.intents) open.push(`${intent.kind} ${intent.id} is ${intent.state}`);
    if (status.waiting.length > 0) open.push(`${status.waiting.length} pods wait`);
    for (const { name, error } of status.degraded) if (!MAY_STAY.includes(name)) open.push(`${name}: ${error.message}`);
    open.push(...this.#differences(status));
    const { needed } = status.watermarks;
    if (needed > 0 && !this.#cannotGrow(status)) open.push(`${needed} addresses are missing: ${status.waitingFor}`);
    for (const lease of manager.leases()) {
      if (this.#pods.get(Number(lease.attachment.containerId.slice(10)))?.endedForGood === true)
        open.push(`${lease.address} is leased to a pod that ended`);
    }
    return open;
  }

  /** All is quiet: pods come until the node is full, each with an address or a true reason; then all go. */
  async epilogue(process: Process): Promise<void> {
    const world = this.#world;
    world.say("epilogue");
    const changesBefore = process.provider.calling.changes;
    await world.clock.advance(1_800_000);
    if (process.provider.calling.changes !== changesBefore)
      world.complain("a quiet node changes something in the cloud");
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
    for (let hours = 0; hours < 3 && this.unquiet(process).length > 0; hours++) await world.clock.advance(3_600_000);
    for (const text of this.unquiet(process)) world.complain(`three hours after all pods went: ${text}`);
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
      ({ address }) => {
        if (world.process !== process) return;
        over();
        world.say(`ADD ${n} = ${address}`);
        this.counts.served += 1;
        if (record.held !== undefined && record.held !== address)
          world.complain(`pod ${n} had ${record.held} and is given ${address}`);
        if (record.ended) world.complain(`ADD ${n} was answered with ${address} after its DEL`);
        else record.held = address;
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
      this.#cooling.set(lease.address, {
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
    const n = Number(lease.attachment.containerId.slice("container-".length));
    if (this.#pods.get(n)?.endedForGood === true) world.complain(`the lease of pod ${n} came back`);
    const key = leaseKey(lease);
    if (this.#seenLeases.has(key)) return;
    this.#seenLeases.add(key);
    const leasedMs = lease.leasedAtMs - process.wallOffsetMs;
    const coolsUntilMs = this.#cooling.get(lease.address)?.untilMs ?? 0;
    // Steady time is kept in whole milliseconds.
    if (leasedMs < coolsUntilMs - 1)
      world.complain(`${lease.address} is leased to pod ${n} ${coolsUntilMs - leasedMs} ms before its cooling ends`);
    const subnetId = world.cloud.subnetOf(lease.address);
    const settings = world.settings.at(leasedMs);
    const allowed = settings.some(({ values }) =>
      world.cloud
        .allowed({ subnetIds: values["subnet-ids"], subnetTags: values["subnet-tags"] })
        .some(({ id }) => id === subnetId),
    );
    if (!allowed) world.complain(`${lease.address} is leased to pod ${n}; ${subnetId} is not allowed`);
    const on = [...world.cloud.interfaces.values()].find(({ addresses }) => addresses.includes(lease.address));
    const firstIndex = Math.min(...settings.map(({ values }) => values["first-interface-index"]));
    const block = world.disk.load().blocks.find(({ cidr }) => cidr === `${lease.address}/32`);
    if (on !== undefined && on.id === block?.interfaceId && on.deviceIndex >= 0 && on.deviceIndex < firstIndex)
      world.complain(`${lease.address} is leased on device index ${on.deviceIndex}, below ${firstIndex}`);
  }

  /** Pool and state against the truth of the cloud. */
  #differences(status: StatusReport): string[] {
    const { cloud, disk } = this.#world;
    const wrong: string[] = [];
    const stored = disk.load();
    for (const entry of cloud.interfaces.values()) {
      if (entry.deviceIndex < 0) {
        if (entry.madeBy === "enid") wrong.push(`${entry.id} is attached nowhere`);
        continue;
      }
      const report = status.interfaces.find(({ id }) => id === entry.id);
      if (report === undefined) wrong.push(`the manager does not know ${entry.id}`);
      if (report?.usable !== true) continue;
      const blocks = stored.blocks.filter(({ interfaceId }) => interfaceId === entry.id).map(({ cidr }) => cidr);
      const there = entry.addresses.map((address) => `${address}/32`);
      const missing = there.filter((cidr) => !blocks.includes(cidr));
      const extra = blocks.filter((cidr) => !there.includes(cidr));
      if (missing.length > 0) wrong.push(`${entry.id} has ${missing}, which the state does not know`);
      if (extra.length > 0) wrong.push(`${entry.id} does not have ${extra}, which the state holds`);
      if (report.counts.total !== blocks.length)
        wrong.push(`${entry.id} has ${report.counts.total} addresses in the pool and ${blocks.length} in the state`);
    }
    const isThere = ({ id }: { readonly id: string }) => (cloud.interfaces.get(id)?.deviceIndex ?? -1) >= 0;
    for (const one of stored.interfaces) if (!isThere(one)) wrong.push(`the state keeps ${one.id}`);
    for (const one of status.interfaces) if (!isThere(one)) wrong.push(`the manager keeps ${one.id}`);
    return wrong;
  }

  /** The truth about whether the node could have more. */
  #cannotGrow({ settings: { values }, watermarks }: StatusReport): boolean {
    const { cloud } = this.#world;
    if (watermarks.maxAllocate > 0 && watermarks.available >= watermarks.maxAllocate) return true;
    const subnets = cloud.allowed({ subnetIds: values["subnet-ids"], subnetTags: values["subnet-tags"] });
    const free = new Map(subnets.map((subnet) => [subnet.id, subnet.free.length]));
    const attached = [...cloud.interfaces.values()].filter(({ deviceIndex }) => deviceIndex >= 0);
    const room = attached.some(
      (entry) =>
        !entry.foreign &&
        entry.deviceIndex >= values["first-interface-index"] &&
        entry.addresses.length < SLOTS &&
        (free.get(entry.subnetId) ?? 0) > 0,
    );
    const places = attached.length < MAX_INTERFACES && [...free.values()].some((count) => count > 1);
    return !room && !places;
  }
}

function leaseKey({ address, attachment: { containerId }, leasedAtMs }: Lease): string {
  return `${address} ${containerId} ${leasedAtMs}`;
}
