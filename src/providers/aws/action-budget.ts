import type { Cancel } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import type { CallBudget, SharedBudget, SharedGrant } from "../../manager/ports/index.ts";
import { type Bucket, bucketOf } from "./action-budget-table.ts";
import type { Ec2Failure } from "./failures.ts";
import type { Surroundings } from "./options.ts";

/** What is left of the rate after a throttled call. */
const DECREASE = 0.5;
/** What a successful call adds to the rate, as a share of the full one: twenty of them bring it back from nothing. */
const INCREASE_SHARE = 0.05;
/** A token is whole when it lacks no more than this: times and sums of fractions are rounded. */
const ROUNDING = 1e-6;
/** Shorter pauses end before anything has come. */
const PAUSE_MS = 1;

interface BudgetedCall {
  readonly action: string;
  readonly mutation: boolean;
  readonly subnetId?: string;
}

/** The permission to send one request. */
export interface Grant {
  /** How long the request waited for it. */
  readonly waitedMs: number;
  /** How EC2 answered; what is neither teaches nothing. */
  answered(how: "ok" | "throttled"): void;
  /** The request was not sent after all: its token goes back. */
  unused(): void;
}

/** What of a bucket the other nodes, or other users of the account, wait for no less: it is asked for last. */
const GIVES_BACK = /^(Unassign|Detach|Delete)/;

/**
 * The manners of the node under load: a token bucket for each EC2 action, a share of the account's. An action that EC2
 * throttles is asked for half as often from then on, a little more often again with each success, at most at the full
 * rate of the node. Each action by itself: EC2 throttles actions, not callers. In a fleet the tokens are those of all
 * nodes together; the node's own buckets, which are smaller then, are for the time in which the fleet cannot be asked.
 */
export class ActionBudgets {
  readonly #world: Surroundings;
  readonly #shared: SharedBudget | undefined;
  readonly #budgets = new Map<string, ActionBudget>();

  constructor(world: Surroundings, shared?: SharedBudget) {
    this.#world = world;
    this.#shared = shared;
  }

