/** What the simulated cloud was asked and what it answered. */
import type { Parameters } from "./parameters.ts";

export interface LoggedCall {
  /** Counts from 1 over the life of the simulator. */
  readonly sequence: number;
  /** Wall ms since the epoch. */
  readonly atMs: number;
  readonly service: "ec2" | "sts";
  readonly action: string;
  readonly parameters: Parameters;
  readonly isMutating: boolean;
  /** EC2's code; empty when it succeeded. A dry run that would succeed has DryRunOperation. */
  readonly code: string;
  readonly httpStatus: number;
  /** True: the call changed the cloud, whatever its caller was told. */
  readonly hadEffect: boolean;
  /** The kind of fault that hit it; empty when none did. */
  readonly fault: string;
  readonly requestId: string;
  /** One per logical call of an SDK, the same for its retries; empty when the caller sends none. */
  readonly invocationId: string;
  /** 1 for the first try; 0 when the caller does not say. */
  readonly attempt: number;
  readonly accessKeyId: string;
  /** Whose call it was. */
  readonly account: string;
  /** `foreign`: made through the control endpoint, not counted. */
  readonly caller: "client" | "foreign";
}

export interface CallCount {
  readonly requests: number;
  readonly succeeded: number;
  readonly throttled: number;
  /** Refused for another reason than throttling. */
  readonly failed: number;
  readonly isMutating: boolean;
}

/** What is kept of the calls themselves: all of late, or only the last few; counts are kept either way. */
export type LogExtent = "all" | "counts";

/** So many of the last calls are kept; older ones are dropped, the counts are not. */
const KEPT: Readonly<Record<LogExtent, number>> = { all: 50_000, counts: 100 };

type Counter = { -readonly [Name in keyof CallCount]: CallCount[Name] };

interface ActionCounts {
  readonly counter: Counter;
  /** By code; empty for success. */
  readonly codes: Map<string, number>;
}

export class CallLog {
  readonly #kept: number;
  #calls: LoggedCall[] = [];
  #actions = new Map<string, ActionCounts>();
  #sequence = 0;

  constructor(extent: LogExtent = "all") {
    this.#kept = KEPT[extent];
  }

  add(call: Omit<LoggedCall, "sequence">): LoggedCall {
    this.#sequence += 1;
    const logged = { ...call, sequence: this.#sequence };
    this.#calls.push(logged);
    if (this.#calls.length > this.#kept * 1.1) this.#calls = this.#calls.slice(-this.#kept);
    if (call.caller === "client") this.#count(logged);
    return logged;
  }

  calls(select: { readonly action?: string; readonly after?: number } = {}): readonly LoggedCall[] {
    const { action, after = 0 } = select;
    // What is kept has no gaps, so that a sequence number says its place.
    const first = this.#calls[0]?.sequence ?? 0;
    const late = this.#calls.slice(Math.max(0, Math.floor(after) + 1 - first));
    return action === undefined ? late : late.filter((call) => call.action === action);
  }

  /** By action, in order of name; foreign calls are not in it. */
  counts(): Readonly<Record<string, CallCount>> {
    return inOrder([...this.#actions].map(([action, { counter }]) => [action, { ...counter }]));
  }

  /** Calls by EC2's code, in order of code, of one action or of all; success and foreign calls are not in it. */
  countsByCode(action?: string): Readonly<Record<string, number>> {
    const sums = new Map<string, number>();
    for (const [name, { codes }] of this.#actions) {
      if (action !== undefined && action !== name) continue;
      for (const [code, count] of codes) if (code !== "") sums.set(code, (sums.get(code) ?? 0) + count);
    }
    return inOrder([...sums]);
  }

  /** Over all actions; foreign calls are not in it. */
  total(): Omit<CallCount, "isMutating"> {
    const total = { requests: 0, succeeded: 0, throttled: 0, failed: 0 };
    for (const { counter } of this.#actions.values()) {
      total.requests += counter.requests;
      total.succeeded += counter.succeeded;
      total.throttled += counter.throttled;
      total.failed += counter.failed;
    }
    return total;
  }

  reset(): void {
    this.#calls = [];
    this.#actions = new Map();
  }

  #count({ action, code, isMutating }: LoggedCall): void {
    const known = this.#actions.get(action);
    const { counter, codes } = known ?? freshCounts();
    if (!known) this.#actions.set(action, { counter, codes });
    counter.requests += 1;
    if (code === "") counter.succeeded += 1;
    else if (code === "RequestLimitExceeded") counter.throttled += 1;
    else counter.failed += 1;
    counter.isMutating = isMutating;
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
}

function freshCounts(): ActionCounts {
  return {
    counter: { requests: 0, succeeded: 0, throttled: 0, failed: 0, isMutating: false },
    codes: new Map(),
  };
}

function inOrder<T>(entries: readonly (readonly [string, T])[]): Readonly<Record<string, T>> {
  return Object.fromEntries([...entries].sort(([one], [other]) => (one < other ? -1 : 1)));
}
