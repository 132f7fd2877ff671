import type { Clock } from "../adapters/index.ts";
import { cidrHolds } from "../pool/index.ts";
import type { Actor } from "./acting.ts";
import type { Degradations } from "./degradations.ts";
import type { FixedBook } from "./fixed-book.ts";
import { blockHere, fixedLostBy, isElsewhere, leaseOfFixed } from "./fixed-held.ts";
import { freePrefixOf, prefixOf, releaseKept } from "./fixed-prefixes.ts";
import type { History } from "./history.ts";
import type { Ledger } from "./ledger.ts";
import { LIMITS } from "./limits.ts";
import type { NodeState } from "./node.ts";
import type { Change, FixedRecord, Telemetry } from "./ports/index.ts";

export interface FixedLossesOptions {
  readonly node: NodeState;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly history: History;
  readonly telemetry: Pick<Telemetry, "event">;
  readonly degradations: Degradations;
  readonly book: FixedBook;
  readonly actor: Pick<Actor, "begin">;
}

/**
 * Fixed addresses that come to the node, and that it has no right to any more. One that another node has is used by nobody
 * here, whatever the cloud still shows, until it has left: on AWS EC2 says when it has, on-premises that is at once, or with
 * the last word of its pod.
 */
export class FixedLosses {
  readonly #options: FixedLossesOptions;
  /** Since when it is not here, as far as this node knows; wall ms. */
  readonly #leftSinceMs = new WeakMap<FixedRecord, number>();

  constructor(options: FixedLossesOptions) {
    this.#options = options;
  }

  came({ pod, address, epoch }: FixedRecord): void {
    this.#tell("fixed-address-came", "info", pod, address, `${address} of ${pod} is on this node now`, { epoch });
  }

  /** It came here by chance: until its node takes it from here, or its record is over, nobody gets it. */
  fence(record: FixedRecord): readonly Change[] {
    const { pod, address } = record;
    const message = `${address}, which the cloud gave to this node, is the fixed address of ${pod}: no other pod gets it`;
    this.#tell("fixed-address-fenced", "info", pod, address, message, {});
    return this.#options.book.lost(record);
  }

  /** Another node has it, or will have. */
  lost(record: FixedRecord): void {
    const { node, ledger, book, clock, degradations } = this.#options;
    const known = book.own(record.pod);
    if (known === undefined) return;
    const { pod, address } = known;
    const holder = record.holderName || "nobody";
    const lease = leaseOfFixed(node, known);
    if (lease !== undefined && record.address !== address && this.#isOrdinary(address)) {
      // The store lost the first record and this node made another one. Nobody but this pod has this address.
      const message = `the address of ${pod} is ${record.address}, with ${holder}; the pod here goes on with ${address}, the next one gets the other`;
      this.#tell("fixed-address-over", "info", pod, address, message, { holder });
      void ledger.eventually(book.forget(pod));
      return;
    }
    void ledger.eventually(book.lost({ ...record, address }));
    if (lease === undefined) {
      this.#tell("fixed-address-left", "info", pod, address, `${address} of ${pod} is with ${holder} now`, { holder });
      this.look();
      return;
    }
    node.lostSinceMs.set(`${address}/32`, clock.nowMs());
    const error = fixedLostBy(node, lease);
    if (error === undefined) return;
    degradations.set("address-denied", error, clock.nowMs());
    this.#tell("fixed-address-lost", "error", pod, address, error.message, { holder });
  }

