import type { Clock } from "../adapters/index.ts";
import { EnidError } from "../errors.ts";
import type { AddAnswer, AddRequest } from "../handoff/cni/port.ts";
import { type Attachment, familyOf, type Lease, type Pod, type Sandbox } from "../pool/index.ts";
import { Fence } from "./fence.ts";
import type { Fixed } from "./fixed.ts";
import { replyBreach } from "./gate.ts";
import { type History, podName } from "./history.ts";
import { Identifying, isSameLease, isSameSandbox, renewSandbox } from "./identifying.ts";
import { addressesOf, answerOf, attachmentKey } from "./lease-answers.ts";
import type { Ledger } from "./ledger.ts";
import { LIMITS } from "./limits.ts";
import { NEVER, soonest } from "./moments.ts";
import type { NodeState } from "./node.ts";
import type { Change, Sandboxes } from "./ports/index.ts";
import type { Promises } from "./promises.ts";
import type { WaitingReport } from "./reports.ts";
import { otherThanWanted, unavailable } from "./wishes.ts";

interface LeaseRequest extends AddRequest {
  readonly sandbox?: Sandbox;
}

interface Waiting {
  readonly request: LeaseRequest;
  readonly sinceMs: number;
  readonly deadlineMs: number;
  readonly resolve: (lease: Lease) => void;
  readonly reject: (error: EnidError) => void;
  /** Callers that wait for this one answer: a repeated ADD joins the first. */
  callers: number;
}

export interface LeasingOptions {
  readonly node: NodeState;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly history: History;
  readonly promises: Promises;
  /** How far the wall clock is ahead of the steady time of this process. */
  readonly wallAheadMs: () => number;
  /** Why nothing may be leased now (starting, stopping, a broken invariant); undefined = serve. */
  readonly closed: () => EnidError | undefined;
  /** Why the pool cannot give an address, for the pod that waited. */
  readonly whyNone: () => EnidError;
  /** Resolves once the addresses of a durable lease are reachable on this node. */
  readonly reachable: (lease: Lease) => Promise<void>;
  readonly sandboxes: Sandboxes | undefined;
  /** Looks after the pods that keep their address for life. */
  readonly fixed: Pick<Fixed, "add" | "released" | "end" | "endAll">;
  /** Demand or supply changed: bring the next plan forward. `urgent` = a pod waits. */
  readonly changed: (urgent: boolean) => void;
}

/**
 * ADD and DEL. A pod is served from the pool at once, or waits in order of arrival for an address that cools down or
 * that a plan brings. Every reply follows the commit of its lease.
 */
export class Leasing {
  readonly #options: LeasingOptions;
  readonly #waiting = new Map<string, { first: Waiting; readonly result: Promise<Lease> }>();
  /** Leases whose commit is under way: a repeated ADD must not be answered before it. */
  readonly #committing = new Map<string, Promise<Lease>>();

  readonly #identifying: Identifying;
  readonly #fence: Fence;

