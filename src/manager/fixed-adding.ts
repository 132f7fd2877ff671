import { sleep } from "../adapters/index.ts";
import { coerceError, EnidError } from "../errors.ts";
import type { AddRequest } from "../handoff/cni/port.ts";
import { familyOf, type Lease } from "../pool/index.ts";
import { enterFixed } from "./fixed-entering.ts";
import { type Candidate, freeSingle, noneLeft, ofRanges } from "./fixed-first.ts";
import { blockHere } from "./fixed-held.ts";
import { isReallyHere, outOfReach } from "./fixed-reach.ts";
import type { FixedPod } from "./fixed-rules.ts";
import type { FixedAddingOptions, MakeLease, Work } from "./fixed-work.ts";
import { LIMITS } from "./limits.ts";
import type { FixedRecord, FixedRecords } from "./ports/index.ts";
import type { WaitingReport } from "./reports.ts";

/** ADD of pods that keep their address: found out, brought here, leased, and told to the fleet before the reply. */
export class FixedAdding {
  readonly #options: FixedAddingOptions;
  readonly #works = new Map<string, Work>();
  /** When each pod asked last; wall ms. */
  readonly #askedAtMs = new Map<string, number>();

  constructor(options: FixedAddingOptions) {
    this.#options = options;
  }

