/**
 * A peer's EC2 client: the AWS SDK for Go v2 with its standard retryer. 3 attempts, back-off random in [0, 2^n) seconds
 * before the n-th retry, at most 20 s, and a quota of 500 tokens for retries of which one costs 5 (a timeout 10), one
 * success gives back 1.
 * Sources: https://aws.github.io/aws-sdk-go-v2/docs/configuring-sdk/retries-timeouts,
 * https://pkg.go.dev/github.com/aws/aws-sdk-go-v2/aws/retry (DefaultMaxAttempts, DefaultMaxBackoff, DefaultRetryCost,
 * DefaultRetryTimeoutCost, ExponentialJitterBackoff).
 */
import { type Clock, type Random, sleep } from "../../adapters/index.ts";
import { type FaultEffect, type Parameters, type Result, type SimulatedCloud, SimulatedError } from "../index.ts";

export interface Ec2ClientOptions {
  readonly cloud: SimulatedCloud;
  /** Carries requests to EC2 even when their sender is dead by then. */
  readonly wire: Clock;
  /** The clock of the process: after its end no reply comes. */
  readonly clock: Clock;
  readonly random: Random;
  readonly accessKeyId: string;
  /** Infinity: retries are not limited by a quota. */
  readonly retryQuota?: number;
  /** Called before each logical call; the call waits for it (a limiter of the client's own). */
  readonly admit?: () => Promise<void>;
}

const MAX_ATTEMPTS = 3;
const MAX_BACKOFF_MS = 20_000;
const RETRY_QUOTA = 500;
const RETRY_COST = 5;
const TIMEOUT_COST = 10;
/** http.Client of the VPC CNI (awssession: HTTP_TIMEOUT); Cilium's own is not limited, but no answer is no answer. */
const TIMEOUT_MS = 10_000;

const TIMEOUT = "RequestTimeout";
const RETRYABLE: ReadonlySet<string> = new Set([
  "RequestLimitExceeded",
  "InternalError",
  "InternalFailure",
  "ServiceUnavailable",
  "Unavailable",
  "ConnectionReset",
  TIMEOUT,
]);

export class Ec2Client {
  readonly #options: Ec2ClientOptions;
  #retryTokens: number;

  constructor(options: Ec2ClientOptions) {
    this.#options = options;
    this.#retryTokens = options.retryQuota ?? RETRY_QUOTA;
  }

  /** Rejects with a SimulatedError of the last attempt; its codes are EC2's, ConnectionReset or RequestTimeout. */
  async call(action: string, parameters: Parameters): Promise<Result> {
    await this.#options.admit?.();
    for (let attempt = 1; ; attempt += 1) {
      try {
        const result = await this.#attempt(action, parameters, attempt);
        this.#retryTokens = Math.min(this.#options.retryQuota ?? RETRY_QUOTA, this.#retryTokens + 1);
        return result;
      } catch (thrown) {
        if (!(thrown instanceof SimulatedError) || !RETRYABLE.has(thrown.code) || attempt === MAX_ATTEMPTS)
          throw thrown;
        const cost = thrown.code === TIMEOUT ? TIMEOUT_COST : RETRY_COST;
        if (this.#retryTokens < cost) throw thrown;
        this.#retryTokens -= cost;
        const { clock, random } = this.#options;
        await sleep(clock, Math.min(MAX_BACKOFF_MS, random.fraction() * 1_000 * 2 ** attempt));
      }
    }
  }

  #attempt(action: string, parameters: Parameters, attempt: number): Promise<Result> {
    const { cloud, wire, clock, accessKeyId } = this.#options;
    const fault = cloud.drawFault(action, accessKeyId);
    const slowMs = fault?.kind === "latency" ? fault.delayMs : 0;
    const halfMs = cloud.drawLatencyMs(action) / 2;
    return new Promise((resolve, reject) => {
      wire.after(halfMs + slowMs, () => {
        const answer = this.#answer(action, parameters, attempt, fault);
        const delayMs = answer instanceof SimulatedError && answer.code === TIMEOUT ? TIMEOUT_MS : halfMs;
        clock.after(delayMs, () => {
          if (answer instanceof Error) reject(answer);
          else resolve(answer);
        });
      });
    });
  }

  /** What EC2 does with the request at the moment it arrives, and what its sender will be told. */
  #answer(
    action: string,
    parameters: Parameters,
    attempt: number,
    fault: FaultEffect | undefined,
  ): Result | SimulatedError | Error {
    const { cloud, accessKeyId } = this.#options;
    const context = { accessKeyId, attempt, ...(fault && { fault: fault.kind }) };
    const hasEffect = fault === undefined || !isRefused(fault);
    try {
      if (!hasEffect) cloud.noteWithoutEffect(action, parameters, context, codeOf(fault), 500);
      const settings = fault?.kind === "settings" ? { settings: fault.settings } : {};
      const result = hasEffect ? cloud.call(action, parameters, { ...context, ...settings }) : undefined;
      return (fault && told(fault)) ?? result ?? {};
    } catch (thrown) {
      return thrown instanceof Error ? thrown : new SimulatedError("InternalError", String(thrown));
    }
  }
}

function isRefused(fault: FaultEffect): boolean {
  if (fault.kind === "hang") return fault.moment !== "after";
  return fault.kind === "error" || fault.kind === "reset" || fault.kind === "html";
}

function codeOf(fault: FaultEffect): string {
  return fault.kind === "error" ? fault.code : fault.kind;
}

/** What the fault makes of the answer; undefined: it leaves it alone. */
function told(fault: FaultEffect): SimulatedError | undefined {
  switch (fault.kind) {
    case "error":
      return new SimulatedError(fault.code, fault.message ?? fault.code);
    case "html":
      return new SimulatedError("ServiceUnavailable", "the answer is a page of a proxy");
    case "reset":
    case "lost-reply":
      return new SimulatedError("ConnectionReset", "the connection was closed");
    case "truncated":
      return new SimulatedError("DeserializationError", "the answer ends in the middle");
    case "hang":
      return new SimulatedError(TIMEOUT, "no answer");
    default:
      return undefined;
  }
}
