import type { Filter } from "@aws-sdk/client-ec2";
import { EnidError } from "../../errors.ts";
import { ActionBudgets, type Grant } from "./action-budget.ts";
import { RetryBudget } from "./action-budget-retries.ts";
import { ec2FailureOf, failureOf } from "./failures.ts";
import type { MutationQueues } from "./mutation-queues.ts";
import type { Surroundings } from "./options.ts";
import { Pauses } from "./waiting.ts";

/** EC2's maximum for the describes used here. */
const PAGE_SIZE = 1_000;
/** More pages than any node or VPC has; an endless row of tokens ends here. */
const PAGES_LIMIT = 50;

/** Filters are ANDed, the values of one are ORed. Never empty: that would describe the whole account. */
export type Filters = Readonly<Record<string, readonly string[]>>;

/** One call of EC2, whatever its parameters. */
export interface Call {
  readonly action: string;
  readonly mutation: boolean;
  readonly subnetId?: string;
}

type Send<Answer> = (options: { abortSignal: AbortSignal }) => Promise<Answer>;

interface Answered {
  readonly $metadata: { readonly requestId?: string | undefined; readonly httpStatusCode?: number | undefined };
}

interface PageRequest {
  readonly Filters: Filter[];
  readonly MaxResults: number;
  readonly NextToken?: string;
}

interface Page extends Answered {
  readonly NextToken?: string | undefined;
}

/**
 * How calls of EC2 are sent: each with a token of its action (action-budget.ts) and a limit, told to telemetry, every
 * failure an EnidError whose details are an Ec2Failure. Describes are tried again a few times, as long as the budget of
 * retries lasts; a mutation is sent once, in its turn (mutation-queues.ts).
 */
export class Ec2Transport {
  readonly #world: Surroundings;
  readonly #queues: MutationQueues;
  readonly #budgets: ActionBudgets;
  readonly #retries = new RetryBudget();

  constructor(world: Surroundings, queues: MutationQueues, budgets = new ActionBudgets(world)) {
    this.#world = world;
    this.#queues = queues;
    this.#budgets = budgets;
  }

