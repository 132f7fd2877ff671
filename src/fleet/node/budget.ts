import type { SharedBudget, SharedCall, SharedGrant, SharedRefusal } from "../../manager/ports/index.ts";
import { URGENCIES } from "../../manager/ports/index.ts";
import type { BudgetAnswer, BudgetBucket, BudgetSize } from "../store/budget.ts";
import type { PartOptions } from "./parts.ts";

/** A store that gave no answer is not asked for so long, give or take a half: each call would wait for its limit. */
const AWAY_MS = 5_000;
/** Of an account's bucket, while nobody knows how many nodes there are. */
const UNKNOWN_SHARE = 0.25;
/** Shares differ by this much, so that nodes which lost the store together do not call in step. */
const SHARE_JITTER = 0.1;

interface Waiter {
  /** In its place in the queue: an index of URGENCIES. */
  urgency: number;
  readonly givesBack: boolean;
  /** Has it ask again at once. */
  wake: () => void;
}

export interface NodeBudgetOptions extends PartOptions {
  /** Nodes of the fleet when it was asked last; 0 = not known. */
  readonly nodes: () => number;
}

/**
 * The node's way to the account's buckets: asks for a token, sleeps until it is told to ask again, and asks at once when the
 * node's calls become more urgent or the store is lost. Nothing is asked between.
 */
export class NodeBudget implements SharedBudget {
  readonly #options: NodeBudgetOptions;
  readonly #waiting = new Set<Waiter>();
  /** Tickets are of this process: one that died must not wait in the name of the next. */
  readonly #process: string;
  readonly #jitter: number;
  readonly #unwatch: () => void;
  #tickets = 0;
  #awayUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: NodeBudgetOptions) {
    const { random, store } = options;
    this.#options = options;
    this.#process = random.id().slice(-12);
    this.#jitter = 1 - SHARE_JITTER + 2 * SHARE_JITTER * random.fraction();
    this.#unwatch = store.watch(() => {
      if (store.condition().connected) this.#awayUntilMs = Number.NEGATIVE_INFINITY;
      else this.#lost();
    });
  }

  async take(call: SharedCall, signal?: AbortSignal): Promise<SharedGrant | SharedRefusal> {
    const { store, clock, member, urgency } = this.#options;
    const startedAtMs = clock.monotonicMs();
    signal?.throwIfAborted();
    const node = member();
    if (node === undefined || startedAtMs < this.#awayUntilMs) return { kind: "away" };
    const bucket = { account: node.accountId, region: node.region, action: call.action };
    const size = this.#size(call);
    const ticket = `${node.nodeId}/${this.#process}/${++this.#tickets}`;
    const waiter: Waiter = { urgency: URGENCIES.length, givesBack: call.givesBack, wake: () => {} };
    this.#waiting.add(waiter);
    try {
      for (;;) {
        // The store was lost to another call meanwhile.
        if (clock.monotonicMs() < this.#awayUntilMs) return { kind: "away" };
        waiter.urgency = URGENCIES.indexOf(call.givesBack ? "giving-back" : urgency());
        const limitMs = Math.max(0, call.limitMs - (clock.monotonicMs() - startedAtMs));
        const asked = { bucket, size, ticket, urgency: waiter.urgency, limitMs };
        const answer = await store.budget.ask(asked).catch(() => undefined);
        if (answer === undefined) return this.#lost();
        if (signal?.aborted) {
          this.#undo(answer, bucket, size, ticket);
          throw signal.reason;
        }
        const waitedMs = clock.monotonicMs() - startedAtMs;
        if (answer.kind === "granted") return this.#grant(bucket, size, answer.era, waitedMs);
        if (answer.kind === "late") {
          return { kind: "late", ratePerSecond: answer.ratePerSecond, ahead: answer.ahead, waitedMs };
        }
        // It became more urgent while it asked.
        if (!call.givesBack && URGENCIES.indexOf(urgency()) < waiter.urgency) continue;
        await this.#pause(waiter, answer.askAgainMs, signal).catch((reason) => {
          this.#undo(answer, bucket, size, ticket);
          throw reason;
        });
      }
    } finally {
      this.#waiting.delete(waiter);
    }
  }

  localShare(): number {
    const { nodes, settings } = this.#options;
    const known = nodes();
    const share = known > 0 ? Math.min(1, this.#jitter / known) : UNKNOWN_SHARE;
    return share * (1 - settings.reservedShare);
  }

  /** Those that wait with less urgency ask anew; when it falls, they keep what they had until their turn. */
  urgencyChanged(): void {
    const urgency = URGENCIES.indexOf(this.#options.urgency());
    for (const waiter of [...this.#waiting]) if (!waiter.givesBack && urgency < waiter.urgency) waiter.wake();
  }

  stop(): void {
    this.#unwatch();
  }

  #size({ action, capacity, refillPerSecond }: SharedCall): BudgetSize {
    const { buckets, reservedShare } = this.#options.settings;
    const bucket = buckets[action] ?? { capacity, refillPerSecond };
    const part = 1 - reservedShare;
    return { capacity: Math.max(1, bucket.capacity * part), refillPerSecond: bucket.refillPerSecond * part };
  }

  #grant(bucket: BudgetBucket, size: BudgetSize, era: number, waitedMs: number): SharedGrant {
    const { budget } = this.#options.store;
    // Nobody waits for these: what does not arrive is made up for by the bucket's time, or by the next throttled answer.
    return {
      kind: "granted",
      waitedMs,
      answered: (how) => {
        if (how === "throttled") budget.throttled(bucket, size, era).catch(() => undefined);
      },
      unused: () => {
        budget.giveBack(bucket, size).catch(() => undefined);
      },
    };
  }

  /** What was answered is not wanted any more. */
  #undo(answer: BudgetAnswer, bucket: BudgetBucket, size: BudgetSize, ticket: string): void {
    const { budget } = this.#options.store;
    if (answer.kind === "granted") budget.giveBack(bucket, size).catch(() => undefined);
    else if (answer.kind === "wait") budget.withdraw(bucket, ticket).catch(() => undefined);
  }

  #lost(): SharedRefusal {
    const { clock, random } = this.#options;
    this.#awayUntilMs = clock.monotonicMs() + AWAY_MS * (0.5 + random.fraction());
    this.#wakeAll();
    return { kind: "away" };
  }

  #wakeAll(): void {
    for (const waiter of [...this.#waiting]) waiter.wake();
  }

  /** Ends when the time is over or something happened; rejects with the signal's reason. */
  #pause(waiter: Waiter, pauseMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        cancel();
        waiter.wake = () => {};
        signal?.removeEventListener("abort", abort);
      };
      const abort = () => {
        end();
        reject(signal?.reason);
      };
      const done = () => {
        end();
        resolve();
      };
      const cancel = this.#options.clock.after(pauseMs, done);
      waiter.wake = done;
      signal?.addEventListener("abort", abort, { once: true });
    });
  }
}