  /** `key` names the attachment: a repeated ADD joins the first. */
  obtain(key: string, request: AddRequest, fixed: FixedPod, make: MakeLease): Promise<Lease> {
    const joined = this.#works.get(key);
    if (joined !== undefined) return joined.result.promise;
    const { clock, node, soon } = this.#options;
    const sinceMs = clock.nowMs();
    const deadlineMs = sinceMs + node.settings.values["add-wait-seconds"] * 1_000;
    const result = Promise.withResolvers<Lease>();
    const work: Work = {
      request,
      fixed,
      make,
      sinceMs,
      deadlineMs,
      over: new AbortController(),
      result,
      waitingFor: "",
    };
    this.#works.set(key, work);
    this.#asked(fixed.key, sinceMs);
    void this.#carryOut(work)
      .then(result.resolve, (thrown) => result.reject(coerceError(thrown)))
      .finally(() => {
        if (this.#works.get(key) === work) this.#works.delete(key);
        soon(fixed.key);
      });
    return result.promise;
  }

  /** A DEL came, or the end of all. */
  end(key: string, error: EnidError): void {
    const work = this.#works.get(key);
    if (work === undefined) return;
    this.#works.delete(key);
    this.#askedAtMs.delete(work.fixed.key);
    work.over.abort(error);
    work.result.reject(error);
  }

  endAll(error: EnidError): void {
    for (const key of [...this.#works.keys()]) this.end(key, error);
  }

  /** An ADD of the pod is under way: what becomes of its address is decided there. */
  isBusy(pod: string): boolean {
    for (const { fixed } of this.#works.values()) if (fixed.key === pod) return true;
    return false;
  }

  /** Since when no ADD asked for it; wall ms, 0 = not since the start. */
  askedAtMs(pod: string): number {
    return this.#askedAtMs.get(pod) ?? 0;
  }

  /** Another node wants it: a pod that does not ask now has asked for the last time. */
  wanted(pod: string): void {
    if (!this.isBusy(pod)) this.#askedAtMs.delete(pod);
  }

  waiting(): readonly WaitingReport[] {
    return [...this.#works.values()].map(({ request: { pod, attachment }, fixed, sinceMs, deadlineMs, waitingFor }) => {
      const because = this.#options.taking.waitingFor(fixed.key) || waitingFor;
      return { pod, attachment, sinceMs, deadlineMs, ...(because === "" ? {} : { waitingFor: because }) };
    });
  }

  async #carryOut(work: Work): Promise<Lease> {
    const { key } = work.fixed;
    await this.#until(work, () => this.#obstacle(work));
    for (;;) {
      const record = (await this.#claimed(work)) ?? (await this.#first(work));
      const lease = record === undefined ? undefined : await this.#serve(work, record);
      if (lease !== undefined) return lease;
      // Somebody was faster: what is true now is asked for anew.
      await this.#pause(work, LIMITS.fixedLookMs, `the record of ${key}, which nodes may still say that they hold`);
    }
  }

  /** Why the pod cannot be looked after yet. */
  #obstacle(work: Work): string | undefined {
    const { node, closed } = this.#options;
    const { fixed, request } = work;
    const isClosed = closed();
    if (isClosed !== undefined) return isClosed.message;
    if (node.facts === undefined && !this.#isHere(fixed.key)) {
      this.#options.hurry();
      return "the node to be identified";
    }
    if (node.settings.values["ip-families"] === "ipv6")
      throw new EnidError("ENID_FIXED_NONE_LEFT", { ...said(fixed), detail: "pods of this node get no IPv4 address" });
    for (const other of this.#works.values()) {
      if (other !== work && other.fixed.key === fixed.key && other.sinceMs <= work.sinceMs)
        return `container ${other.request.attachment.containerId}, which asks for it too`;
    }
    for (const lease of node.pool.leases()) {
      const isPods = lease.pod.namespace === request.pod.namespace && lease.pod.name === request.pod.name;
      if (isPods && node.fixed.get(fixed.key)?.address === lease.address)
        return `the DEL of container ${lease.attachment.containerId}, which has it`;
    }
    return undefined;
  }

  /** The pod's record, which is this node's now; undefined = it has none. */
  async #claimed(work: Work): Promise<FixedRecord | undefined> {
    const { records, book } = this.#options;
    const { fixed } = work;
    if (records === undefined) throw new EnidError("ENID_FIXED_NEEDS_FLEET", said(fixed));
    try {
      if (!this.#isHere(fixed.key)) await this.#withinReach(work, records);
      return await this.#claim(work, records);
    } catch (thrown) {
      const error = coerceError(thrown);
      if (error.code !== "ENID_FLEET_AWAY" && error.code !== "ENID_FLEET_FAILED") throw error;
      const known = book.own(fixed.key);
      if (known === undefined || known.epoch === 0) throw error;
      const isHere = await isReallyHere(this.#options, known, work.over.signal);
      this.#check(work);
      if (!isHere) throw error;
      return known;
    }
  }

  #isHere(pod: string): boolean {
    const own = this.#options.book.own(pod);
    return own !== undefined && blockHere(this.#options.node, own) !== undefined;
  }

  /** Before it is claimed: what can never be here is left to those that can have it. */
  async #withinReach(work: Work, records: FixedRecords): Promise<void> {
    const { node } = this.#options;
    const found = await records.find(work.fixed.key);
    this.#check(work);
    if (found === undefined) return;
    const needsSubnets = () => (node.hasRanges || node.resolution !== undefined ? undefined : "the allowed subnets");
    await this.#until(work, needsSubnets);
    const error = outOfReach(node, found);
    if (error !== undefined) throw error;
  }

  async #claim(work: Work, records: FixedRecords): Promise<FixedRecord | undefined> {
    const { book, sync, losses } = this.#options;
    const { key } = work.fixed;
    let isSynced = false;
    for (;;) {
      const answer = await records.claim(key);
      const own = book.own(key);
      if (answer.kind === "claimed") {
        const { record, from } = answer;
        if (own === undefined || (from !== "" && from !== record.holder)) this.#distrust(record);
        // Known at once, so that nobody gets the address; durable with the lease, or before it is brought here.
        work.waitingFor = from === "" || from === record.holder ? "" : `${record.address} from ${from}`;
        await this.#learn(record);
        this.#check(work);
        return record;
      }
      this.#check(work);
      if (own !== undefined && own.epoch > 0 && answer.kind !== "held" && !isSynced) {
        // The fleet lost it: what this node knows is brought back.
        isSynced = true;
        await sync();
        continue;
      }
      if (answer.kind === "none") {
        if (own !== undefined && own.epoch > 0) losses.gone(key);
        return undefined;
      }
      if (answer.kind === "held" && own !== undefined) {
        if (own.epoch === 0) void this.#options.ledger.eventually(book.forget(key));
        // A record of an earlier epoch is what a store that lost writes remembers: the sync brings back what it lost.
        else if (answer.record.holder !== own.holder && answer.record.epoch >= own.epoch) losses.lost(answer.record);
      }
      const because = answer.kind === "held" ? answer.because : "the nodes to say again what they hold";
      await this.#pause(work, answer.retryMs, because, answer.kind === "held" ? answer.record : undefined);
    }
  }

  /** Another node had it meanwhile: what is still here in the pool may be there no more, and is brought here anew. */
  #distrust(record: FixedRecord): void {
    const { node, ledger } = this.#options;
    if (node.hasRanges) return;
    const block = blockHere(node, record);
    if (block === undefined || block.free === 0) return;
    node.pool.removeBlock(block.block.cidr);
    void ledger.eventually([{ kind: "blocks-remove", cidrs: [block.block.cidr] }]);
  }

