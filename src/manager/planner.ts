import type { Clock } from "../adapters/index.ts";
import { prefixModeOf } from "../configuration/index.ts";
import type { EnidError } from "../errors.ts";
import {
  type AddBlocksStep,
  type CreateInterfaceStep,
  type GiveBack,
  needed,
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
import { NEVER, soonest } from "./moments.ts";
import type { NodeState } from "./node.ts";
import { type PlanQuestion, planInput } from "./plan-input.ts";
import type { NodeFacts } from "./ports/index.ts";
import type { Promises } from "./promises.ts";
import { awaitsSettling, hopelessCount, shortfallError, whyNone } from "./reasons.ts";
import type { Restraint } from "./restraint.ts";
import { isGrowth, stepSaid, unitOf } from "./step-sizes.ts";
import type { Surveyor } from "./surveying.ts";

export interface PlannerOptions {
  readonly node: NodeState;
  readonly restraint: Restraint;
  readonly surveyor: Surveyor;
  readonly actor: Actor;
  readonly leasing: Leasing;
  /** Pods that wait for Cilium's agent. */
  readonly agent: { readonly waitingCount: number };
  readonly ledger: Ledger;
  readonly givingBack: GivingBack;
  readonly degradations: Degradations;
  readonly promises: Promises;
  readonly clock: Clock;
}

/** States of giving way in which nothing is given back: a sick cloud is first spared that. */
const NO_GIVING_BACK: readonly DegradationName[] = ["cloud-away", "metadata-away"];

/** A round had nothing to do, as what planning reads was then. */
interface Rest {
  readonly node: number;
  readonly shape: number;
  readonly shortfall: ShortfallReason | undefined;
  readonly restraint: number;
  readonly degradations: number;
  readonly untilMs: number;
}

/** Makes the plan of a round, begins its steps, and says what cannot be had. */
export class Planner {
  readonly #options: PlannerOptions;
  #last: Plan | undefined;
  /** Since when the buffer is not full, but at least half. */
  #shortSinceMs: number | undefined;
  #rest: Rest | undefined;
  /** The plan of a round asked for more when it was repeated: nothing grows until its steps have ended. */
  #repeats = false;

  constructor(options: PlannerOptions) {
    this.#options = options;
  }

  round(facts: NodeFacts, nowMs: number): void {
    if (this.rests(nowMs)) return;
    const { node, surveyor, leasing, restraint } = this.#options;
    const input = planInput(node, this.question(facts, nowMs, this.#waiting));
    this.#last = plan(input);
    const { steps, shortfall, planned, deferred = 0 } = this.#last;
    // Growth never acts on old subnet facts, and a subnet that was empty is looked at again: when the look-up that
    // begins now ends, there is another tick.
    const fresh = surveyor.fresh(nowMs);
    const waits = !fresh && (steps.some(isGrowth) || isOfSubnets(shortfall));
    surveyor.growthWaits(waits);
    if (waits) surveyor.look(nowMs);
    const patient = this.#bufferCanWait(input, nowMs);
    this.#repeats &&= node.intents.size > 0;
    const begun = this.#begin(
      steps.filter((step) => !isGrowth(step) || (fresh && !this.#repeats && !(patient && onlyFillsBuffer(step)))),
      nowMs,
    );
    if (steps.length > 0 && begun === steps.length && !this.#makesPlace(steps)) this.#repeat(facts, nowMs);
    // What is not settled yet may be the very thing that failed.
    if (steps.length === 0 && shortfall?.kind !== "blocked" && node.intents.size === 0)
      restraint.rest(() => this.#couldGiveBack(input));
    this.#report(shortfall, nowMs);
    // Where a node of its own ranges has given out all that max-allocate allows, what cools down is for nobody either.
    const isMost = input.given !== undefined && shortfall?.kind === "max-allocate";
    const supply = {
      waiting: input.waiting,
      pending: input.pending + planned + deferred,
      free: node.freeForPods(),
      coolingInTime: isMost ? 0 : leasing.coolingInTime(),
    };
    const hopeless = hopelessCount(this.#last, supply, node);
    leasing.expire(hopeless === 0 ? undefined : { count: hopeless, reason: this.whyNone() });
    // The plan of a round in which pods waited is another one once they have been told that nothing comes.
    const isOver = steps.length === 0 && !waits && input.waiting === 0 && isLasting(shortfall);
    this.#rest = isOver ? this.#restFrom(nowMs, shortfall) : undefined;
  }

  /** What a plan would be now, whether the round needs one or not. */
  planAnew(facts: NodeFacts, nowMs: number): Plan {
    return plan(planInput(this.#options.node, this.question(facts, nowMs, this.#waiting)));
  }

  /** What the round before planned. */
  get last(): Plan | undefined {
    return this.#last;
  }

  /**
   * Whether the round before had nothing to do, nothing that planning reads has changed since, and no moment has come at
   * which it would say something else: then its plan still stands, for planning is a function of its input.
   */
  rests(nowMs: number): boolean {
    const { node, restraint, degradations } = this.#options;
    const rest = this.#rest;
    if (rest === undefined || nowMs >= rest.untilMs || this.#waiting > 0) return false;
    if (rest.restraint !== restraint.version || rest.degradations !== degradations.version) return false;
    if (rest.node === node.version) return true;
    if (rest.shape !== node.shape || rest.shortfall !== undefined || !this.#isMet()) return false;
    this.#shortSinceMs = undefined;
    this.#rest = this.#restFrom(nowMs, undefined);
    return true;
  }

  /**
   * Whether pods came and went within the watermarks: of a node that is otherwise the same, planning reads how many
   * addresses are used, and which are free only where prefixes may replace single addresses or something may go.
   */
  #isMet(): boolean {
    const { node } = this.#options;
    if (prefixModeOf(node.settings) !== "off" || (this.giveBack()?.count ?? 0) > 0) return false;
    const { available, used } = node.supply(node.hasRanges ? node.family : "ipv4");
    const watermarks = node.watermarks();
    return available - used >= watermarks.preAllocate && needed({ available, used, ...watermarks }) === 0;
  }

  /**
   * The moments that the time of the input is compared with: what is held back until then, what is beyond the watermarks
   * and interfaces that are idle. Steps under way have moments of their own, so while there are any nothing rests.
   */
  #restFrom(nowMs: number, shortfall: ShortfallReason | undefined): Rest | undefined {
    const { node, restraint, degradations, givingBack } = this.#options;
    if (node.intents.size > 0 || this.#waiting > 0) return undefined;
    return {
      node: node.version,
      shape: node.shape,
      shortfall,
      restraint: restraint.version,
      degradations: degradations.version,
      untilMs: Math.min(restraint.nextMs(nowMs), givingBack.nextMs(nowMs)),
    };
  }

  get #waiting(): number {
    const { leasing, agent } = this.#options;
    return leasing.waitingCount + agent.waitingCount;
  }

  /** Whether the last plan wanted what cannot be had. */
  get lacks(): boolean {
    return this.#last?.shortfall !== undefined;
  }

  /** How soon what pods took of the buffer is made up for. */
  get refillMs(): number {
    const { node } = this.#options;
    const isLow = node.supply().free * 2 < node.watermarks().preAllocate;
    return isLow ? LIMITS.refillSoonMs : LIMITS.refillDelayMs;
  }

  /** The last plan wanted more than the instance has room for, and nothing is on its way: what is held is all there can be. */
  get isFull(): boolean {
    if (this.#last?.shortfall?.kind !== "instance-full" || this.#last.planned > 0) return false;
    return ![...this.#options.node.intents.values()].some(({ intent }) => isGrowth(intent.step));
  }

  /** When a buffer that is at least half full is filled up at the latest; undefined while nothing is put off. */
  get refillAtMs(): number | undefined {
    const sinceMs = this.#shortSinceMs;
    return sinceMs === undefined || !Number.isFinite(sinceMs) ? undefined : sinceMs + LIMITS.refillLongestMs;
  }

  /** When a plan that the time alone puts off is due, after `nowMs`; Infinity = none is put off. */
  nextMs(nowMs: number): number {
    return soonest(NEVER, this.refillAtMs, nowMs);
  }

  /** The operator changed something and looks at what becomes of it: nothing is put off. */
  settingsChanged(): void {
    this.#shortSinceMs = Number.NEGATIVE_INFINITY;
    this.#rest = undefined;
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
  #bufferCanWait(
    { watermarks, available, used, pending, waiting, prefixMode, given }: PlanInput,
    nowMs: number,
  ): boolean {
    if (given !== undefined) return false;
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

  /** Single addresses that go without being beyond the watermarks make place for prefixes: what comes for them is asked next. */
  #makesPlace(steps: Plan["steps"]): boolean {
    return this.#options.givingBack.count() === 0 && steps.some(({ kind }) => kind === "release-blocks");
  }

  /** Promise 8: with its steps under way, the plan that was carried out whole is followed by one that does not grow. */
  #repeat(facts: NodeFacts, nowMs: number): void {
    const more = this.planAnew(facts, nowMs).steps.filter(isGrowth);
    if (more.length === 0) return;
    this.#repeats = true;
    const detail = `with the steps of a plan under way, planning again asks for ${more.map(stepSaid).join(", ")}`;
    this.#options.promises.refuse({ promise: 8, detail });
  }

  /** Answers how many were begun. */
  #begin(steps: Plan["steps"], nowMs: number): number {
    const { ledger, actor, givingBack } = this.#options;
    if (nowMs < ledger.refusedUntilMs) return 0;
    const begun = steps.filter((step) => actor.begin(step));
    if (begun.some(({ kind }) => kind === "release-blocks" || kind === "remove-interface")) givingBack.begun();
    return begun.length;
  }

  #report(shortfall: ShortfallReason | undefined, nowMs: number): void {
    const { node, restraint, degradations } = this.#options;
    const name = shortfall === undefined ? undefined : SHOWN_AS[shortfall.kind];
    // Made only where it is shown: a shortfall can last for many rounds.
    const show = (as: DegradationName) => {
      if (shortfall !== undefined) degradations.set(as, shortfallError(shortfall, { node, restraint }), nowMs);
    };
    if (name !== undefined && !restraint.holdsBack(name)) show(name);
    for (const shown of OF_PLANS) if (shown !== name) degradations.clear(shown);
    // A buffer that cannot be had is no trouble while there is a free address.
    const full = shortfall?.kind === "instance-full" && node.supply().free === 0 && !awaitsSettling(node);
    if (full) show("instance-full");
    else degradations.clear("instance-full");
    if (shortfall?.kind === "ranges-full" && shortfall.free === 0) show("ranges-full");
    else degradations.clear("ranges-full");
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

/** Whether nothing but a change of the node or its settings ends the shortfall. */
function isLasting(shortfall: ShortfallReason | undefined): boolean {
  return shortfall === undefined || LASTING.has(shortfall.kind);
}

const LASTING: ReadonlySet<ShortfallReason["kind"]> = new Set([
  "instance-full",
  "max-allocate",
  "prefixes-unsupported",
  "ranges-full",
]);

/** Whether other facts about the subnets could end the shortfall. */
function isOfSubnets(shortfall: ShortfallReason | undefined): boolean {
  return shortfall !== undefined && "subnets" in shortfall;
}

/** Single addresses: an IPv6 prefix is for more than the buffer. */
function onlyFillsBuffer(step: AddBlocksStep | CreateInterfaceStep): boolean {
  if (step.kind === "add-blocks") return unitOf(step) === "address";
  return (step.ipv6Prefixes ?? 0) === 0;
}
