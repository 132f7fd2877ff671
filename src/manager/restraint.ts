import { type Clock, jitterMs, type Random } from "../adapters/index.ts";
import { EnidError } from "../errors.ts";
import type { BlockUnit } from "../planning/index.ts";
import type { DegradationName, Degradations } from "./degradations.ts";
import { LIMITS } from "./limits.ts";
import { NEVER, soonest } from "./moments.ts";
import { FAILURE_CLASSES, type FailureClass, type StepFailure } from "./ports/index.ts";

interface Hold {
  readonly sinceMs: number;
  untilMs: number;
  /** Failures in a row: doubles the next pause. */
  failures: number;
  /** It was the making of an interface that failed. */
  readonly makesInterface: boolean;
  error: EnidError;
}

/** First and longest pause, and the degradation that shows it. */
const REACTIONS: Readonly<Record<FailureClass, readonly [number, number, DegradationName]>> = {
  throttled: [LIMITS.throttledFirstMs, LIMITS.throttledLongestMs, "ec2-throttled"],
  "subnet-exhausted": [LIMITS.subnetExhaustedFirstMs, LIMITS.subnetExhaustedLongestMs, "subnet-exhausted"],
  limit: [LIMITS.staleMs, LIMITS.transientLongestMs, "ec2-failing"],
  unauthorized: [LIMITS.unauthorizedFirstMs, LIMITS.unauthorizedLongestMs, "ec2-unauthorized"],
  configuration: [LIMITS.configurationFirstMs, LIMITS.configurationLongestMs, "ec2-failing"],
  transient: [LIMITS.transientFirstMs, LIMITS.transientLongestMs, "ec2-failing"],
  gone: [LIMITS.staleMs, LIMITS.transientLongestMs, "ec2-failing"],
  bug: [LIMITS.bugMs, LIMITS.bugMs, "ec2-failing"],
};

const GLOBAL_DEGRADATIONS: readonly DegradationName[] = ["ec2-throttled", "ec2-unauthorized", "ec2-failing"];

/** What a failed step was for: what gives back may fail without holding back growth, not the other way round. */
export type Purpose = "growth" | "giving-back";

/** What matters here of the kind of a step. */
export interface StepKind {
  readonly purpose: Purpose;
  readonly makesInterface: boolean;
}

/** Classes with which an interface was made and could not be attached, so that it was deleted again. */
const FOR_NOTHING: ReadonlySet<FailureClass> = new Set(["limit", "gone"]);

/** Classes that say something of EC2 as a whole, whatever the step was for. */
const OF_ALL: ReadonlySet<FailureClass> = new Set(["throttled"]);

/**
 * What is held back after failures: growth in one subnet, prefixes (or IPv6) of one subnet, giving back, or all of EC2.
 * Pauses double, with jitter.
 */
export class Restraint {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #degradations: Degradations;
  readonly #subnets = new Map<string, Hold>();
  /** By subnet: it had no contiguous /28. */
  readonly #prefixes = new Map<string, Hold>();
  /** By subnet: it could not give an IPv6 prefix. */
  readonly #ipv6 = new Map<string, Hold>();
  readonly #bySubnet = [this.#subnets, this.#prefixes, this.#ipv6];
  #global: Hold | undefined;
  #giving: Hold | undefined;
  #changes = 0;

  constructor(clock: Clock, random: Random, degradations: Degradations) {
    this.#clock = clock;
    this.#random = random;
    this.#degradations = degradations;
  }

  /** Names what is held back: while it stays the same, only time changes something. */
  get version(): number {
    return this.#changes;
  }

