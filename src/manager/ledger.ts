import type { Clock } from "../adapters/index.ts";
import { coerceError, type EnidError } from "../errors.ts";
import type { Lease } from "../pool/index.ts";
import type { Degradations } from "./degradations.ts";
import { attachmentKey } from "./lease-answers.ts";
import { LIMITS } from "./limits.ts";
import type { Change, Store, StoredState, Telemetry } from "./ports/index.ts";

interface Batch {
  /** Order in which the changes came about. */
  readonly order: number;
  readonly changes: readonly Change[];
  /** Written to see whether the disk takes something again; nothing is lost with it. */
  readonly isProbe?: boolean;
}

/**
 * Every write to the store. Some changes must be durable before anything goes on (`must`: a lease before its reply, an
 * intent before its call). Others must never be lost but may be late (`eventually`: the end of a lease while the disk
 * is full, since DEL is served in any case): they are kept here in order and go ahead of the next commit. Should they
 * be refused again, the store's own constraints refuse a lease that meets the one that has not ended yet.
 *
 * A refused lease or intent is not written later, so that nothing might be left to show that the disk is well again: then
 * something that it holds already is written anew.
 */
export class Ledger {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #degradations: Degradations;
  readonly #telemetry: Telemetry;
  #restated: () => Change | undefined = () => undefined;
  /** What the disk refused, in order. */
  #backlog: Batch[] = [];
  #nextOrder = 0;
  /** Why the disk refused last; undefined once it took something again. */
  #refusal: EnidError | undefined;
  #refusedAtMs = 0;
  /** What the store is known to hold. */
  readonly #leases = new Set<Lease>();
  readonly #intents = new Set<string>();

  constructor(store: Store, clock: Clock, degradations: Degradations, telemetry: Telemetry) {
    this.#store = store;
    this.#clock = clock;
    this.#degradations = degradations;
    this.#telemetry = telemetry;
  }

  /** Who can say anew what the store holds already; it says undefined when there is nothing, or it is just being changed. */
  probesWith(restated: () => Change | undefined): void {
    this.#restated = restated;
  }

  /** What the store held at the start. */
  loaded({ leases, intents }: Pick<StoredState, "leases" | "intents">): void {
    for (const lease of leases) this.#leases.add(lease);
    for (const { id } of intents) this.#intents.add(id);
  }

  /** Whether this lease was made durable and its end was not. */
  holdsLease(lease: Lease): boolean {
    return this.#leases.has(lease);
  }

  /** Another one, which is durable, says the same of the same attachment anew. */
  replaced(lease: Lease): void {
    this.#leases.delete(lease);
  }

  /** Whether the intent was made durable and is open. */
  holdsIntent(id: string): boolean {
    return this.#intents.has(id);
  }

  /** Why the disk refuses at the moment, as far as is known. */
  get refusal(): EnidError | undefined {
    return this.#refusal;
  }

  /** The disk refused lately: what can wait is not tried again before then. Wall ms; 0 = it took what came last. */
  get refusedUntilMs(): number {
    return this.#refusal === undefined ? 0 : this.#refusedAtMs + LIMITS.diskAgainMs;
  }

