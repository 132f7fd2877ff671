import type { Clock } from "../adapters/index.ts";
import type { EnidError } from "../errors.ts";
import type { Activities } from "./activities.ts";
import type { FixedAdding } from "./fixed-adding.ts";
import type { FixedBook } from "./fixed-book.ts";
import { blockHere, hasLeft, isOwn, leaseOfFixed } from "./fixed-held.ts";
import type { FixedLosses } from "./fixed-losses.ts";
import type { Ledger } from "./ledger.ts";
import { LIMITS } from "./limits.ts";
import { NEVER, soonest } from "./moments.ts";
import type { NodeState } from "./node.ts";
import { type ChangeAnswer, FIXED_SYNC_MS, type FixedRecord, type Fleet, type SyncVerdict } from "./ports/index.ts";

export interface FixedSyncOptions {
  readonly node: NodeState;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly activities: Activities;
  readonly book: FixedBook;
  readonly losses: FixedLosses;
  readonly adding: FixedAdding;
  readonly fleet: Pick<Fleet, "fixed" | "report">;
  /** Whether EC2 gives the address to nobody by itself, once it is given back. */
  readonly isReserved: (address: string) => boolean;
  /** Brings the next round forward. */
  readonly wake: () => void;
}

/**
 * Keeps what this node does with fixed addresses and what the fleet knows of it in line: every ten seconds, after a
 * connection came back, and when the lease of such a pod ended. All of it can be late, or be done again.
 */
export class FixedSync {
  readonly #options: FixedSyncOptions;
  #dueMs = 0;
  /** The fleet may know more than this node, for an answer was lost. */
  #uncertain = true;
  #connected = true;
  /** Since when the store knows nothing of what another node had; wall ms. */
  readonly #unknownSinceMs = new WeakMap<FixedRecord, number>();
  /** Since when it waits here for its pod; wall ms. */
  readonly #parkedSinceMs = new WeakMap<FixedRecord, number>();
  /** Pods whose address is looked at without asking for all of them. */
  readonly #soon = new Set<string>();

  constructor(options: FixedSyncOptions) {
    this.#options = options;
  }

  /** The fleet is to hear of the pod's address. */
  soon(pod: string): void {
    if (this.#options.book.of(pod) === undefined) this.#uncertain = true;
    else this.#soon.add(pod);
    this.#options.wake();
  }

  /** Starts what is due. */
  look(nowMs: number): void {
    const { node, fleet, activities } = this.#options;
    if (node.facts === undefined) return;
    const { connected } = fleet.report();
    if (connected && !this.#connected) this.#dueMs = 0;
    this.#connected = connected;
    const isDue = nowMs >= this.#dueMs && (this.#uncertain || node.fixed.size > 0);
    if ((!isDue && this.#soon.size === 0) || activities.isRunning(NAME)) return;
    if (isDue) this.#dueMs = nowMs + FIXED_SYNC_MS;
    const pods = [...this.#soon];
    this.#soon.clear();
    activities.run(NAME, () => (isDue ? this.sync() : this.#reconcileAll(pods)), this.#late);
  }

  nextMs(nowMs: number): number {
    const { node } = this.#options;
    return this.#uncertain || node.fixed.size > 0 ? soonest(NEVER, this.#dueMs, nowMs) : NEVER;
  }

  /** Rejects when the fleet cannot be asked. */
  async sync(): Promise<void> {
    const { fleet, book } = this.#options;
    this.#uncertain = false;
    const told = book.held();
    try {
      const verdicts = await fleet.fixed.sync(told, this.#lastHere());
      for (const verdict of verdicts) await this.#judge(verdict, told);
    } catch (error) {
      this.#uncertain = true;
      throw error;
    }
    await this.#reconcileAll([...book.held(), ...book.doubtful(), ...book.leaving()].map(({ pod }) => pod));
  }

  /**
   * What another node has, or nobody, and is here still. Its claim may never have been heard of by the one that made it:
   * were the store's data lost now, nobody else would bring the record back. Who does hold it has the later epoch.
   */
  #lastHere(): FixedRecord[] {
    const { node, book } = this.#options;
    const here = book.leaving().filter((record) => blockHere(node, record)?.free === 1);
    return here.map((record) => ({ ...record, epoch: Math.max(1, record.epoch - 1) }));
  }

  /** The next round that is due tries again. The part fleet shows that it is away. */
  readonly #late = (_error: EnidError): void => {};

  async #judge(verdict: SyncVerdict, told: readonly FixedRecord[]): Promise<void> {
    const { book, adding, losses, ledger } = this.#options;
    const pod = verdict.kind === "lost" || verdict.kind === "gone" ? verdict.pod : verdict.record.pod;
    const own = book.own(pod);
    // What changed while the fleet was asked is newer than its answer, and what an ADD is about to change is its own.
    if (own !== undefined && !told.includes(own)) return;
    switch (verdict.kind) {
      case "lost":
        losses.lost(verdict.record);
        return;
      case "gone":
        if (!adding.isBusy(pod)) losses.gone(pod);
        return;
      case "expired":
        if (!adding.isBusy(pod)) await this.#expire(verdict.record);
        return;
      default:
        if (own !== undefined) void ledger.eventually(book.learn(verdict.record));
        else if (!adding.isBusy(pod)) await this.#unknown(verdict.record);
        if (verdict.wantedBy !== "") adding.wanted(pod);
    }
  }

  /** First nobody can claim it any more; then the address is like any other, or goes. */
  async #expire(record: FixedRecord): Promise<void> {
    const { fleet, node, losses } = this.#options;
    if (leaseOfFixed(node, record) !== undefined) return;
    this.#options.book.learn(record);
    const answer = await fleet.fixed.forget(record.pod, record.epoch);
    if (answer.kind === "done") losses.gone(record.pod);
    else this.#heard(record, answer);
  }

  /** The fleet says that this node has it, and the node does not know: its state was lost, or the answer of a claim. */
  async #unknown(record: FixedRecord): Promise<void> {
    const { fleet, node, ledger, book } = this.#options;
    const block = blockHere(node, record);
    const isPods = leaseOfFixed(node, record) !== undefined;
    if (block !== undefined && (block.free === 1 || isPods)) void ledger.eventually(book.learn(record));
    else if (!node.pool.leaseAt(record.address)) await fleet.fixed.yield(record.pod, record.epoch);
    // The state was lost, and the address is another pod's by now: two must not have it.
    else await fleet.fixed.forget(record.pod, record.epoch);
  }

  async #reconcileAll(pods: readonly string[]): Promise<void> {
    const { book, adding } = this.#options;
    for (const pod of pods) {
      const record = book.of(pod);
      if (record !== undefined && !adding.isBusy(pod)) await this.#reconcile(record);
    }
  }

  async #reconcile(record: FixedRecord): Promise<void> {
    if (!isOwn(record)) return this.#leave(record);
    if (record.epoch === 0) return this.#resolveDoubt(record);
    const { fleet, node, ledger } = this.#options;
    const { pod, epoch, state, address } = record;
    const lease = leaseOfFixed(node, record);
    if (lease !== undefined) {
      if (state !== "bound" && ledger.holdsLease(lease)) this.#heard(record, await fleet.fixed.bind(pod, epoch));
    } else if (state !== "moving" || this.#isAbandoned(record)) {
      if (blockHere(node, record) !== undefined) {
        if (state !== "parked") this.#heard(record, await fleet.fixed.park(pod, epoch));
        else this.#parkElsewhere(record);
      } else if (!this.#isUnderWay(address)) this.#heard(record, await fleet.fixed.yield(pod, epoch));
    }
  }

  /** Where it is fenced by a reservation it need not take a slot here; what has left is nobody's in the fleet then. */
  #parkElsewhere(record: FixedRecord): void {
    const { node, clock, losses, isReserved } = this.#options;
    const { values } = node.settings;
    if (values["fixed-parking"] !== "reservation" || !isReserved(record.address)) return;
    const sinceMs = this.#parkedSinceMs.get(record) ?? clock.nowMs();
    this.#parkedSinceMs.set(record, sinceMs);
    // A pod that restarts comes back before that; and no address goes back while others like it would cool.
    const waitMs = Math.max(values["release-delay-seconds"], values["cooling-seconds"]) * 1_000;
    if (clock.nowMs() - sinceMs >= waitMs) losses.leaveToReservation(record);
  }

  #isAbandoned({ pod }: FixedRecord): boolean {
    const { adding, clock } = this.#options;
    return clock.nowMs() - adding.askedAtMs(pod) > LIMITS.fixedAbandonedMs;
  }

  /** A step that brings it, or gives it back, has not ended. */
  #isUnderWay(address: string): boolean {
    const { node } = this.#options;
    if (node.pool.block(`${address}/32`) !== undefined) return true;
    return [...node.intents.values()].some(
      ({ intent: { step } }) => step.kind === "add-blocks" && step.address === address,
    );
  }