  /**
   * Waits for a token of the call's action, in order of arrival, in a fleet in order of urgency. Rejects with
   * ENID_EC2_BUDGET (throttled, without effect) when there is none within `tokenLimitMs` (of the fleet: within
   * `sharedTokenLimitMs`), at once when that is certain; with the signal's reason when aborted first.
   */
  take(call: BudgetedCall, signal?: AbortSignal): Promise<Grant> {
    let budget = this.#budgets.get(call.action);
    if (budget === undefined) {
      budget = new ActionBudget(this.#world, call.action, bucketOf(call));
      this.#budgets.set(call.action, budget);
    }
    return this.#shared === undefined ? budget.take(call, signal) : budget.takeShared(this.#shared, call, signal);
  }

  /** The buckets of the actions called so far, by name. */
  state(): readonly CallBudget[] {
    return [...this.#budgets.values()].map((budget) => budget.state()).sort((a, b) => (a.action < b.action ? -1 : 1));
  }
}

/** Why no token comes in time. */
interface Lateness {
  readonly limitMs: number;
  readonly waitedMs: number;
  readonly ratePerSecond: number;
  readonly ahead: number;
}

interface Waiter {
  readonly grant: () => void;
}

class ActionBudget {
  readonly #world: Surroundings;
  readonly #action: string;
  readonly #bucket: Bucket;
  #capacity = 1;
  #fullPerSecond = 1;
  #leastPerSecond = 1;
  #ratePerSecond: number;
  #tokens: number;
  #countedAtMs: number;
  #waiters: Waiter[] = [];
  #cancelServing: Cancel = () => {};
  #throttledTimes = 0;
  /** Counts the decreases: what was sent before the last one says nothing about the rate since. */
  #era = 0;
  /** Whose tokens the last call took; undefined = there is no fleet. */
  #source: CallBudget["source"];
  /** Calls that wait for a token of the fleet, and what came of those before. */
  #sharedWaiting = 0;
  #sharedTimes = 0;
  #awayTimes = 0;

  constructor(world: Surroundings, action: string, bucket: Bucket) {
    this.#world = world;
    this.#action = action;
    this.#bucket = bucket;
    this.#resize(world.limits.bucketShare);
    this.#ratePerSecond = this.#fullPerSecond;
    this.#tokens = this.#capacity;
    this.#countedAtMs = world.clock.monotonicMs();
  }

  take(call: BudgetedCall, signal?: AbortSignal): Promise<Grant> {
    const { clock, limits } = this.#world;
    const startedAtMs = clock.monotonicMs();
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      this.#count();
      if (this.#untilTokenMs(this.#waiters.length) > limits.tokenLimitMs)
        return reject(this.#refusal(call, this.#late(0)));
      const end = () => {
        cancelLimit();
        signal?.removeEventListener("abort", abort);
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
      };
      const waiter = {
        grant: () => {
          end();
          resolve(this.#grant(clock.monotonicMs() - startedAtMs));
        },
      };
      const abort = () => {
        end();
        reject(signal?.reason);
      };
      const cancelLimit = clock.after(limits.tokenLimitMs, () => {
        // The token may be due at this very moment.
        this.#serve();
        if (!this.#waiters.includes(waiter)) return;
        end();
        reject(this.#refusal(call, this.#late(clock.monotonicMs() - startedAtMs)));
      });
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiters.push(waiter);
      this.#serve();
    });
  }

  /** A token of the fleet's; of the node's own bucket while the fleet is away. */
  async takeShared(shared: SharedBudget, call: BudgetedCall, signal?: AbortSignal): Promise<Grant> {
    const { action } = call;
    const limitMs = this.#world.limits.sharedTokenLimitMs;
    this.#sharedWaiting += 1;
    const asked = { action, ...this.#bucket, givesBack: GIVES_BACK.test(action), limitMs };
    const answer = await shared.take(asked, signal).finally(() => {
      this.#sharedWaiting -= 1;
    });
    if (answer.kind === "away") {
      this.#awayTimes += 1;
      this.#beAlone(shared.localShare());
      return this.take(call, signal);
    }
    this.#source = "fleet";
    if (answer.kind === "late") throw this.#refusal(call, { ...answer, limitMs });
    this.#sharedTimes += 1;
    return this.#sharedGrant(answer);
  }

  state(): CallBudget {
    this.#count();
    const told = { action: this.#action, throttledTimes: this.#throttledTimes };
    if (this.#source === "fleet") {
      const { refillPerSecond } = this.#bucket;
      const rates = { ratePerSecond: refillPerSecond, fullRatePerSecond: refillPerSecond };
      return { ...told, ...this.#ofFleet(), ...rates, tokens: 0, waiting: this.#sharedWaiting };
    }
    return {
      ...told,
      ...this.#ofFleet(),
      tokens: Math.max(0, this.#tokens),
      ratePerSecond: this.#ratePerSecond,
      fullRatePerSecond: this.#fullPerSecond,
      waiting: this.#waiters.length,
    };
  }

  #ofFleet(): Pick<CallBudget, "source" | "sharedTimes" | "awayTimes"> {
    if (this.#source === undefined) return {};
    return { source: this.#source, sharedTimes: this.#sharedTimes, awayTimes: this.#awayTimes };
  }

  #sharedGrant(grant: SharedGrant): Grant {
    return {
      waitedMs: grant.waitedMs,
      answered: (how) => {
        if (how === "throttled") this.#throttledTimes += 1;
        grant.answered(how);
      },
      unused: () => grant.unused(),
    };
  }

  /** The fleet is away: the node goes on with that part of the account's bucket. */
  #beAlone(share: number): void {
    const { random } = this.#world;
    const wasAlone = this.#source === "node";
    this.#count();
    const part = this.#fullPerSecond === 0 ? 1 : this.#ratePerSecond / this.#fullPerSecond;
    this.#resize(share);
    this.#ratePerSecond = Math.max(this.#leastPerSecond, this.#fullPerSecond * (wasAlone ? part : 1));
    this.#source = "node";
    if (wasAlone) return;
    // Nobody knows what is left in the account's bucket. Nodes that lost the fleet together have their first tokens spread
    // over the time in which one comes, and as many at once as the bucket has for all.
    const whole = this.#bucket.capacity * share;
    this.#tokens = whole >= 1 ? Math.max(1, whole * random.fraction()) : Math.min(1, 1 + whole - random.fraction());
  }

  #resize(share: number): void {
    this.#capacity = Math.max(1, this.#bucket.capacity * share);
    this.#fullPerSecond = this.#bucket.refillPerSecond * share;
    // A call that waits alone gets its token within the limit, even after a throttled one (see #throttled).
    this.#leastPerSecond = Math.min(this.#fullPerSecond, 2_000 / this.#world.limits.tokenLimitMs);
  }

  #grant(waitedMs: number): Grant {
    const era = this.#era;
    return {
      waitedMs,
      answered: (how) => {
        if (how === "throttled") this.#throttled(era);
        else if (era === this.#era) this.#succeeded();
      },
      unused: () => {
        this.#tokens = Math.min(this.#capacity, this.#tokens + 1);
        this.#serve();
      },
    };
  }

  #throttled(era: number): void {
    this.#count();
    this.#throttledTimes += 1;
    // Calls that were under way together and throttled together are one piece of news.
    if (era !== this.#era) return;
    this.#era += 1;
    // The account's bucket is empty. A debt of up to one token keeps nodes apart that were throttled together.
    this.#tokens = Math.min(this.#tokens, -this.#world.random.fraction());
    const wasFull = this.#ratePerSecond >= this.#fullPerSecond;
    this.#ratePerSecond = Math.max(this.#leastPerSecond, this.#ratePerSecond * DECREASE);
    // Told once on the way down and once when all is well again; how far down is in the state.
    if (wasFull) {
      this.#world.telemetry.event({
        name: "ec2-rate-lowered",
        level: "warn",
        message: `EC2 throttles ${this.#action}: this node calls it less often until EC2 takes it again (${shown(this.#fullPerSecond)} times a second when all is well, ${shown(this.#leastPerSecond)} at least)`,
        fields: { action: this.#action, ratePerSecond: this.#ratePerSecond, throttledTimes: this.#throttledTimes },
      });
    }
    this.#serve();
  }

  #succeeded(): void {
    if (this.#ratePerSecond >= this.#fullPerSecond) return;
    this.#count();
    const raised = this.#ratePerSecond + this.#fullPerSecond * INCREASE_SHARE;
    this.#ratePerSecond = Math.min(this.#fullPerSecond, raised);
    if (this.#ratePerSecond >= this.#fullPerSecond) {
      this.#world.telemetry.event({
        name: "ec2-rate-restored",
        level: "info",
        message: `EC2 takes ${this.#action} again: this node calls it up to ${shown(this.#fullPerSecond)} times a second`,
        fields: { action: this.#action, ratePerSecond: this.#ratePerSecond },
      });
    }
    this.#serve();
  }

  /** Gives tokens to those who wait, and comes back when the next one is there. */
  #serve(): void {
    this.#cancelServing();
    this.#count();
    while (this.#tokens >= 1 - ROUNDING) {
      const waiter = this.#waiters[0];
      if (waiter === undefined) return;
      this.#tokens -= 1;
      waiter.grant();
    }
    if (this.#waiters.length > 0) {
      const pauseMs = Math.max(PAUSE_MS, this.#untilTokenMs(0));
      this.#cancelServing = this.#world.clock.after(pauseMs, () => this.#serve());
    }
  }

  /** Until there is a token for a call that has `ahead` others before it, at the rate of now. */
  #untilTokenMs(ahead: number): number {
    return (Math.max(0, ahead + 1 - this.#tokens) / this.#ratePerSecond) * 1_000;
  }

  /** Brings the tokens up to now. */
  #count(): void {
    const nowMs = this.#world.clock.monotonicMs();
    const came = ((nowMs - this.#countedAtMs) / 1_000) * this.#ratePerSecond;
    this.#tokens = Math.min(this.#capacity, this.#tokens + came);
    this.#countedAtMs = nowMs;
  }

  #late(waitedMs: number): Lateness {
    const { tokenLimitMs: limitMs } = this.#world.limits;
    return { limitMs, waitedMs, ratePerSecond: this.#ratePerSecond, ahead: this.#waiters.length };
  }

  #refusal({ action, subnetId }: BudgetedCall, late: Lateness): EnidError {
    const failure: Ec2Failure = {
      action,
      requestId: "",
      class: "throttled",
      ec2Code: "",
      effect: "none",
      symptom: undefined,
      ...(subnetId === undefined ? {} : { subnetId }),
    };
    const values = {
      action,
      limitMs: late.limitMs,
      waitedMs: Math.round(late.waitedMs),
      ratePerSecond: shown(late.ratePerSecond),
      ahead: late.ahead,
      throttledTimes: this.#throttledTimes,
      // When it will be tried again is the manager's decision.
      retryAt: "a pause",
    };
    return new EnidError("ENID_EC2_BUDGET", values, { details: failure });
  }
}

function shown(perSecond: number): string {
  return perSecond.toFixed(2).replace(/\.?0+$/, "");
}