  /** Resolves once durable; rejects with ENID_STATE_WRITE_FAILED, and then nothing of it was written. */
  async must(changes: readonly Change[]): Promise<void> {
    this.retry();
    const batch = { order: this.#nextOrder++, changes };
    try {
      await this.#store.commit(changes);
      this.#written(batch);
    } catch (thrown) {
      const error = this.#failed(thrown);
      if (mayPass(error)) this.#probeLater();
      throw error;
    }
  }

  /** Resolves once written or, when the disk refuses, once queued. Never rejects. */
  async eventually(changes: readonly Change[]): Promise<void> {
    this.retry();
    if (changes.length > 0) await this.#write({ order: this.#nextOrder++, changes });
  }

  /** Tries again what the disk refused; called by the tick too. */
  retry(): void {
    if (this.#backlog.length === 0) return;
    const late = this.#backlog;
    this.#backlog = [];
    for (const batch of late) void this.#write(batch);
  }

  /** `retry`, and waits for it: the last words before the end. */
  async flush(): Promise<void> {
    const late = this.#backlog;
    this.#backlog = [];
    await Promise.all(late.map((batch) => this.#write(batch)));
  }

  async #write(batch: Batch): Promise<void> {
    const probe = batch.isProbe === true ? this.#restated() : undefined;
    if (batch.isProbe === true && probe === undefined) {
      this.#keep(batch);
      return;
    }
    try {
      await this.#store.commit(probe === undefined ? batch.changes : [probe]);
      this.#written(batch);
    } catch (thrown) {
      const error = this.#failed(thrown);
      // What contradicts the state may only be ahead of an earlier change that the disk refused.
      const isAhead = this.#backlog.some(({ order }) => order < batch.order);
      if (mayPass(error) || isAhead) this.#keep(batch);
      else if (batch.changes.length > 1)
        this.#keep(...batch.changes.map((change) => ({ order: batch.order, changes: [change] })));
      else this.#drop(batch, error);
    }
  }

  #probeLater(): void {
    if (this.#backlog.length === 0) this.#keep({ order: this.#nextOrder++, changes: [], isProbe: true });
  }

  #keep(...batches: readonly Batch[]): void {
    this.#backlog = [...this.#backlog, ...batches].sort((a, b) => a.order - b.order);
  }

  /** A change that can never be written would hold up all that follow it. */
  #drop({ changes }: Batch, error: EnidError): void {
    this.#telemetry.event({
      name: "state-change-refused",
      level: "error",
      message: `the state refuses a change for good: ${error.message}`,
      fields: { changes: changes.map(({ kind }) => kind) },
    });
  }

  #written(batch: Batch): void {
    this.#refusal = undefined;
    this.#backlog = this.#backlog.filter(({ isProbe = false }) => !isProbe);
    for (const change of batch.changes) this.#note(change);
    // What it says of an interface or block is newer than what an earlier batch, refused meanwhile, would write later.
    if (this.#backlog.length > 0) {
      const keys = new Set(batch.changes.flatMap(keysOf));
      this.#backlog = this.#backlog.map((late) => (late.order < batch.order ? without(late, keys) : late));
    }
    if (this.#backlog.length === 0) this.#degradations.clear("state-write-failing");
  }

  #note(change: Change): void {
    if (change.kind === "lease-put") this.#leases.add(change.lease);
    else if (change.kind === "lease-end") this.#leases.delete(change.lease);
    else if (change.kind === "intent-put") this.#intents.add(change.intent.id);
    else if (change.kind === "intent-close") this.#intents.delete(change.id);
    else if (change.kind === "boot-started") this.#leases.clear();
    else if (change.kind === "instance-adopted") {
      this.#leases.clear();
      this.#intents.clear();
    }
  }

  #failed(thrown: unknown): EnidError {
    const error = coerceError(thrown);
    if (mayPass(error)) {
      this.#refusal = error;
      this.#refusedAtMs = this.#clock.nowMs();
    }
    this.#degradations.set("state-write-failing", error, this.#clock.nowMs());
    return error;
  }
}

/** Whether the same change may be written later: a full or failing disk, not a contradiction. */
function mayPass(error: EnidError): boolean {
  const reason = (error.details as { readonly reason?: unknown } | undefined)?.reason;
  return reason !== "conflict" && reason !== "invalid";
}

/** Interfaces, blocks, leases and fixed addresses come and go under the same name, so that the order of their changes matters. */
function keysOf(change: Change): readonly string[] {
  switch (change.kind) {
    case "interface-put":
      return [change.interface.id];
    case "interface-remove":
      return [change.interfaceId];
    case "blocks-put":
      return change.blocks.map(({ cidr }) => cidr);
    case "blocks-remove":
      return change.cidrs;
    case "lease-put":
    case "lease-end":
      return [`lease ${attachmentKey(change.lease.attachment)} ${change.lease.address}`];
    case "fixed-put":
      return [`fixed ${change.record.pod}`];
    case "fixed-remove":
      return [`fixed ${change.pod}`];
    default:
      return [];
  }
}

/** Changes of one thing: what is older than a later one of the same has nothing left to say. */
const WHOLE: ReadonlySet<Change["kind"]> = new Set([
  "interface-put",
  "interface-remove",
  "fixed-put",
  "fixed-remove",
  // Of a lease that Cilium's agent made, which may be late: its end may be on the disk before it. The end itself always counts.
  "lease-put",
]);

function without({ order, changes }: Batch, keys: ReadonlySet<string>): Batch {
  const left = changes.map((change): Change => {
    if (change.kind === "blocks-put") return { ...change, blocks: change.blocks.filter(({ cidr }) => !keys.has(cidr)) };
    if (change.kind === "blocks-remove") return { ...change, cidrs: change.cidrs.filter((cidr) => !keys.has(cidr)) };
    return change;
  });
  const isWhole = ({ kind }: Change) => WHOLE.has(kind);
  return {
    order,
    changes: left.filter((change) => !isWhole(change) || !keysOf(change).some((key) => keys.has(key))),
  };
}
