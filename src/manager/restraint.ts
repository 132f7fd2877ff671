import { type Clock, jitterMs, type Random } from "../adapters/index.ts";
import { EnidError } from "../errors.ts";
import type { DegradationName, Degradations } from "./degradations.ts";
import { LIMITS } from "./limits.ts";
import { FAILURE_CLASSES, type FailureClass, type StepFailure } from "./ports/index.ts";

interface Hold {
  readonly sinceMs: number;
  untilMs: number;
  /** Failures in a row: doubles the next pause. */
  failures: number;
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

/** How growth is held back after failures: for one subnet, or for all of EC2. Pauses double, with jitter. */
export class Restraint {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #degradations: Degradations;
  readonly #subnets = new Map<string, Hold>();
  #global: Hold | undefined;

  constructor(clock: Clock, random: Random, degradations: Degradations) {
    this.#clock = clock;
    this.#random = random;
    this.#degradations = degradations;
  }

  failed(error: EnidError, failure: StepFailure): void {
    const [firstMs, longestMs, degradation] = REACTIONS[failure.class];
    const nowMs = this.#clock.nowMs();
    const subnetId = failure.class === "subnet-exhausted" ? failure.subnetId : undefined;
    const before = subnetId === undefined ? this.#global : this.#subnets.get(subnetId);
    const failures = (before?.failures ?? 0) + 1;
    const pauseMs = jitterMs(this.#random, Math.min(longestMs, firstMs * 2 ** (failures - 1)));
    const untilMs = nowMs + pauseMs;
    const hold = { sinceMs: nowMs, untilMs, failures, error: withRetryAt(error, untilMs) };
    if (subnetId === undefined) this.#global = hold;
    else this.#subnets.set(subnetId, hold);
    // The latest failure says what is the matter with EC2 now.
    if (subnetId === undefined) this.#clearGlobal(degradation);
    this.#degradations.set(degradation, hold.error, nowMs);
  }

  /** A mutation succeeded: EC2 is well, and so is that subnet. What failed after it had begun is newer than that. */
  succeeded(subnetId: string, begunAtMs: number): void {
    if (this.#global !== undefined && this.#global.sinceMs <= begunAtMs) this.#global = undefined;
    const hold = this.#subnets.get(subnetId);
    if (hold !== undefined && hold.sinceMs <= begunAtMs) this.#subnets.delete(subnetId);
    this.#tidy();
  }

  /** Nothing wants to grow: what is no longer held back is no longer shown, and is forgotten. */
  rest(): void {
    if (this.#ifFuture(this.#global) === 0) this.#global = undefined;
    for (const [id, hold] of this.#subnets) if (this.#ifFuture(hold) === 0) this.#subnets.delete(id);
    this.#tidy();
  }

  /** Until when that subnet is held back; 0 = it is not. */
  subnetBlockedUntilMs(subnetId: string): number {
    return this.#ifFuture(this.#subnets.get(subnetId));
  }

  /** All growth is held back, and why. */
  blocked(): { untilMs: number; error: EnidError } | undefined {
    const hold = this.#global;
    return hold !== undefined && this.#ifFuture(hold) > 0 ? { untilMs: hold.untilMs, error: hold.error } : undefined;
  }

  /** The next moment at which something is allowed again. */
  nextMs(): number | undefined {
    const nowMs = this.#clock.nowMs();
    const moments = [this.#global, ...this.#subnets.values()]
      .map((hold) => hold?.untilMs ?? 0)
      .filter((t) => t > nowMs);
    return moments.length === 0 ? undefined : Math.min(...moments);
  }

  /** The operator changed something: whatever was held back may be tried now. */
  lift(): void {
    this.#global = undefined;
    this.#subnets.clear();
    this.#tidy();
  }

  #tidy(): void {
    if (this.#global === undefined) this.#clearGlobal(undefined);
    if (this.#subnets.size === 0) this.#degradations.clear("subnet-exhausted");
  }

  #clearGlobal(but: DegradationName | undefined): void {
    for (const name of GLOBAL_DEGRADATIONS) if (name !== but) this.#degradations.clear(name);
  }

  #ifFuture(hold: Hold | undefined): number {
    return hold !== undefined && hold.untilMs > this.#clock.nowMs() ? hold.untilMs : 0;
  }
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