  /** Whether the fleet made the record for which this node fenced the address. */
  async #resolveDoubt(record: FixedRecord): Promise<void> {
    const { fleet, ledger, book, adding } = this.#options;
    const found = await fleet.fixed.find(record.pod);
    if (book.of(record.pod) !== record || adding.isBusy(record.pod)) return;
    // If it is another node's, the next claim says so.
    const isMade = found?.address === record.address;
    void ledger.eventually(isMade ? book.learn(found) : book.forget(record.pod));
  }

  /** What another node had and is forgotten by now need not be kept from others any longer. */
  async #leave(record: FixedRecord): Promise<void> {
    const { fleet, book, losses, clock, node } = this.#options;
    if (hasLeft(node, record)) return;
    const found = await fleet.fixed.find(record.pod);
    if (book.of(record.pod) !== record) return;
    if (found?.address === record.address) {
      this.#unknownSinceMs.delete(record);
      if (found.state === "moving") losses.asked(record);
      return;
    }
    // A store that lost its data gets it back; by the end of this EC2 has said whether the address is here.
    const sinceMs = this.#unknownSinceMs.get(record) ?? clock.nowMs();
    this.#unknownSinceMs.set(record, sinceMs);
    if (clock.nowMs() - sinceMs >= LIMITS.fixedAbandonedMs) losses.giveBack(record);
  }

  #heard(record: FixedRecord, answer: ChangeAnswer): void {
    const { book, losses, ledger, adding, wake } = this.#options;
    // An ADD that came meanwhile claims it, and so knows more.
    if (book.own(record.pod) !== record || adding.isBusy(record.pod)) return;
    if (answer.kind === "done") {
      const isLeft = answer.record.holder === "";
      if (isLeft) losses.lost(answer.record);
      else void ledger.eventually(book.learn(answer.record));
    } else if (answer.record === undefined || answer.record.epoch < record.epoch) {
      // Forgotten, or lost by the store: that is told by what comes of bringing it back.
      this.#uncertain = true;
      this.#dueMs = 0;
      wake();
    } else if (answer.record.holder === record.holder) void ledger.eventually(book.learn(answer.record));
    else losses.lost(answer.record);
  }
}

const NAME = "fixed addresses";
