import type { Clock } from "../adapters/index.ts";
import type { EnidError } from "../errors.ts";
import {
  type AddBlocksStep,
  type CreateInterfaceStep,
  type GiveBack,
  type Plan,
  type PlanInput,
  plan,
  type ShortfallReason,
} from "../planning/index.ts";
import type { Actor } from "./acting.ts";
import type { DegradationName, Degradations } from "./degradations.ts";
import type { GivingBack } from "./giving-back.ts";
import type { Leasing } from "./leasing.ts";
import type { Ledger } from "./ledger.ts";
import { LIMITS } from "./limits.ts";
import type { NodeState } from "./node.ts";
import { type PlanQuestion, planInput } from "./plan-input.ts";
import type { NodeFacts } from "./ports/index.ts";
import { awaitsSettling, hopelessCount, shortfallError, whyNone } from "./reasons.ts";
import type { Restraint } from "./restraint.ts";
import { isGrowth, unitOf } from "./step-sizes.ts";
import type { Surveyor } from "./surveying.ts";

export interface PlannerOptions {
  readonly node: NodeState;
  readonly restraint: Restraint;
  readonly surveyor: Surveyor;
  readonly actor: Actor;
  readonly leasing: Leasing;
  readonly ledger: Ledger;
  readonly givingBack: GivingBack;
  readonly degradations: Degradations;
  readonly clock: Clock;
}

/** States of giving way in which nothing is given back: a sick cloud is first spared that. */
const NO_GIVING_BACK: readonly DegradationName[] = ["cloud-away", "metadata-away"];

/** Makes the plan of a round, begins its steps, and says what cannot be had. */
export class Planner {
  readonly #options: PlannerOptions;
  #last: Plan | undefined;
  /** Since when the buffer is not full, but at least half. */
  #shortSinceMs: number | undefined;

  constructor(options: PlannerOptions) {
    this.#options = options;
  }

  round(facts: NodeFacts, nowMs: number): void {
    const { node, surveyor, leasing, restraint } = this.#options;
    const input = planInput(node, this.question(facts, nowMs, leasing.waitingCount));
    this.#last = plan(input);
    const { steps, shortfall, planned, deferred = 0 } = this.#last;
    // Growth never acts on old subnet facts, and a subnet that was empty is looked at again: when the look-up that
    // begins now ends, there is another tick.
    const fresh = surveyor.fresh(nowMs);
    const waits = !fresh && (steps.some(isGrowth) || isOfSubnets(shortfall));
    surveyor.growthWaits(waits);
    if (waits) surveyor.look(nowMs);
    const patient = this.#bufferCanWait(input, nowMs);
    this.#begin(
      steps.filter((step) => !isGrowth(step) || (fresh && !(patient && onlyFillsBuffer(step)))),
      nowMs,
    );
    // What is not settled yet may be the very thing that failed.
    if (steps.length === 0 && shortfall?.kind !== "blocked" && node.intents.size === 0)
      restraint.rest(() => this.#couldGiveBack(input));
    this.#report(shortfall, nowMs);
    const supply = {
      waiting: input.waiting,
      pending: input.pending + planned + deferred,
      free: node.freeForPods(),
      coolingInTime: leasing.coolingInTime(),
    };
    const hopeless = hopelessCount(this.#last, supply, node);
    leasing.expire(hopeless === 0 ? undefined : { count: hopeless, reason: this.whyNone() });
  }

  /** When a buffer that is at least half full is filled up at the latest; undefined while nothing is put off. */
  get refillAtMs(): number | undefined {
    const sinceMs = this.#shortSinceMs;
    return sinceMs === undefined || !Number.isFinite(sinceMs) ? undefined : sinceMs + LIMITS.refillLongestMs;
  }

  /** The operator changed something and looks at what becomes of it: nothing is put off. */
  settingsChanged(): void {
    this.#shortSinceMs = Number.NEGATIVE_INFINITY;
  }

  /** What planning is asked now. */
  question(facts: NodeFacts, nowMs: number, waiting: number): PlanQuestion {
    return { facts, nowMs, waiting, restraint: this.#options.restraint, giveBack: this.giveBack() };
  }

  /** What may be given back now; undefined also while EC2 is spared. */
  giveBack(): GiveBack | undefined {
    const { restraint, givingBack, degradations } = this.#options;
    const sick = restraint.givingBackBlockedUntilMs() > 0 || NO_GIVING_BACK.some((name) => degradations.has(name));
    return sick ? undefined : givingBack.allowance();
  }

  /** Whether something would go if its quiet time were over; not all that is beyond the watermarks is in whole blocks. */
  #couldGiveBack(input: PlanInput): boolean {
    const { node, givingBack } = this.#options;
    if (!node.settings.values["release-excess"]) return false;
    // Nothing can be told while EC2 is held back as a whole.
    if (input.blocked !== undefined) return true;
    const { steps } = plan({ ...input, giveBack: { count: givingBack.count(), interfaceIdleMs: 0 } });
    return steps.some(({ kind }) => kind === "release-blocks" || kind === "remove-interface");
  }

  /** Why a pod that asks now gets no address. */
  whyNone(): EnidError {
    const { node, restraint, surveyor, degradations, ledger, clock } = this.#options;
    return whyNone({
      node,
      restraint,
      surveyor,
      degradations,
      diskError: ledger.refusal,
      plan: this.#last,
      nowMs: clock.nowMs(),
    });
  }

  /**
   * Whether the buffer alone wants to grow and is at least half full. Pods that wait, min-allocate and a buffer that runs
   * low are served at once.
   */
  #bufferCanWait({ watermarks, available, used, pending, waiting, prefixMode }: PlanInput, nowMs: number): boolean {
    const { preAllocate, minAllocate } = watermarks;
    const free = available + pending - used;
    const isLow = free * 2 < preAllocate || preAllocate < LIMITS.refillAtOnceBelow;
    const isFull = free >= preAllocate;
    if (isLow || isFull || waiting > 0 || available + pending < minAllocate || prefixMode !== "off") {
      this.#shortSinceMs = undefined;
      return false;
    }
    this.#shortSinceMs ??= nowMs;
    return nowMs - this.#shortSinceMs < LIMITS.refillLongestMs;
  }

