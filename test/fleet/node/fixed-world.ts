import { type Clock, sleep } from "../../../src/adapters/index.ts";
import { MemoryServer, memoryFleetStore } from "../../../src/fleet/index.ts";
import { NodeFixed } from "../../../src/fleet/node/fixed.ts";
import { FIXED_SYNC_MS, type FixedRecord } from "../../../src/manager/ports/index.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

/** Nodes that do with fixed addresses what the manager does, over one memory server: the least of it that shows a fault. */
export class FixedWorld {
  readonly clock = new VirtualClock();
  readonly server = new MemoryServer({ clock: this.clock });
  readonly nodes: FixedNodeModel[];
  /** Where each pod should run. */
  readonly wishes = new Map<string, FixedNodeModel>();
  readonly addresses = new Map<string, Set<string>>();
  #next = 0;

  constructor(count: number) {
    this.nodes = Array.from({ length: count }, (_, n) => new FixedNodeModel(this, n));
  }

  freshAddress(): string {
    this.#next += 1;
    return `10.0.${this.#next >> 8}.${this.#next & 255}`;
  }

  ran(pod: string, address: string): void {
    this.addresses.set(pod, (this.addresses.get(pod) ?? new Set()).add(address));
  }

  /** The pod is to run there. `leaves`: it ends where it was first; else it runs on there, unseen by Kubernetes. */
  schedule(pod: string, node: FixedNodeModel, leaves = true): void {
    const before = this.wishes.get(pod);
    if (before === node) return;
    this.wishes.set(pod, node);
    if (before !== undefined && (leaves || before.isDead)) before.podEnds(pod);
    node.podStarts(pod);
  }

  /** Every node's belief that is of the newest epoch and says that its pod has the address. */
  newestBound(pod: string): readonly FixedRecord[] {
    const all = this.nodes.flatMap((node) => node.held.get(pod) ?? []);
    const newest = Math.max(0, ...all.map(({ epoch }) => epoch));
    return all.filter(({ epoch, state }) => epoch === newest && state === "bound");
  }

  stop(): void {
    for (const node of this.nodes) node.crash();
  }
}

export class FixedNodeModel {
  readonly id: string;
  /** Durable. */
  readonly held = new Map<string, FixedRecord>();
  /** Pods that run here and have their address. */
  readonly leases = new Set<string>();
  readonly #world: FixedWorld;
  readonly #clock: Clock;
  /** Highest epoch that it was told of each pod that it holds. */
  readonly #seen = new Map<string, number>();
  readonly faults: string[] = [];
  isDead = false;
  #life = 0;
  #fixed: NodeFixed | undefined;

