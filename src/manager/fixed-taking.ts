import type { Clock } from "../adapters/index.ts";
import { EnidError } from "../errors.ts";
import type { Step } from "../planning/index.ts";
import type { Actor } from "./acting.ts";
import { blockHere } from "./fixed-held.ts";
import { freePrefixOf } from "./fixed-prefixes.ts";
import { type Placement, placementIn } from "./fixed-room.ts";
import type { Ledger } from "./ledger.ts";
import { LIMITS } from "./limits.ts";
import { NEVER, soonest } from "./moments.ts";
import type { NodeState } from "./node.ts";
import type { NodeFacts } from "./ports/index.ts";
import { isPassing, type Restraint, stepFailure } from "./restraint.ts";

/** What is to come here. */
export interface Wanted {
  /** "namespace/name". */
  readonly pod: string;
  /** Absent = any single address of one of the subnets. */
  readonly address?: string;
  /** One of them, in order of liking. */
  readonly subnetIds: readonly string[];
}

interface Taking {
  readonly wanted: Wanted;
  readonly deadlineMs: number;
  readonly resolve: (address: string) => void;
  readonly reject: (error: EnidError) => void;
  /** Nothing is begun before then; wall ms. */
  notBeforeMs: number;
  waitingFor: string;
}

export interface FixedTakingOptions {
  readonly node: NodeState;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly restraint: Restraint;
  readonly actor: Pick<Actor, "begin">;
  /** What the node holds is known as it is now. */
  readonly current: () => boolean;
  /** Brings the next round forward, which looks when it has to come round again. */
  readonly wake: () => void;
}

/**
 * Brings single addresses to an interface of this node, by steps like any other: an address that is elsewhere, or any one of
 * a subnet. A full interface gives a free block back first. Each round looks at all of them before planning does, so that the
 * slot that was made free is not taken for something else.
 */
export class FixedTaking {
  readonly #options: FixedTakingOptions;
  readonly #takings = new Set<Taking>();
  /** By address: the interface that it was to come to last. */
  readonly #triedOn = new Map<string, { readonly interfaceId: string; readonly atMs: number }>();

  constructor(options: FixedTakingOptions) {
    this.#options = options;
  }

