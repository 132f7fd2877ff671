import { EnidError } from "../../errors.ts";
import type {
  ChangeAnswer,
  ClaimAnswer,
  FixedRecord,
  FixedRecords,
  FleetMember,
  Singletons,
  SyncVerdict,
} from "../../manager/ports/index.ts";
import {
  AMONG_LIMIT,
  BECAUSE,
  FIXED_PAGE_LIMIT,
  FIXED_TIMES,
  type FixedCaller,
  type FixedChange,
  type FixedStart,
  type FixedTimes,
  SYNC_LIMIT,
  type Told,
} from "../store/fixed.ts";
import type { PartOptions } from "./parts.ts";

/** Drops what was over long ago and whose node is no more: one node of the fleet does it, this often. */
const SWEEP_MS = 10 * 60_000;
const SWEEP_TASK = "fixed-sweep";
/** Parked addresses of nodes that are gone are forgotten so long after their time. */
const OVERDUE_MS = 86_400_000;

/** Nobody serves it before the store has settled, and who claims it then has EC2 bring it. */
const NOBODYS = { holder: "", holderName: "", state: "parked" } as const;

/** The records of fixed addresses as one node asks for them. */
export class NodeFixed implements FixedRecords {
  readonly #options: PartOptions;
  readonly #singletons: Pick<Singletons, "holds">;
  readonly #times: FixedTimes;
  /** Id of the store's data, of its last answer: another one later says that data was lost. */
  #knownStore = "";
  /** By pod: the epoch that this node knows of what it holds. */
  #epochs = new Map<string, number>();
  /** Monotonic. */
  #sweptAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: PartOptions, singletons: Pick<Singletons, "holds">, times: FixedTimes = FIXED_TIMES) {
    this.#options = options;
    this.#singletons = singletons;
    this.#times = times;
  }

  async find(pod: string): Promise<FixedRecord | undefined> {
    this.#member();
    return this.#options.store.fixed.find(pod);
  }

  async among(addresses: readonly string[]): Promise<readonly FixedRecord[]> {
    const { nodeId } = this.#member();
    const found: FixedRecord[] = [];
    for (let at = 0; at < addresses.length; at += AMONG_LIMIT) {
      found.push(...(await this.#options.store.fixed.among(addresses.slice(at, at + AMONG_LIMIT))));
    }
    return found.filter(({ holder }) => holder !== nodeId);
  }

  async claim(pod: string): Promise<ClaimAnswer> {
    const answer: ClaimAnswer = this.#heard(await this.#options.store.fixed.claim(this.#caller(), pod));
    if (answer.kind !== "claimed") return answer;
    const { record } = answer;
    // The store forgot what this node did last: the next sync brings it back.
    if (record.epoch < (this.#epochs.get(pod) ?? 0)) {
      return { kind: "held", record, retryMs: this.#times.retryMs, because: BECAUSE.settling };
    }
    this.#epochs.set(pod, record.epoch);
    return answer;
  }

  async create({ pod, address, subnetId, zone, keepMs }: FixedStart): Promise<ChangeAnswer> {
    const start = { pod, address, subnetId, zone, keepMs };
    return this.#changed(this.#heard(await this.#options.store.fixed.create(this.#caller(), start)));
  }

  bind(pod: string, epoch: number): Promise<ChangeAnswer> {
    return this.#change("bind", pod, epoch);
  }

  park(pod: string, epoch: number): Promise<ChangeAnswer> {
    return this.#change("park", pod, epoch);
  }

  yield(pod: string, epoch: number): Promise<ChangeAnswer> {
    return this.#change("yield", pod, epoch);
  }

  forget(pod: string, epoch: number): Promise<ChangeAnswer> {
    return this.#change("forget", pod, epoch);
  }

  async sync(held: readonly FixedRecord[], lastHere: readonly FixedRecord[] = []): Promise<readonly SyncVerdict[]> {
    const { nodeId } = this.#member();
    this.#epochs = new Map(held.map(({ pod, epoch }) => [pod, epoch]));
    const named = [...held, ...lastHere.map((record) => ({ ...record, ...NOBODYS }))];
    const verdicts: SyncVerdict[] = [];
    let at = 0;
    // Also with nothing held: it is the node's sign of life.
    do {
      const some = named.slice(at, at + SYNC_LIMIT);
      verdicts.push(...this.#heard(await this.#options.store.fixed.sync(this.#caller(), some)).verdicts);
      at += SYNC_LIMIT;
    } while (at < named.length);
    for (const verdict of verdicts) {
      if (verdict.kind === "lost" || verdict.kind === "gone") this.#epochs.delete(verdict.pod);
    }
    verdicts.push(...(await this.#notNamed(nodeId, named)));
    await this.#sweep();
    return verdicts;
  }

  /** What the store says is this node's and the node did not name: it lost its state, or a reply. */
  async #notNamed(nodeId: string, held: readonly FixedRecord[]): Promise<SyncVerdict[]> {
    const named = new Set(held.map(({ pod }) => pod));
    const verdicts: SyncVerdict[] = [];
    let after = "";
    do {
      const { entries, next } = await this.#options.store.fixed.heldBy(nodeId, after, FIXED_PAGE_LIMIT);
      for (const { record, wantedBy, ending } of entries) {
        if (named.has(record.pod)) continue;
        verdicts.push(ending ? { kind: "expired", record } : { kind: "yours", record, wantedBy });
      }
      after = next;
    } while (after !== "");
    return verdicts;
  }

  async #sweep(): Promise<void> {
    if (!this.#singletons.holds(SWEEP_TASK)) return;
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - this.#sweptAtMs < SWEEP_MS) return;
    this.#sweptAtMs = nowMs;
    await this.#options.store.fixed.sweep(OVERDUE_MS, this.#times.ttlMs);
  }

  async #change(what: FixedChange, pod: string, epoch: number): Promise<ChangeAnswer> {
    return this.#changed(await this.#options.store.fixed.change(what, this.#member().nodeId, pod, epoch));
  }

  #changed(answer: ChangeAnswer): ChangeAnswer {
    if (answer.kind === "done") {
      const { pod, holder, epoch } = answer.record;
      if (holder === this.#member().nodeId) this.#epochs.set(pod, epoch);
      else this.#epochs.delete(pod);
    }
    return answer;
  }

  #heard<Answer>({ store, ...answer }: Told<Answer>): Answer {
    this.#knownStore = store;
    return answer as unknown as Answer;
  }

  #caller(): FixedCaller {
    const { nodeId, nodeName } = this.#member();
    const freshStore = this.#options.random.id();
    return { nodeId, nodeName, knownStore: this.#knownStore, freshStore, times: this.#times };
  }

  /** @throws EnidError ENID_FLEET_AWAY before the node is identified */
  #member(): FleetMember {
    const member = this.#options.member();
    if (member === undefined) throw new EnidError("ENID_FLEET_AWAY", { detail: "the node is not identified yet" });
    return member;
  }
}