  failed(error: EnidError, failure: StepFailure, { purpose, makesInterface }: StepKind): void {
    const [classFirstMs, classLongestMs, degradation] = REACTIONS[failure.class];
    const forNothing = makesInterface && FOR_NOTHING.has(failure.class);
    const firstMs = forNothing ? LIMITS.placeRefusedFirstMs : classFirstMs;
    const longestMs = forNothing ? LIMITS.placeRefusedLongestMs : classLongestMs;
    const nowMs = this.#clock.nowMs();
    const ofSubnet = failure.class === "subnet-exhausted" ? this.#holdsOf(failure.unit ?? "address") : undefined;
    const subnetId = failure.subnetId;
    const givesBack = purpose === "giving-back" && !OF_ALL.has(failure.class);
    const here = ofSubnet !== undefined && subnetId !== undefined ? { holds: ofSubnet, subnetId } : undefined;
    const before =
      here?.holds.get(here.subnetId) ?? (here !== undefined ? undefined : givesBack ? this.#giving : this.#global);
    const failures = (before?.failures ?? 0) + 1;
    const pauseMs = jitterMs(this.#random, Math.min(longestMs, firstMs * 2 ** (failures - 1)));
    const untilMs = nowMs + pauseMs;
    this.#changes++;
    const hold = { sinceMs: nowMs, untilMs, failures, makesInterface, error: withRetryAt(error, untilMs) };
    if (here !== undefined) {
      here.holds.set(here.subnetId, hold);
      this.#degradations.set(
        here.holds === this.#subnets ? "subnet-exhausted" : "subnet-fragmented",
        hold.error,
        nowMs,
      );
    } else if (givesBack) {
      this.#giving = hold;
      this.#degradations.set("giving-back-failing", hold.error, nowMs);
    } else {
      this.#global = hold;
      // The latest failure says what is the matter with EC2 now.
      this.#clearGlobal(degradation);
      this.#degradations.set(degradation, hold.error, nowMs);
    }
  }

  /**
   * A mutation succeeded: EC2 is well, and so is that subnet for what was asked. What failed after it had begun is newer.
   */
  succeeded(subnetId: string, begunAtMs: number, unit: BlockUnit, { purpose, makesInterface }: StepKind): void {
    this.#changes++;
    const older = (hold: Hold | undefined) => hold !== undefined && hold.sinceMs <= begunAtMs;
    // That addresses can be had says nothing of whether an interface can be made.
    if (older(this.#global) && (makesInterface || this.#global?.makesInterface !== true)) this.#global = undefined;
    if (purpose === "giving-back" && older(this.#giving)) this.#giving = undefined;
    for (const holds of new Set([this.#subnets, this.#holdsOf(unit)])) {
      if (older(holds.get(subnetId))) holds.delete(subnetId);
    }
    this.#tidy();
  }

  /**
   * Nothing wants to grow: what is no longer held back is no longer shown, and is forgotten. What failed in giving back is
   * not, while there is something that could go: it only waits for its quiet time.
   */
  rest(couldGiveBack: () => boolean): void {
    if (!this.#isEmpty) {
      this.#changes++;
      if (this.#ifFuture(this.#global) === 0) this.#global = undefined;
      if (this.#giving !== undefined && this.#ifFuture(this.#giving) === 0 && !couldGiveBack())
        this.#giving = undefined;
      for (const holds of this.#bySubnet) {
        for (const [id, hold] of holds) if (this.#ifFuture(hold) === 0) holds.delete(id);
      }
    }
    this.#tidy();
  }

  /** Until when that subnet is held back; 0 = it is not. */
  subnetBlockedUntilMs(subnetId: string): number {
    return this.#ifFuture(this.#subnets.get(subnetId));
  }

  /** Until when no prefix is asked for in that subnet; 0 = it may be. */
  prefixesBlockedUntilMs(subnetId: string): number {
    return this.#ifFuture(this.#prefixes.get(subnetId));
  }

  ipv6Blocked(subnetId: string): boolean {
    return this.#ifFuture(this.#ipv6.get(subnetId)) > 0;
  }

  /** Whether a prefix was refused in that subnet and none was had since. */
  isFragmented(subnetId: string): boolean {
    return this.#prefixes.has(subnetId);
  }

  /** Whether subnets are held back for what they could not give: then that is shown already. */
  holdsBack(name: DegradationName): boolean {
    if (name === "subnet-exhausted") return this.#subnets.size > 0;
    return name === "subnet-fragmented" && this.#prefixes.size + this.#ipv6.size > 0;
  }

  /** Nothing is given back until then; 0 = it may be. */
  givingBackBlockedUntilMs(): number {
    return Math.max(this.#ifFuture(this.#giving), this.#ifFuture(this.#global));
  }

  /** All growth is held back, and why. */
  blocked(): { untilMs: number; error: EnidError } | undefined {
    const hold = this.#global;
    return hold !== undefined && this.#ifFuture(hold) > 0 ? { untilMs: hold.untilMs, error: hold.error } : undefined;
  }

  /** When something is allowed again after `nowMs`; Infinity = nothing is held back. */
  nextMs(nowMs: number): number {
    let nextMs = soonest(soonest(NEVER, this.#global?.untilMs, nowMs), this.#giving?.untilMs, nowMs);
    for (const holds of this.#bySubnet) {
      for (const { untilMs } of holds.values()) nextMs = soonest(nextMs, untilMs, nowMs);
    }
    return nextMs;
  }

  /** The operator changed something: whatever was held back may be tried now. */
  lift(): void {
    this.#changes++;
    this.#global = undefined;
    this.#giving = undefined;
    for (const holds of this.#bySubnet) holds.clear();
    this.#tidy();
  }

  get #isEmpty(): boolean {
    return this.#global === undefined && this.#giving === undefined && this.#bySubnet.every(({ size }) => size === 0);
  }

  #holdsOf(unit: BlockUnit): Map<string, Hold> {
    if (unit === "prefix") return this.#prefixes;
    return unit === "ipv6-prefix" ? this.#ipv6 : this.#subnets;
  }

  #tidy(): void {
    if (this.#global === undefined) this.#clearGlobal(undefined);
    if (this.#giving === undefined) this.#degradations.clear("giving-back-failing");
    if (this.#subnets.size === 0) this.#degradations.clear("subnet-exhausted");
    if (this.#prefixes.size + this.#ipv6.size === 0) this.#degradations.clear("subnet-fragmented");
  }

  #clearGlobal(but: DegradationName | undefined): void {
    for (const name of GLOBAL_DEGRADATIONS) if (name !== but) this.#degradations.clear(name);
  }

  #ifFuture(hold: Hold | undefined): number {
    return hold !== undefined && hold.untilMs > this.#clock.nowMs() ? hold.untilMs : 0;
  }
}

/** The pause before a step of unknown outcome is settled again after `tries` failures of that class. */
export function settlePauseMs(failureClass: FailureClass, tries: number): number {
  // What became of a call is found out soon; what EC2 refuses for a reason is not worth asking for at once.
  const soon = isPassing(failureClass) && failureClass !== "throttled";
  const [firstMs, longestMs] = soon ? [LIMITS.settleFirstMs, LIMITS.settleLongestMs] : REACTIONS[failureClass];
  return Math.min(longestMs, firstMs * 2 ** Math.min(tries, 16));
}

/** Failures that end by themselves, so that what was begun can still be finished. */
export function isPassing(failureClass: FailureClass): boolean {
  return failureClass === "throttled" || failureClass === "transient" || failureClass === "gone";
}

/** The same error with the time of the next try, which the provider that made it does not know. */
export function withRetryAt(error: EnidError, untilMs: number): EnidError {
  if (error.values.retryAt === undefined) return error;
  const values = { ...error.values, retryAt: new Date(untilMs).toISOString() };
  return new EnidError(error.code, values, { cause: error.cause, details: error.details });
}

/** The step failure that a provider put into an error's details; anything else is an unknown, transient one. */
export function stepFailure(error: EnidError): StepFailure {
  const details = error.details as Partial<StepFailure> | undefined;
  if (details?.class !== undefined && FAILURE_CLASSES.includes(details.class) && details.effect !== undefined) {
    return { ec2Code: "", ...details, class: details.class, effect: details.effect };
  }
  return { class: "transient", ec2Code: error.code, effect: "unknown" };
}
