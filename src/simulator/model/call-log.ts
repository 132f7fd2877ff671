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

/** Older calls are dropped; the counts are not. */
const MAX_CALLS = 50_000;

export class CallLog {
  #calls: LoggedCall[] = [];
  #counts = new Map<string, CallCount>();
  #sequence = 0;

  add(call: Omit<LoggedCall, "sequence">): LoggedCall {
    this.#sequence += 1;
    const logged = { ...call, sequence: this.#sequence };
    this.#calls.push(logged);
    if (this.#calls.length > MAX_CALLS * 1.1) this.#calls = this.#calls.slice(-MAX_CALLS);
    if (call.caller === "client") this.#count(logged);
    return logged;
  }

  calls(select: { readonly action?: string; readonly after?: number } = {}): readonly LoggedCall[] {
    const { action, after = 0 } = select;
    return this.#calls.filter((call) => call.sequence > after && (action === undefined || call.action === action));
  }

  /** By action, in order of name; foreign calls are not in it. */
  counts(): Readonly<Record<string, CallCount>> {
    return Object.fromEntries([...this.#counts].sort(([one], [other]) => (one < other ? -1 : 1)));
  }

  reset(): void {
    this.#calls = [];
    this.#counts = new Map();
  }

  #count(call: LoggedCall): void {
    const before = this.#counts.get(call.action);
    const isThrottled = call.code === "RequestLimitExceeded";
    const isFailed = call.code !== "" && !isThrottled;
    this.#counts.set(call.action, {
      requests: (before?.requests ?? 0) + 1,
      succeeded: (before?.succeeded ?? 0) + (call.code === "" ? 1 : 0),
      throttled: (before?.throttled ?? 0) + (isThrottled ? 1 : 0),
      failed: (before?.failed ?? 0) + (isFailed ? 1 : 0),
      isMutating: call.isMutating,
    });
  }
}