  /** What is not here yet must be durable before anything is done for it. */
  async #learn(record: FixedRecord): Promise<void> {
    const { book, ledger, node } = this.#options;
    const changes = book.learn(record);
    if (changes.length === 0) return;
    // One commit, with the lease that follows in the same turn; or alone, before the cloud is asked for the address.
    if (blockHere(node, record) === undefined) await ledger.must(changes);
    else void ledger.eventually(changes);
  }

  /** The first record of the pod; undefined = it has one by now. */
  async #first(work: Work): Promise<FixedRecord | undefined> {
    const { records, node, book, ledger } = this.#options;
    const { fixed } = work;
    if (records === undefined) return undefined;
    for await (const { address, subnetId } of this.#candidates(work)) {
      const zone = node.hasRanges ? "" : (node.facts?.availabilityZone ?? "");
      const first = { pod: fixed.key, address, subnetId, zone, keepMs: fixed.keepMs };
      const isHere = blockHere(node, first) !== undefined;
      // Fenced before the fleet is asked: after a crash in between no other pod has it.
      if (isHere) await ledger.must(book.learn({ ...first, ...TENTATIVE }));
      this.#check(work);
      const answer = await records.create(first);
      if (answer.kind === "done") {
        await this.#learn(answer.record);
        this.#check(work);
        return answer.record;
      }
      if (isHere) void ledger.eventually(book.forget(fixed.key));
      // Without a record the store waits for what the nodes hold.
      if (answer.record === undefined || answer.record.pod === fixed.key) return undefined;
      // It is another pod's, which may still come for it.
      if (isHere) void ledger.eventually(book.lost(answer.record));
      this.#check(work);
    }
    throw noneLeft(node, fixed, this.#asked4(work));
  }

  async *#candidates(work: Work): AsyncIterable<Candidate> {
    const { node, book, random, taking } = this.#options;
    const { fixed } = work;
    const asked = this.#asked4(work);
    const before = book.own(fixed.key);
    if (before?.epoch === 0 && blockHere(node, before) !== undefined) yield before;
    if (!node.hasRanges) {
      for (let found = freeSingle(node, fixed, asked); found !== undefined; found = freeSingle(node, fixed, asked))
        yield found;
    }
    if (fixed.ranges.length > 0) yield* ofRanges(node, fixed, asked, random);
    else if (!node.hasRanges && asked === undefined) {
      await this.#until(work, () => (node.resolution === undefined ? "the allowed subnets" : undefined));
      const subnetIds = (node.resolution?.subnets ?? []).map(({ id }) => id);
      const address = await taking.take({ pod: fixed.key, subnetIds }, work.deadlineMs);
      const interfaceId = node.pool.blockOf(address)?.interfaceId ?? "";
      yield { address, subnetId: node.interfaces.get(interfaceId)?.subnetId ?? "" };
    }
  }

  /** Undefined = the record is another one by now. */
  async #serve(work: Work, record: FixedRecord): Promise<Lease | undefined> {
    const { book, node } = this.#options;
    const { fixed, make } = work;
    const asked = this.#asked4(work);
    if (asked !== undefined && asked !== record.address) {
      const values = { pod: fixed.key, address: asked, reason: `its address for life is ${record.address}` };
      throw new EnidError("ENID_ADDRESS_UNAVAILABLE", values);
    }
    await this.#bring(work, record);
    this.#check(work);
    const own = book.own(fixed.key);
    if (own === undefined || own.address !== record.address || own.epoch === 0) return undefined;
    if (node.pool.stateOf(record.address) === "leased") return undefined;
    const lease = await make(record.address, [{ kind: "fixed-put", record: own }]);
    await this.#bind(work, own);
    return lease;
  }

  async #bring(work: Work, record: FixedRecord): Promise<void> {
    const { node, taking, losses, ledger } = this.#options;
    const block = blockHere(node, record);
    if (block !== undefined && node.pool.interface(block.block.interfaceId)?.usable === true) return;
    if (node.hasRanges) await enterFixed(node, ledger, record);
    else {
      const error = outOfReach(node, record);
      if (error !== undefined) throw error;
      const { pod, address, subnetId } = record;
      await taking.take({ pod, address, subnetIds: [subnetId] }, work.deadlineMs);
    }
    losses.came(record);
  }

  /** The fleet knows before the reply; should it be away by now, the node holds the record durably and tells it later. */
  async #bind(work: Work, { pod, epoch, state, address }: FixedRecord): Promise<void> {
    const { records, book, ledger, losses, end, sync } = this.#options;
    if (state === "bound" || records === undefined) return;
    const answer = await records.bind(pod, epoch).catch(() => undefined);
    if (answer === undefined) return;
    if (answer.kind === "done") {
      void ledger.eventually(book.learn(answer.record));
      return;
    }
    if (answer.record === undefined || answer.record.epoch < epoch) {
      // The store lost it just now: what this node knows is brought back, and bound later.
      await sync().catch(() => undefined);
      if (book.own(pod)?.address === address) return;
    } else losses.lost(answer.record);
    await end(work.request.attachment);
    const holder = answer.record?.holderName ?? "nobody";
    throw new EnidError("ENID_FIXED_HELD", { pod, address, holder, because: "it was given to that node meanwhile" });
  }

  /** The IPv4 address that the pod asks for by itself. */
  #asked4({ request: { wanted } }: Work): string | undefined {
    return wanted?.find((address) => familyOf(address) === "ipv4");
  }

  #asked(pod: string, nowMs: number): void {
    this.#askedAtMs.set(pod, nowMs);
    for (const [other, atMs] of this.#askedAtMs)
      if (nowMs - atMs > LIMITS.fixedAbandonedMs) this.#askedAtMs.delete(other);
  }

  #check({ over }: Work): void {
    over.signal.throwIfAborted();
  }

  /** Looks again and again until nothing is in the way, for as long as the ADD may wait. */
  async #until(work: Work, obstacle: () => string | undefined): Promise<void> {
    for (let because = obstacle(); because !== undefined; because = obstacle()) {
      await this.#pause(work, LIMITS.fixedLookMs, because);
    }
  }

  /** Rejects when the time of the ADD would be over, or a DEL came. `held`: by whom. */
  async #pause(work: Work, pauseMs: number, because: string, held?: FixedRecord): Promise<void> {
    const { clock } = this.#options;
    const { fixed, deadlineMs, over } = work;
    work.waitingFor = because;
    const leftMs = deadlineMs - clock.nowMs();
    if (leftMs > 0) return sleep(clock, Math.min(leftMs, pauseMs), over.signal);
    if (held !== undefined) {
      const { address, holderName } = held;
      throw new EnidError("ENID_FIXED_HELD", { pod: fixed.key, address, holder: holderName || "nobody", because });
    }
    throw new EnidError("ENID_FIXED_MOVING", { pod: fixed.key, address: "its address", waitingFor: because });
  }
}

/** What is fenced for a pod before the fleet knows of it. */
const TENTATIVE = { epoch: 0, holder: "this node", holderName: "", state: "moving" } as const;

function said({ key, because }: FixedPod): { pod: string; rule: string } {
  return { pod: key, rule: because };
}