  /**
   * Resolves with the address once it is in the pool, kept for its pod, on an interface that carries pods. Rejects with
   * ENID_FIXED_NO_ROOM, ENID_FIXED_MOVE_FAILED, or ENID_FIXED_MOVING when the time is over.
   */
  take(wanted: Wanted, deadlineMs: number): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const taking: Taking = { wanted, deadlineMs, resolve, reject, notBeforeMs: 0, waitingFor: "its turn" };
    this.#takings.add(taking);
    this.#advance(taking);
    this.#options.wake();
    return promise;
  }

  /** What the pod's address waits for; empty = nothing. */
  waitingFor(pod: string): string {
    for (const { wanted, waitingFor } of this.#takings) if (wanted.pod === pod) return waitingFor;
    return "";
  }

  /** In every round, before planning. */
  look(): void {
    for (const taking of [...this.#takings]) this.#advance(taking);
  }

  /** When time alone changes something, after `nowMs`; Infinity = never. */
  nextMs(nowMs: number): number {
    let nextMs = NEVER;
    for (const { deadlineMs, notBeforeMs } of this.#takings) {
      nextMs = soonest(soonest(nextMs, deadlineMs, nowMs), notBeforeMs, nowMs);
    }
    return nextMs;
  }

  endAll(error: EnidError): void {
    for (const taking of [...this.#takings]) this.#fail(taking, error);
  }

  #advance(taking: Taking): void {
    const { node, clock } = this.#options;
    const { address, pod } = taking.wanted;
    if (address !== undefined && this.#isHere(address)) {
      this.#done(taking, address);
      return;
    }
    const nowMs = clock.nowMs();
    if (nowMs >= taking.deadlineMs) {
      const { waitingFor } = taking;
      this.#fail(taking, new EnidError("ENID_FIXED_MOVING", { pod, address: address ?? "an address", waitingFor }));
      return;
    }
    const { facts } = node;
    const obstacle = this.#obstacle(taking, nowMs);
    if (obstacle !== undefined) taking.waitingFor = obstacle;
    else if (facts !== undefined) this.#place(taking, facts, nowMs);
  }

  #isHere(address: string): boolean {
    const { node } = this.#options;
    const block = blockHere(node, { address });
    return block !== undefined && node.pool.interface(block.block.interfaceId)?.usable === true;
  }

  /** Why nothing can be begun at the moment. */
  #obstacle({ wanted, notBeforeMs }: Taking, nowMs: number): string | undefined {
    const { node, ledger, restraint, current } = this.#options;
    const { address, pod } = wanted;
    const known = address === undefined ? undefined : node.pool.block(`${address}/32`);
    if (known !== undefined && known.releasing > 0) return "the end of giving it back";
    if (known !== undefined) return `${known.block.interfaceId}, which carries no pods now`;
    if (address !== undefined) {
      const inPrefix = freePrefixOf(node, this.#options.actor, address, pod);
      if (inPrefix !== undefined) return inPrefix;
    }
    const isUnderWay = [...node.intents.values()].some(({ intent: { step } }) => isFor(step, address));
    if (isUnderWay) return "EC2 to move it here";
    if (this.#isBringing(pod)) return "EC2 to give one";
    if (node.facts === undefined || node.resolution === undefined) return "the node to know its subnets";
    if (!current()) return "EC2 to be observed";
    const blocked = restraint.blocked();
    if (blocked !== undefined) return `EC2, which is spared: ${blocked.error.message}`;
    if (nowMs < ledger.refusedUntilMs) return "the disk";
    return nowMs < notBeforeMs ? "the next try" : undefined;
  }

  #isBringing(pod: string): boolean {
    return [...this.#options.node.intents.values()].some(({ keepsFor }) => keepsFor === pod);
  }

  #place(taking: Taking, facts: NodeFacts, nowMs: number): void {
    const { pod, address, subnetIds } = taking.wanted;
    const tried = address === undefined ? undefined : this.#triedOn.get(address);
    // A describe that lags may deny what EC2 has done: on one interface it comes to the same, on two it would not.
    const on = tried !== undefined && nowMs - tried.atMs < LIMITS.adoptionLagMs ? tried.interfaceId : undefined;
    const placement = placementIn(this.#options.node, facts, subnetIds, nowMs, on);
    switch (placement.kind) {
      case "wait":
        taking.waitingFor = placement.waitingFor;
        return;
      case "none": {
        const values = {
          pod,
          address: address ?? "an address",
          subnetId: subnetIds.join(", "),
          because: placement.because,
        };
        this.#fail(taking, new EnidError("ENID_FIXED_NO_ROOM", values));
        return;
      }
      default:
        this.#begin(taking, placement);
    }
  }

  #begin(taking: Taking, placement: Exclude<Placement, { kind: "wait" | "none" }>): void {
    const { actor, clock } = this.#options;
    const { wanted } = taking;
    const brings = placement.kind === "add";
    const isBegun = actor.begin(stepFor(wanted, placement), {
      ...(brings ? { keepsFor: wanted.pod } : {}),
      brought: (cidrs) => this.#brought(taking, cidrs),
      failed: (error) => this.#failed(taking, error),
    });
    taking.waitingFor = WAITING_FOR[placement.kind];
    if (isBegun && placement.kind === "add" && wanted.address !== undefined) {
      const nowMs = clock.nowMs();
      for (const [address, { atMs }] of this.#triedOn) {
        if (nowMs - atMs >= LIMITS.adoptionLagMs) this.#triedOn.delete(address);
      }
      this.#triedOn.set(wanted.address, { interfaceId: placement.interfaceId, atMs: nowMs });
    }
    if (!isBegun) taking.notBeforeMs = clock.nowMs() + LIMITS.fixedAgainMs;
  }

  /** Of an address that was not known before: in the turn in which it came. */
  #brought(taking: Taking, cidrs: readonly string[]): void {
    const { node } = this.#options;
    if (taking.wanted.address !== undefined || !this.#takings.has(taking)) return;
    const cidr = cidrs.find((one) => one.endsWith("/32") && node.pool.block(one)?.free === 1);
    if (cidr === undefined) return;
    node.pool.keep(cidr, true);
    this.#done(taking, cidr.slice(0, -"/32".length));
  }

  #failed(taking: Taking, error: EnidError): void {
    const { clock } = this.#options;
    if (!this.#takings.has(taking)) return;
    taking.waitingFor = `another try: ${error.message}`;
    taking.notBeforeMs = clock.nowMs() + LIMITS.fixedAgainMs;
    if (error.code === "ENID_STATE_WRITE_FAILED" || error.code === "ENID_REFUSED") return;
    const failure = stepFailure(error);
    // A limit tells that the node has less room than was thought: what it has is observed before the next try.
    if (failure.effect !== "none" || isPassing(failure.class) || failure.class === "limit") return;
    const { pod, address = "an address" } = taking.wanted;
    this.#fail(
      taking,
      new EnidError("ENID_FIXED_MOVE_FAILED", { pod, address, detail: error.message }, { cause: error }),
    );
  }

  #done(taking: Taking, address: string): void {
    this.#takings.delete(taking);
    taking.resolve(address);
  }

  #fail(taking: Taking, error: EnidError): void {
    this.#takings.delete(taking);
    taking.reject(error);
  }
}

const WAITING_FOR = {
  add: "EC2 to move it here",
  "make-room": "a free address of its interface to be given back",
  create: "an interface to be made for it",
} as const;

function isFor(step: Step, address: string | undefined): boolean {
  return address !== undefined && step.kind === "add-blocks" && step.address === address;
}

function stepFor({ pod, address }: Wanted, placement: Exclude<Placement, { kind: "wait" | "none" }>): Step {
  switch (placement.kind) {
    case "add": {
      const { interfaceId, subnetId } = placement;
      const reason = address === undefined ? `an address for life for ${pod}` : `${address} follows ${pod}`;
      const which = address === undefined ? {} : { address };
      return { kind: "add-blocks", interfaceId, subnetId, count: 1, unit: "address", ...which, reason };
    }
    case "make-room": {
      const { interfaceId, cidr } = placement;
      const reason = `room on ${interfaceId} for ${address ?? "an address"} of ${pod}`;
      return { kind: "release-blocks", interfaceId, cidrs: [cidr], reason };
    }
    default: {
      const { subnetId, deviceIndex, card } = placement;
      const where = card === 0 ? { deviceIndex } : { deviceIndex, networkCard: card };
      const reason = `an interface in ${subnetId} for ${address ?? "an address"} of ${pod}`;
      return { kind: "create-interface", subnetId, ...where, count: 0, unit: "address", reason };
    }
  }
}