  /** The pod has no record any more: on AWS its address is like any other, on-premises it is nobody's. */
  gone(pod: string): void {
    const { node, ledger, book } = this.#options;
    const known = book.own(pod);
    if (known === undefined) return;
    const { address } = known;
    const isLeased = leaseOfFixed(node, known) !== undefined;
    if (isLeased && node.hasRanges) {
      this.lost({ ...known, holder: "", holderName: "" });
      return;
    }
    this.#tell("fixed-address-over", "info", pod, address, `${address} is kept for ${pod} no longer`, {});
    if (!isLeased && (node.hasRanges || this.#isOfRanges(address))) {
      void ledger.eventually(book.lost({ ...known, holder: "", holderName: "" }));
      this.giveBack({ ...known, holder: "" });
      this.look();
    } else void ledger.eventually(book.forget(pod));
  }

  /** What nobody has a record of goes back to the cloud where ordinary pods must not have it; elsewhere it is any pod's. */
  giveBack({ pod, address }: FixedRecord): void {
    const { node, ledger, book, actor } = this.#options;
    const block = blockHere(node, { address });
    if (prefixOf(node, address) !== undefined) void ledger.eventually(book.forget(pod));
    if (block === undefined || node.hasRanges || block.leased > 0) return;
    if (!this.#isOfRanges(address)) {
      void ledger.eventually(book.forget(pod));
      return;
    }
    releaseKept(node, actor, block, `${address} is kept for ${pod} no longer`);
  }

  /** It waits for its pod where EC2 gives it to nobody by itself: in the reservation over the addresses of its rule. */
  leaveToReservation({ pod, address }: FixedRecord): void {
    const { node, actor } = this.#options;
    const block = blockHere(node, { address });
    if (block === undefined || node.hasRanges || block.leased > 0 || !this.#isOfRanges(address)) return;
    releaseKept(node, actor, block, `${address} waits for ${pod} in its reservation`);
  }

  /** Another node asks for it: a prefix here that holds it goes back. */
  asked({ pod, address }: FixedRecord): void {
    const { node, actor } = this.#options;
    freePrefixOf(node, actor, address, pod);
  }

  /** In every round: what has left is forgotten, once nothing that lags can bring it back. */
  look(): void {
    const { node, ledger, book, degradations } = this.#options;
    for (const record of book.leaving()) {
      const cidr = `${record.address}/32`;
      const block = node.pool.block(cidr);
      const isHere = block !== undefined && (!node.hasRanges || block.leased > 0);
      if (isHere || prefixOf(node, record.address) !== undefined) {
        this.#leftSinceMs.delete(record);
        continue;
      }
      if (this.#mayComeBack(record)) continue;
      if (block !== undefined) {
        node.pool.removeBlock(cidr);
        void ledger.eventually([{ kind: "blocks-remove", cidrs: [cidr] }]);
      }
      void ledger.eventually(book.forget(record.pod));
      node.lostSinceMs.delete(cidr);
      if (node.lostSinceMs.size === 0) degradations.clear("address-denied");
    }
    // The pod that had lost it is gone; EC2 says when the address is.
    for (const cidr of node.fixed.size === 0 ? [] : [...node.lostSinceMs.keys()]) {
      if (isElsewhere(node, cidr) && node.pool.block(cidr)?.leased === 0) node.lostSinceMs.delete(cidr);
    }
  }

  /** Settling a call, or an observation, by a describe that lags would show it here: it would be like any other address. */
  #mayComeBack(record: FixedRecord): boolean {
    const { node, clock } = this.#options;
    if (node.hasRanges) return false;
    const sinceMs = this.#leftSinceMs.get(record) ?? clock.nowMs();
    this.#leftSinceMs.set(record, sinceMs);
    return clock.nowMs() - sinceMs < LIMITS.adoptionLagMs;
  }

  /** Without a record it is like any other address of the node. */
  #isOrdinary(address: string): boolean {
    return !this.#options.node.hasRanges && !this.#isOfRanges(address);
  }

  /** Addresses that rules name are for pods of rules alone. */
  #isOfRanges(address: string): boolean {
    return this.#options.node.settings.values.fixed.some(({ addresses = [] }) =>
      addresses.some((range) => cidrHolds(range, address)),
    );
  }

  #tell(
    name: string,
    level: "info" | "error",
    pod: string,
    address: string,
    message: string,
    fields: Record<string, unknown>,
  ): void {
    const { history, clock, telemetry } = this.#options;
    history.add(clock.nowMs(), pod, address, message);
    telemetry.event({ name, level, message, fields: { pod, address, ...fields } });
  }
}
