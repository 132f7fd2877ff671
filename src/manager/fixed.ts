import type { Clock, Random } from "../adapters/index.ts";
import type { EnidError } from "../errors.ts";
import type { AddRequest } from "../handoff/cni/port.ts";
import type { Attachment, Lease } from "../pool/index.ts";
import type { Actor } from "./acting.ts";
import type { Activities } from "./activities.ts";
import type { Degradations } from "./degradations.ts";
import { FixedAdding } from "./fixed-adding.ts";
import { FixedBook } from "./fixed-book.ts";
import { fixedAt } from "./fixed-held.ts";
import { FixedLosses } from "./fixed-losses.ts";
import { addressesOf } from "./fixed-prefixes.ts";
import { fixedPod } from "./fixed-rules.ts";
import { FixedSync } from "./fixed-sync.ts";
import { FixedTaking } from "./fixed-taking.ts";
import type { MakeLease } from "./fixed-work.ts";
import type { History } from "./history.ts";
import type { Ledger } from "./ledger.ts";
import { NEVER } from "./moments.ts";
import type { NodeState } from "./node.ts";
import type { Change, FixedRecord, Fleet, Provider, Telemetry } from "./ports/index.ts";
import type { WaitingReport } from "./reports.ts";
import { Reservations } from "./reservations.ts";
import type { Restraint } from "./restraint.ts";

export interface FixedOptions {
  readonly node: NodeState;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly random: Random;
  readonly history: History;
  readonly telemetry: Pick<Telemetry, "event">;
  readonly degradations: Degradations;
  readonly activities: Activities;
  readonly restraint: Restraint;
  readonly provider: Pick<Provider, "observe" | "reservations">;
  readonly actor: Pick<Actor, "begin">;
  readonly fleet: Fleet | undefined;
  readonly current: () => boolean;
  readonly closed: () => EnidError | undefined;
  readonly end: (attachment: Attachment) => Promise<void>;
  readonly hurry: () => void;
  readonly wake: () => void;
}

/** Addresses that follow their pods: this node's part of it (docs/fleet.md). */
export class Fixed {
  readonly #options: FixedOptions;
  readonly #book: FixedBook;
  readonly #losses: FixedLosses;
  readonly #taking: FixedTaking;
  readonly #adding: FixedAdding;
  readonly #sync: FixedSync | undefined;
  readonly #reservations: Reservations;

  constructor(options: FixedOptions) {
    const { node, fleet } = options;
    this.#options = options;
    this.#book = new FixedBook(node);
    this.#losses = new FixedLosses({ ...options, book: this.#book });
    this.#taking = new FixedTaking(options);
    const parts = { book: this.#book, losses: this.#losses };
    this.#reservations = new Reservations(options);
    this.#adding = new FixedAdding({
      ...options,
      ...parts,
      taking: this.#taking,
      records: fleet?.fixed,
      sync: () => this.#sync?.sync() ?? Promise.resolve(),
      soon: (pod) => this.#sync?.soon(pod),
    });
    const isReserved = (address: string) => this.#reservations.covers(address);
    this.#sync =
      fleet === undefined
        ? undefined
        : new FixedSync({ ...options, ...parts, fleet, adding: this.#adding, isReserved });
  }

  /**
   * Of addresses that the cloud just gave to this node: what is fenced here, because they are fixed ones of pods that this
   * node does not have. The cloud gives away what a node that is gone had; the pod will still come for it, and its node then
   * takes it from here. In force before the addresses join the pool, as long as the fleet can be asked.
   */
  async fence(cidrs: readonly string[]): Promise<readonly Change[]> {
    const { fleet, node } = this.#options;
    const addresses = cidrs.flatMap(addressesOf);
    if (fleet === undefined || addresses.length === 0 || !fleet.report().connected) return [];
    const records = await fleet.fixed.among(addresses).catch(() => []);
    const others = records.filter(({ pod, address }) => this.#book.own(pod) === undefined && !fixedAt(node, address));
    return others.flatMap((record) => this.#losses.fence(record));
  }

  /** From the state, once the pool has its blocks and before anything is leased. */
  restore(records: readonly FixedRecord[]): void {
    this.#book.restore(records);
  }

  /** Undefined for a pod that gets whichever address is free. `key` names the attachment. */
  add(key: string, request: AddRequest, make: MakeLease): Promise<Lease> | undefined {
    const pod = fixedPod(this.#options.node.settings.values, request.pod, request.annotations);
    return pod === undefined ? undefined : this.#adding.obtain(key, request, pod, make);
  }

  /** The lease ended: the address waits for its pod. Answers whether it is a fixed one, which does not cool. */
  released({ address }: Lease): boolean {
    const record = fixedAt(this.#options.node, address);
    if (record === undefined) return false;
    this.#losses.look();
    this.#sync?.soon(record.pod);
    return true;
  }

  /** A DEL came, or the end of all. */
  end(key: string, error: EnidError): void {
    this.#adding.end(key, error);
  }

  endAll(error: EnidError): void {
    this.#adding.endAll(error);
    this.#taking.endAll(error);
  }

  /** What a plan says beside its reasons, a sentence each. */
  remarks(): readonly string[] {
    return this.#reservations.remarks();
  }

  waiting(): readonly WaitingReport[] {
    return this.#adding.waiting();
  }

  /** In every round, before planning. */
  look(nowMs: number): void {
    if (this.#options.node.fixed.size > 0) this.#losses.look();
    this.#taking.look();
    if (this.#sync === undefined) return;
    this.#reservations.look(nowMs);
    this.#sync.look(nowMs);
  }

  nextMs(nowMs: number): number {
    const reservationsMs = this.#reservations.nextMs(nowMs);
    return Math.min(this.#taking.nextMs(nowMs), reservationsMs, this.#sync?.nextMs(nowMs) ?? NEVER);
  }
}