  constructor(world: FixedWorld, n: number) {
    this.id = `i-${n}`;
    this.#world = world;
    // Each node has a clock of its own mind.
    const skewMs = [0, -7_200_000, 86_400_000, 31_000][n % 4] ?? 0;
    const clock = world.clock;
    this.#clock = {
      nowMs: () => clock.nowMs() + skewMs,
      monotonicMs: () => clock.monotonicMs() + skewMs,
      after: (ms, callback) => clock.after(ms, callback),
      nextTurn: (callback) => clock.nextTurn(callback),
    };
    this.start();
  }

  start(): void {
    if (this.isDead || this.#fixed !== undefined) return;
    const life = ++this.#life;
    let ids = 0;
    this.#fixed = new NodeFixed(
      {
        store: memoryFleetStore(this.#world.server, this.id, this.#clock),
        clock: this.#clock,
        random: { fraction: () => 0.5, id: () => `${this.id}-${life}-${ids++}` },
        telemetry: { event: () => undefined },
        member: () => ({ nodeId: this.id, nodeName: this.id, accountId: "", region: "", zone: "" }),
        urgency: () => "buffer",
        settings: { name: "test", reservedShare: 0, buckets: {} },
      },
      { holds: () => this.id === "i-0" },
    );
    void this.#syncs(life);
    for (const [pod, node] of this.#world.wishes) if (node === this) this.podStarts(pod);
  }

  /** The process ends in the middle of whatever it does; pods run on. */
  crash(): void {
    this.#life += 1;
    this.#fixed = undefined;
  }

  /** The machine is gone for good, with its pods. */
  die(): void {
    this.crash();
    this.isDead = true;
    this.leases.clear();
    this.held.clear();
  }

  podEnds(pod: string): void {
    this.leases.delete(pod);
    if (this.#fixed !== undefined) void this.#park(pod, this.#life);
  }

  podStarts(pod: string): void {
    if (this.#fixed !== undefined) void this.#add(pod, this.#life);
  }

  async #syncs(life: number): Promise<void> {
    for (;;) {
      await this.#sync(life);
      await sleep(this.#clock, FIXED_SYNC_MS);
      if (this.#life !== life) return;
    }
  }

  async #sync(life: number): Promise<void> {
    const before = new Map(this.held);
    const verdicts = await this.#asked(life, (fixed) => fixed.sync([...before.values()]));
    for (const verdict of verdicts ?? []) {
      const pod = verdict.kind === "yours" || verdict.kind === "expired" ? verdict.record.pod : verdict.pod;
      // What changed here meanwhile is newer than the verdict.
      if (this.held.get(pod) !== before.get(pod)) continue;
      if (verdict.kind === "yours") this.#put(verdict.record);
      else if (verdict.kind === "expired") void this.#forget(verdict.record, life);
      else this.#loses(pod);
      if (verdict.kind === "yours" && verdict.record.state !== "parked" && this.#world.wishes.get(pod) !== this) {
        if (!this.leases.has(pod)) void this.#park(pod, life);
      }
    }
  }

  async #add(pod: string, life: number): Promise<void> {
    const wanted = () => this.#life === life && this.#world.wishes.get(pod) === this && !this.leases.has(pod);
    while (wanted()) {
      const answer = await this.#asked(life, (fixed) => fixed.claim(pod));
      if (!wanted()) return;
      if (answer?.kind === "claimed") {
        this.#put(answer.record);
        const { epoch } = answer.record;
        const change = await this.#asked(life, (fixed) => fixed.bind(pod, epoch));
        this.#changed(pod, change, life);
      } else if (answer?.kind === "none") {
        const start = { pod, address: this.#world.freshAddress(), subnetId: "", zone: "", keepMs: 0 };
        const change = await this.#asked(life, (fixed) => fixed.create(start));
        this.#changed(pod, change, life);
      }
      if (wanted()) await sleep(this.#clock, answer !== undefined && "retryMs" in answer ? answer.retryMs : 1_000);
    }
  }

  #changed(pod: string, change: Awaited<ReturnType<NodeFixed["bind"]>> | undefined, life: number): void {
    if (this.#life !== life || change?.kind !== "done") return;
    this.#put(change.record);
    if (this.#world.wishes.get(pod) !== this) return void this.#park(pod, life);
    this.leases.add(pod);
    this.#world.ran(pod, change.record.address);
  }

  async #park(pod: string, life: number): Promise<void> {
    const record = this.held.get(pod);
    if (record === undefined || record.state === "parked") return;
    const change = await this.#asked(life, (fixed) => fixed.park(pod, record.epoch));
    if (this.#life !== life || change === undefined || this.held.get(pod) !== record) return;
    // A refusal decides nothing: the store may have lost what this node knows. The next sync tells.
    if (change.kind === "done") this.#put(change.record);
  }

  async #forget(record: FixedRecord, life: number): Promise<void> {
    const change = await this.#asked(life, (fixed) => fixed.forget(record.pod, record.epoch));
    if (change?.kind === "done" && this.#life === life) this.#loses(record.pod);
  }

  /** Undefined when the fleet is away, or the process was ended meanwhile. */
  async #asked<Answer>(life: number, ask: (fixed: NodeFixed) => Promise<Answer>): Promise<Answer | undefined> {
    if (this.#life !== life || this.#fixed === undefined) return undefined;
    try {
      const answer = await ask(this.#fixed);
      return this.#life === life ? answer : undefined;
    } catch {
      return undefined;
    }
  }

  #put(record: FixedRecord): void {
    const seen = this.#seen.get(record.pod) ?? 0;
    if (record.epoch < seen) this.faults.push(`the epoch of ${record.pod} fell from ${seen} to ${record.epoch}`);
    this.#seen.set(record.pod, record.epoch);
    this.held.set(record.pod, record);
  }

  #loses(pod: string): void {
    this.held.delete(pod);
    this.leases.delete(pod);
    this.#seen.delete(pod);
    // Kubernetes starts it anew where it should be.
    if (this.#world.wishes.get(pod) === this) this.podStarts(pod);
  }
}