  constructor(options: LeasingOptions) {
    this.#options = options;
    this.#identifying = new Identifying(options.sandboxes, options.clock);
    this.#fence = new Fence(options.node);
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  waiting(): readonly WaitingReport[] {
    return [...this.#waiting.values()].map(({ first }) => ({
      pod: first.request.pod,
      attachment: first.request.attachment,
      sinceMs: first.sinceMs,
      deadlineMs: first.deadlineMs,
    }));
  }

  async add(request: AddRequest, signal?: AbortSignal): Promise<AddAnswer> {
    const key = attachmentKey(request.attachment);
    // A caller that goes away after its lease was made keeps it: the runtime repeats the ADD or sends DEL, and a repeated
    // ADD may have been answered with this very lease already.
    this.#fence.asked(key, request.pod);
    const isRepeated = this.#options.node.pool.leaseOf(request.attachment) !== undefined;
    const identified = this.#identify(key, request);
    const obtained = await (identified === undefined
      ? this.#obtain(key, request, signal)
      : this.#obtainFor(identified, key, request, signal));
    const { node, ledger, promises } = this.#options;
    const lease = node.pool.leaseOf(request.attachment);
    // A DEL may have come between the commit and this answer.
    if (!isSameLease(lease, obtained)) throw this.#noAddress({ request, sinceMs: obtained.leasedAtMs }, DELETED);
    const breach = replyBreach(node, ledger, request.attachment, lease);
    if (breach !== undefined) throw promises.refuse(breach);
    const other = request.wanted === undefined ? undefined : otherThanWanted(lease, request.wanted);
    if (other !== undefined) throw this.#refused(request, other);
    await this.#reach(lease, isRepeated);
    return answerOf(node, lease);
  }

  /** Ends the lease; resolves once durable, or once queued for a disk that refuses to write. */
  async remove(attachment: Attachment, pod?: Pod): Promise<void> {
    const key = attachmentKey(attachment);
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) {
      this.#waiting.delete(key);
      waiting.first.reject(this.#noAddress(waiting.first, DELETED));
    }
    this.#identifying.end(key);
    this.#options.fixed.end(
      key,
      new EnidError("ENID_NO_ADDRESS", { pod: pod?.name ?? "", waitedMs: 0, reason: DELETED }),
    );
    // An ADD that comes now is another one: it must not be answered with the lease that ends here.
    this.#committing.delete(key);
    const { node, clock, ledger, history } = this.#options;
    const nowMs = clock.nowMs();
    const ending = this.#fence.toEnd(key, attachment, pod);
    const ended = node.pool.release(ending, nowMs, node.settings.values["cooling-seconds"] * 1_000);
    if (ended === undefined) return;
    const isFixed = this.#options.fixed.released(ended.lease);
    for (const address of addressesOf(ended.lease)) {
      const then = isFixed && address === ended.lease.address ? "waits for its pod" : "cools down";
      history.add(nowMs, podName(ended.lease.pod), address, `${address} was released and ${then}`);
    }
    // Kept by the wall: the next process does not know how far the wall has left the steady time of this one.
    const cooling = { ...ended.cooling, untilMs: ended.cooling.untilMs + this.#options.wallAheadMs() };
    const changes: Change[] = [{ kind: "lease-end", lease: ended.lease, cooling }];
    if (isFixed) changes.push({ kind: "cooling-end", addresses: [ended.lease.address] });
    const written = ledger.eventually(changes);
    this.#options.changed(false);
    await written;
  }

  lookup(attachment: Attachment): Lease | undefined {
    const { node, ledger } = this.#options;
    const lease = node.pool.leaseOf(attachment);
    return lease !== undefined && ledger.holdsLease(lease) ? lease : undefined;
  }

  /**
   * An address that nothing reaches is of no use to the pod: its lease ends, and the runtime asks again. That of a repeated
   * ADD stays: a pod may run with it.
   */
  async #reach(lease: Lease, isRepeated: boolean): Promise<void> {
    const { reachable, node } = this.#options;
    try {
      await reachable(lease);
    } catch (error) {
      const isHeld = isSameLease(node.pool.leaseOf(lease.attachment), lease);
      if (isHeld && !isRepeated) await this.remove(lease.attachment);
      throw error;
    }
    // A DEL may have come meanwhile.
    if (!isSameLease(node.pool.leaseOf(lease.attachment), lease))
      throw this.#noAddress({ request: lease, sinceMs: lease.leasedAtMs }, DELETED);
  }

  /** Gives what is free to those who wait longest. */
  serve(): void {
    if (this.#waiting.size === 0 || this.#options.closed() !== undefined) return;
    let isEmpty = false;
    for (const [key, { first }] of this.#waiting) {
      const { request } = first;
      // Behind one who gets none, only those are looked at whom waiting cannot help.
      const lease = isEmpty ? this.#hopelessWish(request) : this.#lease(key, request);
      if (lease === undefined) {
        isEmpty = true;
        continue;
      }
      this.#waiting.delete(key);
      lease.then(first.resolve, first.reject);
    }
  }

  /** Fails those whose time is over, and those whom nothing under way can serve. */
  expire(hopeless: { readonly count: number; readonly reason: EnidError } | undefined): void {
    if (this.#waiting.size === 0) return;
    const nowMs = this.#options.clock.nowMs();
    for (const [key, { first }] of this.#waiting) {
      if (first.deadlineMs > nowMs) continue;
      this.#fail(key, first, this.#options.closed() ?? this.#options.whyNone());
    }
    if (hopeless === undefined) return;
    const last = [...this.#waiting].slice(Math.max(0, this.#waiting.size - hopeless.count));
    for (const [key, { first }] of last) this.#fail(key, first, hopeless.reason);
  }

  /** Usable addresses whose cooling ends before the time of the last that waits is over. */
  coolingInTime(): number {
    const { pool } = this.#options.node;
    const latestMs = Math.max(...[...this.#waiting.values()].map(({ first }) => first.deadlineMs));
    let inTime = 0;
    for (const { untilMs } of pool.coolings()) if (untilMs < latestMs) inTime++;
    return Math.min(inTime, pool.usableCounts(this.#options.node.family).cooling);
  }

  rejectAll(error: EnidError): void {
    for (const { first } of this.#waiting.values()) first.reject(error);
    this.#waiting.clear();
    this.#identifying.endAll(error);
    this.#options.fixed.endAll(error);
  }

  /** When an address has cooled down or the time of one who waits is over, after `nowMs`; Infinity = neither. */
  nextMs(nowMs: number): number {
    let nextMs = soonest(NEVER, this.#options.node.pool.nextCoolingEndMs(), nowMs);
    for (const { first } of this.#waiting.values()) nextMs = soonest(nextMs, first.deadlineMs, nowMs);
    return nextMs;
  }

  /** Undefined when nothing has to be found out before a lease is made. */
  #identify(key: string, request: AddRequest): Promise<Sandbox | undefined> | undefined {
    // It joins the ADD before it, which found out.
    if (this.#committing.has(key) || this.#waiting.has(key)) return undefined;
    const sinceMs = this.#options.clock.nowMs();
    const deleted = () => this.#noAddress({ request, sinceMs }, DELETED);
    return this.#identifying.begin(key, request.sandboxPath, deleted, (sandbox) => {
      const lease = this.lookup(request.attachment);
      if (lease === undefined || lease.sandbox !== undefined || this.#committing.has(key)) return;
      // Never rejects: what the disk refuses leaves the lease as it is.
      void this.#again(key, lease, sandbox);
    });
  }

  async #obtainFor(
    identified: Promise<Sandbox | undefined>,
    key: string,
    request: AddRequest,
    signal: AbortSignal | undefined,
  ): Promise<Lease> {
    const sinceMs = this.#options.clock.nowMs();
    const sandbox = await identified;
    if (signal?.aborted) throw this.#noAddress({ request, sinceMs }, "the caller went away");
    return this.#obtain(key, sandbox === undefined ? request : { ...request, sandbox }, signal);
  }

  #obtain(key: string, request: LeaseRequest, signal: AbortSignal | undefined): Promise<Lease> {
    const committing = this.#committing.get(key);
    if (committing !== undefined) return committing;
    const existing = this.#options.node.pool.leaseOf(request.attachment);
    if (existing !== undefined) {
      if (this.#options.ledger.holdsLease(existing)) return this.#again(key, existing, request.sandbox);
      return Promise.reject(this.#noAddress({ request, sinceMs: existing.leasedAtMs }, UNWRITTEN));
    }
    const fixed = this.#options.fixed.add(key, request, (address, more) =>
      this.#leaseFixed(key, request, address, more),
    );
    if (fixed !== undefined) return fixed;
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) {
      waiting.first.callers += 1;
      this.#abandonOn(signal, key, waiting.first);
      return waiting.result;
    }

    if (this.#options.closed() === undefined) {
      // Those who wait come first: a newcomer must not take the address that just became free.
      const lease = this.#waiting.size === 0 ? this.#lease(key, request) : this.#hopelessWish(request);
      if (lease !== undefined) return lease;
    }
    return this.#wait(key, request, signal);
  }

  /**
   * Refuses at once who wants an address that cannot be had now. Such a pod does not wait: nothing that the node could
   * plan would bring that address, and waiting pods count as demand. The runtime asks again by itself.
   */
  #hopelessWish(request: AddRequest): Promise<Lease> | undefined {
    const { wanted, pod } = request;
    if (wanted === undefined) return undefined;
    const { node } = this.#options;
    const obstacle = node.pool.unavailable(wanted, node.settings.values["ip-families"]);
    if (obstacle === undefined) return undefined;
    return Promise.reject(this.#refused(request, unavailable(pod, obstacle.address, obstacle.why)));
  }

  #refused({ pod }: AddRequest, error: EnidError): EnidError {
    const { history, clock } = this.#options;
    history.add(clock.nowMs(), podName(pod), String(error.values.address), error.message);
    return error;
  }

  /** Leases this very address, which is kept for the pod. */
  #leaseFixed(key: string, request: LeaseRequest, address: string, more: readonly Change[]): Promise<Lease> {
    const wanted = [address, ...(request.wanted ?? []).filter((other) => familyOf(other) === "ipv6")];
    const reason = "no IPv6 address is free for it";
    const lease = this.#lease(key, { ...request, wanted }, more);
    return lease ?? Promise.reject(this.#noAddress({ request, sinceMs: this.#options.clock.nowMs() }, reason));
  }

  /** Takes an address out of the pool; resolves once that is durable, with `fixed`. Undefined when none is free. */
  #lease(key: string, request: LeaseRequest, fixed?: readonly Change[]): Promise<Lease> | undefined {
    const { node, clock, history } = this.#options;
    const nowMs = clock.nowMs();
    const families = node.settings.values["ip-families"];
    const { attachment, pod, wanted, sandbox } = request;
    const outcome = node.pool.lease(attachment, pod, nowMs, families, { wanted, sandbox, isKept: fixed !== undefined });
    if (outcome.kind === "none") return undefined;
    if (outcome.kind === "unavailable") {
      return Promise.reject(this.#refused(request, unavailable(pod, outcome.address, outcome.why)));
    }
    // The state had it (the pod waited since before that was loaded): durable already, and nothing may take it back.
    if (outcome.kind === "existing") return Promise.resolve(outcome.lease);
    for (const address of addressesOf(outcome.lease)) {
      history.add(nowMs, podName(pod), address, `${podName(pod)} was given ${address}`);
    }
    this.#options.changed(false);
    return this.#commit(key, outcome.lease, fixed);
  }

  #commit(key: string, lease: Lease, more: readonly Change[] = []): Promise<Lease> {
    const { ledger, node } = this.#options;
    // A DEL may have ended it meanwhile; then there is nothing to answer with, and nothing to take back.
    const holds = () => node.pool.leaseOf(lease.attachment) === lease;
    const written = ledger.must([...more, { kind: "lease-put", lease }]).then(
      () => {
        if (holds()) return lease;
        throw this.#noAddress({ request: lease, sinceMs: lease.leasedAtMs }, DELETED);
      },
      (error: EnidError) => {
        if (holds()) node.pool.undoLease(lease.attachment);
        throw error;
      },
    );
    return this.#whileCommitting(key, written);
  }

  /** A repeated ADD. */
  #again(key: string, lease: Lease, sandbox: Sandbox | undefined): Promise<Lease> {
    if (sandbox === undefined || isSameSandbox(lease.sandbox, sandbox)) return Promise.resolve(lease);
    const { node, ledger } = this.#options;
    return this.#whileCommitting(key, renewSandbox(node, ledger, lease, sandbox));
  }

  #whileCommitting(key: string, written: Promise<Lease>): Promise<Lease> {
    const committing = written.finally(() => {
      if (this.#committing.get(key) === committing) this.#committing.delete(key);
    });
    this.#committing.set(key, committing);
    return committing;
  }

  #wait(key: string, request: AddRequest, signal: AbortSignal | undefined): Promise<Lease> {
    if (this.#waiting.size >= LIMITS.waitingMax) {
      return Promise.reject(new EnidError("ENID_TOO_MANY_WAITING", { waiting: this.#waiting.size }));
    }
    const sinceMs = this.#options.clock.nowMs();
    const { promise, resolve, reject } = Promise.withResolvers<Lease>();
    const deadlineMs = sinceMs + this.#options.node.settings.values["add-wait-seconds"] * 1_000;
    const first = { request, sinceMs, deadlineMs, resolve, reject, callers: 1 };
    this.#waiting.set(key, { first, result: promise });
    this.#abandonOn(signal, key, first);
    this.#options.changed(true);
    return promise;
  }

  #abandonOn(signal: AbortSignal | undefined, key: string, waiting: Waiting): void {
    const abandon = () => {
      waiting.callers -= 1;
      if (waiting.callers > 0 || this.#waiting.get(key)?.first !== waiting) return;
      this.#waiting.delete(key);
      waiting.reject(this.#noAddress(waiting, "the caller went away while it waited"));
    };
    if (signal?.aborted) abandon();
    else signal?.addEventListener("abort", abandon, { once: true });
  }

  #fail(key: string, waiting: Waiting, reason: EnidError): void {
    this.#waiting.delete(key);
    const error = this.#noAddress(waiting, reason.message, reason);
    const { history, clock } = this.#options;
    history.add(clock.nowMs(), podName(waiting.request.pod), "", `no address: ${reason.message}. ${reason.remedy}`);
    waiting.reject(error);
  }

  #noAddress(waiting: Pick<Waiting, "request" | "sinceMs">, reason: string, cause?: EnidError): EnidError {
    const waitedMs = this.#options.clock.nowMs() - waiting.sinceMs;
    const details = cause?.toJSON();
    return new EnidError(
      "ENID_NO_ADDRESS",
      { pod: podName(waiting.request.pod), waitedMs, reason },
      { ...(cause === undefined ? {} : { cause }), ...(details === undefined ? {} : { details }) },
    );
  }
}

/** Only a lease that is just being taken over from another IPAM: any other that is not durable yet is waited for. */
const UNWRITTEN = "the lease that is taken over for it is not durable yet; the next ADD gets it";
const DELETED = "the pod was deleted while it waited";
