import { type Clock, jitterMs, type Random } from "../adapters/index.ts";
import { EnidError } from "../errors.ts";
import { cidrHolds } from "../pool/index.ts";
import type { Activities } from "./activities.ts";
import type { Degradations } from "./degradations.ts";
import { LIMITS } from "./limits.ts";
import { NEVER, soonest } from "./moments.ts";
import type { NodeState } from "./node.ts";
import type { Provider, Reservation } from "./ports/index.ts";
import { rangesToReserve, subnetsOf, unreserved, unreservedError } from "./unreserved.ts";

export interface ReservationsOptions {
  readonly node: NodeState;
  readonly provider: Pick<Provider, "reservations">;
  readonly activities: Activities;
  readonly degradations: Degradations;
  readonly clock: Clock;
  readonly random: Random;
}

/** What was asked, and in which condition of the node. */
interface Question {
  readonly ranges: readonly string[];
  readonly subnets: readonly { readonly id: string; readonly cidr: string }[];
}

/**
 * Whether EC2 keeps the fixed addresses of rules from everybody who does not name them, so that they need not wait on a node
 * (`fixed-parking`). Asked at the start, after a change of the settings or the subnets, hourly, and more often while something
 * is missing. What is not known to be reserved counts as not reserved. Without that setting nothing is asked.
 */
export class Reservations {
  readonly #options: ReservationsOptions;
  #condition: readonly unknown[] = [];
  #question: Question = { ranges: [], subnets: [] };
  #known: readonly Reservation[] = [];
  /** Wall ms of the last answer that still counts. */
  #knownAtMs: number | undefined;
  #dueMs = NEVER;

  constructor(options: ReservationsOptions) {
    this.#options = options;
  }

  /** Whether EC2 gives the address, which is on this node, to nobody who does not name it, once it is given back. */
  covers(address: string): boolean {
    const { node, clock } = this.#options;
    const subnetId = node.interfaces.get(node.pool.blockOf(address)?.interfaceId ?? "")?.subnetId;
    if (this.#knownAtMs === undefined || clock.nowMs() - this.#knownAtMs > LIMITS.reservationsTrustedMs) return false;
    return this.#known.some(
      (one) => one.kind === "explicit" && one.subnetId === subnetId && cidrHolds(one.cidr, address),
    );
  }

  /** In every round. */
  look(nowMs: number): void {
    const { node, activities } = this.#options;
    if (this.#conditionChanged()) this.#question = this.#ask(nowMs);
    if (nowMs < this.#dueMs || node.facts === undefined || activities.isRunning(NAME)) return;
    const question = this.#question;
    activities.run(
      NAME,
      async (signal) => this.#answered(question, await this.#read(question, signal)),
      (error) => this.#failed(question, error),
    );
  }

  nextMs(nowMs: number): number {
    return soonest(NEVER, this.#dueMs, nowMs);
  }

  /** What a plan says of it, a sentence each. */
  remarks(): readonly string[] {
    const error = this.#options.degradations.errorOf("fixed-unreserved");
    return error === undefined ? [] : [error.message, error.remedy];
  }

  /** Neither settings nor resolutions are changed in place. */
  #conditionChanged(): boolean {
    const { settings, resolution, interfaces } = this.#options.node;
    const condition = [settings, resolution, interfaces.size];
    if (condition.every((part, at) => part === this.#condition[at])) return false;
    this.#condition = condition;
    return true;
  }

  /** The question of now; due at once where it is another one than before. */
  #ask(nowMs: number): Question {
    const { node, degradations } = this.#options;
    const ranges = node.hasRanges ? [] : rangesToReserve(node.settings.values);
    if (ranges.length === 0) {
      this.#known = [];
      this.#knownAtMs = undefined;
      this.#dueMs = NEVER;
      degradations.clear("fixed-unreserved");
      return { ranges, subnets: [] };
    }
    // While the selection is asked anew, what was asked before stands.
    if (node.resolution === undefined) return this.#question;
    const ofInterfaces = [...node.interfaces.values()].map(({ subnetId: id, subnetCidr: cidr }) => ({ id, cidr }));
    const byId = new Map([...ofInterfaces, ...node.resolution.subnets].map(({ id, cidr }) => [id, { id, cidr }]));
    const subnets = subnetsOf(ranges, [...byId.values()]).sort((a, b) => (a.id < b.id ? -1 : 1));
    const question = { ranges, subnets };
    // The same one may be under way.
    if (JSON.stringify(question) === JSON.stringify(this.#question)) return this.#question;
    this.#dueMs = nowMs;
    return question;
  }

  #read({ subnets }: Question, signal: AbortSignal): Promise<readonly Reservation[]> {
    const { provider, activities } = this.#options;
    if (subnets.length === 0) return Promise.resolve([]);
    const ids = subnets.map(({ id }) => id);
    return activities.patiently(provider.reservations?.(ids, signal) ?? Promise.resolve([]), signal);
  }

  #answered(question: Question, reservations: readonly Reservation[]): void {
    if (question !== this.#question) return;
    const { clock, random, degradations } = this.#options;
    const nowMs = clock.nowMs();
    this.#known = reservations;
    this.#knownAtMs = nowMs;
    const missing = unreserved(question.ranges, question.subnets, reservations);
    const pauseMs = missing.length > 0 ? LIMITS.reservationsAgainMs : LIMITS.reservationsEveryMs;
    this.#dueMs = nowMs + jitterMs(random, pauseMs);
    if (missing.length === 0) degradations.clear("fixed-unreserved");
    else degradations.set("fixed-unreserved", unreservedError(missing), nowMs);
  }

  /** What was known still counts for a while, unless EC2 says that it is not for this node to know. */
  #failed(question: Question, error: EnidError): void {
    if (question !== this.#question) return;
    const { clock, random, degradations } = this.#options;
    const nowMs = clock.nowMs();
    this.#dueMs = nowMs + jitterMs(random, LIMITS.reservationsAgainMs);
    if (error.code === "ENID_EC2_UNAUTHORIZED") this.#knownAtMs = undefined;
    if (this.#knownAtMs !== undefined && nowMs - this.#knownAtMs <= LIMITS.reservationsTrustedMs) return;
    const ranges = question.ranges.join(", ");
    const subnets = question.subnets.map(({ id }) => id).join(", ");
    const values = { ranges, subnets, detail: error.message };
    degradations.set("fixed-unreserved", new EnidError("ENID_FIXED_RESERVATIONS_UNKNOWN", values), nowMs);
  }
}

const NAME = "reservations";