  #begin(steps: Plan["steps"], nowMs: number): void {
    const { ledger, actor, givingBack } = this.#options;
    if (nowMs < ledger.refusedUntilMs) return;
    const begun = steps.filter((step) => actor.begin(step));
    if (begun.some(({ kind }) => kind === "release-blocks" || kind === "remove-interface")) givingBack.begun();
  }

  #report(shortfall: ShortfallReason | undefined, nowMs: number): void {
    const { node, restraint, degradations } = this.#options;
    const error = shortfall && shortfallError(shortfall, { node, restraint });
    const name = shortfall === undefined ? undefined : SHOWN_AS[shortfall.kind];
    if (error !== undefined && name !== undefined && !restraint.holdsBack(name)) degradations.set(name, error, nowMs);
    for (const shown of OF_PLANS) if (shown !== name) degradations.clear(shown);
    // A buffer that cannot be had is no trouble while there is a free address.
    const full = shortfall?.kind === "instance-full" && node.supply().free === 0 && !awaitsSettling(node);
    if (error !== undefined && full) degradations.set("instance-full", error, nowMs);
    else degradations.clear("instance-full");
  }
}

/** Shortfalls that are states of giving way; the others end by themselves, or are shown by what causes them. */
const SHOWN_AS: Partial<Record<ShortfallReason["kind"], DegradationName>> = {
  "subnets-empty": "subnet-exhausted",
  "subnets-fragmented": "subnet-fragmented",
  "prefixes-unsupported": "no-prefixes",
  "no-ipv6-subnet": "no-ipv6",
};

/** Of these, those that only a plan sets and ends. */
const OF_PLANS: readonly DegradationName[] = ["no-prefixes", "no-ipv6"];

/** Whether other facts about the subnets could end the shortfall. */
function isOfSubnets(shortfall: ShortfallReason | undefined): boolean {
  return shortfall !== undefined && "subnets" in shortfall;
}

/** Single addresses: an IPv6 prefix is for more than the buffer. */
function onlyFillsBuffer(step: AddBlocksStep | CreateInterfaceStep): boolean {
  if (step.kind === "add-blocks") return unitOf(step) === "address";
  return (step.ipv6Prefixes ?? 0) === 0;
}