  /** One mutation, once, in the turn of `key`. `take` answers undefined when the answer lacks what it must have. */
  async mutate<Answer extends Answered, Output>(
    call: Call,
    key: string,
    send: Send<Answer>,
    take: (answer: Answer) => Output | undefined,
    signal?: AbortSignal,
  ): Promise<Output> {
    // The token comes before the turn: who waits for one holds up neither another action nor the calls of all.
    const grant = await this.#token(call, signal);
    let sent = false;
    const attempt = async () => {
      sent = true;
      return this.#attempt(call, grant, send, take, signal);
    };
    return this.#queues.run(key, attempt, signal).catch((error) => {
      if (sent) throw error;
      // Aborted while waiting for its turn: certainly without effect.
      grant.unused();
      throw failureOf(cancelled(error), { ...call, mutation: false });
    });
  }

  /** A describe, tried again after a passing failure while the process has retries left. */
  async persist<Answer extends Answered>(call: Call, send: Send<Answer>, signal?: AbortSignal): Promise<Answer> {
    const { describeRetries, describeRetryBaseMs, attemptLimitMs } = this.#world.limits;
    const pauses = new Pauses(this.#world, {
      baseMs: describeRetryBaseMs,
      maxMs: describeRetryBaseMs * 8,
      limitMs: (describeRetries + 1) * attemptLimitMs,
    });
    for (let retry = 0; ; retry++) {
      try {
        const answer = await this.#attempt(call, await this.#token(call, signal), send, whole, signal);
        this.#retries.succeeded(retry);
        return answer;
      } catch (error) {
        if (retry >= describeRetries || !isPassing(error) || signal?.aborted || !this.#retries.spend()) throw error;
        const paused = await pauses.pause(signal).catch((reason) => {
          throw failureOf(cancelled(reason), call);
        });
        if (!paused) throw error;
      }
    }
  }

  /** All pages of a describe. */
  async pages<Answer extends Page, Item>(
    action: string,
    filters: Filters,
    send: (page: PageRequest, options: { abortSignal: AbortSignal }) => Promise<Answer>,
    items: (answer: Answer) => Item[] | undefined,
    signal?: AbortSignal,
  ): Promise<Item[]> {
    const call = { action, mutation: false };
    const Filters = asFilters(filters);
    const all: Item[] = [];
    let token: string | undefined;
    for (let pages = 0; pages < PAGES_LIMIT; pages++) {
      const page = { Filters, MaxResults: PAGE_SIZE, ...(token === undefined ? {} : { NextToken: token }) };
      const answer = await this.persist(call, (options) => send(page, options), signal);
      all.push(...(items(answer) ?? []));
      token = answer.NextToken;
      if (!token) return all;
    }
    throw failureOf(new Error(`the answer has more than ${PAGES_LIMIT} pages`), call);
  }

  /** A token for one attempt; one that does not come is a failure without effect. */
  async #token(call: Call, signal?: AbortSignal): Promise<Grant> {
    try {
      return await this.#budgets.take(call, signal);
    } catch (error) {
      throw error instanceof EnidError ? error : failureOf(cancelled(error), { ...call, mutation: false });
    }
  }

  /** One attempt with its limit, told to telemetry and to the budget. */
  async #attempt<Answer extends Answered, Output>(
    call: Call,
    grant: Grant,
    send: Send<Answer>,
    take: (answer: Answer) => Output | undefined,
    signal?: AbortSignal,
  ): Promise<Output> {
    const { clock, telemetry, limits } = this.#world;
    const startedAtMs = clock.monotonicMs();
    const waited = grant.waitedMs > 0 ? { waitedMs: grant.waitedMs } : {};
    const finished = (code: string, requestId: string) => {
      const durationMs = clock.monotonicMs() - startedAtMs;
      telemetry.cloudCall({ action: call.action, code, durationMs, requestId, ...waited });
    };
    const stop = new AbortController();
    const abort = () => stop.abort(cancelled(signal?.reason));
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    const cancel = clock.after(limits.attemptLimitMs, () => {
      stop.abort(Object.assign(new Error(`no answer within ${limits.attemptLimitMs} ms`), { name: "TimeoutError" }));
    });
    try {
      // The SDK looks at the signal only once it has credentials; the race bounds that part as well.
      const stopped = new Promise<never>((_, reject) => {
        if (stop.signal.aborted) reject(stop.signal.reason);
        stop.signal.addEventListener("abort", () => reject(stop.signal.reason), { once: true });
      });
      const answer = await Promise.race([send({ abortSignal: stop.signal }), stopped]);
      const output = take(answer);
      if (output === undefined) {
        throw Object.assign(new Error("the answer lacks its result"), { $metadata: answer.$metadata });
      }
      finished("ok", answer.$metadata.requestId ?? "");
      grant.answered("ok");
      return output;
    } catch (thrown) {
      const error = failureOf(thrown, call);
      const failure = ec2FailureOf(error);
      finished(failure?.ec2Code ?? error.code, failure?.requestId ?? "");
      if (failure?.class === "throttled") grant.answered("throttled");
      throw error;
    } finally {
      cancel();
      signal?.removeEventListener("abort", abort);
    }
  }
}

/** Worth another try. Not so a token that did not come: it was waited for already. */
function isPassing(error: unknown): boolean {
  if (error instanceof EnidError && error.code === "ENID_EC2_BUDGET") return false;
  return ["throttled", "transient"].includes(ec2FailureOf(error)?.class ?? "");
}

/** The answer itself. */
export function whole<Answer>(answer: Answer): Answer {
  return answer;
}

function asFilters(filters: Filters): Filter[] {
  const list = Object.entries(filters).map(([Name, values]) => ({ Name, Values: [...values] }));
  if (list.length === 0 || list.some((one) => one.Values.length === 0)) {
    throw new EnidError("ENID_INTERNAL", { detail: "a describe without filter values would describe the account" });
  }
  return list;
}

function cancelled(reason: unknown): Error {
  const detail = reason instanceof Error ? reason.message : "by the caller";
  return Object.assign(new Error(`cancelled: ${detail}`, { cause: reason }), { name: "Cancelled" });
}
