/** Calls of EC2 and STS from one client: the time and the faults that each meets, and what it comes to. */
import type { Cancel, Clock, Random } from "../../adapters/index.ts";
import {
  asSimulated,
  type FaultEffect,
  messageOf,
  NO_TEXT,
  type Parameters,
  proxyPage,
  type Result,
  renderError,
  renderResult,
  type SimulatedCloud,
  SimulatedError,
} from "../index.ts";
import { type Translation, translationOf } from "./operation.ts";
import { aborted, connectionReset, metadataOf, refusedByEc2, timedOut, unreadable } from "./thrown.ts";

export interface CallsOptions {
  readonly cloud: SimulatedCloud;
  readonly clock: Clock;
  readonly random: Random;
  readonly accessKeyId: string;
  readonly requestTimeoutMs: number;
  readonly faultOf?: ((action: string, parameters: Parameters) => FaultEffect | undefined) | undefined;
  readonly beforeEffect?: ((action: string, parameters: Parameters) => void) | undefined;
  readonly afterEffect?: ((action: string, parameters: Parameters, outcome: CallOutcome) => void) | undefined;
}

/** What the cloud did: `ok`, or the code that it refused with. */
export interface CallOutcome {
  readonly code: string;
  readonly result?: Result;
}

/** A command of the SDK. */
interface Command {
  readonly schema?: unknown;
  readonly input: unknown;
}

/** One call: what it asks, what it meets, and who waits for it. */
interface Call {
  readonly translation: Translation;
  readonly parameters: Parameters;
  readonly requestId: string;
  readonly fault: FaultEffect | undefined;
  readonly halfLatencyMs: number;
  resolve: ((output: unknown) => void) | undefined;
  reject: ((error: unknown) => void) | undefined;
  /** Takes down everything that could still tell the caller something. */
  release: Cancel | undefined;
  /** The cloud has yet to carry it out. */
  isUnderWay: boolean;
}

/** What comes back over the connection: an output, or what the SDK throws, at once or after it tried to read. */
type Outcome =
  | { readonly output: unknown }
  | { readonly error: unknown }
  | { readonly parse: () => Promise<unknown> }
  | "silence";

export class Calls {
  readonly #options: CallsOptions;
  /** Calls that the cloud has yet to carry out, or whose caller waits. */
  readonly #open = new Set<Call>();
  #dead = false;

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#open.size;
  }

  send(command: Command, { abortSignal: signal }: { readonly abortSignal?: AbortSignal } = {}): Promise<unknown> {
    if (this.#dead) return new Promise(() => undefined);
    if (signal?.aborted) return Promise.reject(aborted(signal));
    const { cloud, random, faultOf, accessKeyId } = this.#options;
    const translation = translationOf(command.schema);
    const { action } = translation;
    // In the order in which the query front draws: a run of the one is a run of the other.
    const parameters = translation.parametersOf(command.input, random);
    const requestId = random.id();
    const fault = faultOf?.(action, parameters) ?? cloud.drawFault(action, accessKeyId);
    const halfLatencyMs = cloud.drawLatencyMs(action) / 2;
    return new Promise((resolve, reject) => {
      const call: Call = {
        translation,
        parameters,
        requestId,
        fault,
        halfLatencyMs,
        resolve,
        reject,
        release: undefined,
        isUnderWay: true,
      };
      this.#open.add(call);
      call.release = this.#limit(call, signal);
      const untilEffectMs = halfLatencyMs + (fault?.kind === "latency" ? fault.delayMs : 0);
      if (untilEffectMs > 0) this.#options.clock.after(untilEffectMs, () => this.#arrive(call));
      else this.#arrive(call);
    });
  }

  /** The client is dead: what it sent is carried out, it hears nothing, what it sends does not arrive. */
  cut(): void {
    this.#dead = true;
    for (const call of this.#open) this.#forget(call);
  }

  /** What ends the wait without an answer. Most calls are answered in time for certain and need no timer. */
  #limit(call: Call, signal: AbortSignal | undefined): Cancel | undefined {
    const { clock, requestTimeoutMs: limitMs } = this.#options;
    const late =
      durationMs(call) < limitMs ? undefined : clock.after(limitMs, () => this.#tell(call, timedOut(limitMs)));
    if (signal === undefined) return late;
    const abort = () => this.#tell(call, aborted(signal));
    signal.addEventListener("abort", abort, { once: true });
    return () => {
      late?.();
      signal.removeEventListener("abort", abort);
    };
  }

  /** The cloud has the call. */
  #arrive(call: Call): void {
    const early = this.#withoutEffect(call);
    const outcome = early ?? this.#carryOut(call);
    call.isUnderWay = false;
    if (call.resolve === undefined) this.#open.delete(call);
    else if (early !== undefined || call.halfLatencyMs === 0) this.#answer(call, outcome);
    else this.#later(call, outcome);
  }

  #later(call: Call, outcome: Outcome): void {
    const release = call.release;
    const cancel = this.#options.clock.after(call.halfLatencyMs, () => this.#answer(call, outcome));
    call.release = () => {
      cancel();
      release?.();
    };
  }

  #answer(call: Call, outcome: Outcome): void {
    if (outcome === "silence") return;
    if ("parse" in outcome) outcome.parse().then((error) => this.#tell(call, error));
    else if ("error" in outcome) this.#tell(call, outcome.error);
    else {
      const { resolve } = call;
      this.#forget(call);
      resolve?.(outcome.output);
    }
  }

  #tell(call: Call, error: unknown): void {
    const { reject } = call;
    this.#forget(call);
    reject?.(error);
  }

  /** Nobody waits for it any more. */
  #forget(call: Call): void {
    if (!call.isUnderWay) this.#open.delete(call);
    call.release?.();
    call.release = undefined;
    call.resolve = undefined;
    call.reject = undefined;
  }

  /** What the faults come to that keep the call from having any effect; undefined: it has one. */
  #withoutEffect(call: Call): Outcome | undefined {
    const { fault } = call;
    switch (fault?.kind) {
      case "error": {
        const error = new SimulatedError(
          fault.code,
          fault.message ?? messageOf(fault.code) ?? NO_TEXT,
          fault.httpStatus,
        );
        this.#note(call, error.code, error.httpStatus);
        return refused(call, error);
      }
      case "reset":
        this.#note(call, "(connection reset)", 0);
        return { error: connectionReset() };
      case "html": {
        const status = fault.httpStatus ?? 503;
        this.#note(call, "(html)", status);
        return { parse: () => unreadable(call.translation, { status, body: proxyPage(status) }) };
      }
      case "hang":
        if (fault.moment === "after") return undefined;
        this.#note(call, "(no answer)", 0);
        return "silence";
      default:
        return undefined;
    }
  }

  #carryOut(call: Call): Outcome {
    const { cloud, beforeEffect, afterEffect } = this.#options;
    const { translation, parameters, requestId, fault } = call;
    const { action, service } = translation;
    beforeEffect?.(action, parameters);
    let result: Result;
    try {
      result = cloud.call(action, parameters, this.#contextOf(call));
    } catch (thrown) {
      const error = asSimulated(thrown);
      afterEffect?.(action, parameters, { code: error.code });
      const spoiled = spoiledBy(fault, () => renderError(service, requestId, error), error.httpStatus, call);
      return spoiled ?? refused(call, error);
    }
    afterEffect?.(action, parameters, { code: "ok", result });
    const spoiled = spoiledBy(fault, () => renderResult(service, action, requestId, result), 200, call);
    if (spoiled !== undefined) return spoiled;
    return { output: Object.assign(translation.outputOf(result), { $metadata: metadataOf(200, requestId) }) };
  }

  #note(call: Call, code: string, status: number): void {
    const { translation, parameters } = call;
    this.#options.cloud.noteWithoutEffect(translation.action, parameters, this.#contextOf(call), code, status);
  }

  #contextOf({ translation, requestId, fault }: Call) {
    return {
      requestId,
      attempt: 1,
      accessKeyId: this.#options.accessKeyId,
      service: translation.service,
      ...(fault && { fault: fault.kind }),
      ...(fault?.kind === "settings" && { settings: fault.settings }),
    };
  }
}

/** How long the whole call takes; for ever when it hangs. */
function durationMs({ fault, halfLatencyMs }: Call): number {
  switch (fault?.kind) {
    case "hang":
      return Number.POSITIVE_INFINITY;
    case "error":
    case "reset":
    case "html":
      return halfLatencyMs;
    case "latency":
      return 2 * halfLatencyMs + fault.delayMs;
    default:
      return 2 * halfLatencyMs;
  }
}

function refused({ translation, requestId }: Call, error: SimulatedError): Outcome {
  if (translation.service === "ec2") return { error: refusedByEc2(error, requestId) };
  const reply = { status: error.httpStatus, requestId, body: renderError("sts", requestId, error) };
  return { parse: () => unreadable(translation, reply) };
}

/** What the faults that come after the effect leave of an answer; undefined: all of it. */
function spoiledBy(
  fault: FaultEffect | undefined,
  text: () => string,
  status: number,
  { translation, requestId }: Call,
): Outcome | undefined {
  switch (fault?.kind) {
    case "lost-reply":
      return { error: connectionReset() };
    case "hang":
      return "silence";
    case "truncated":
      return {
        parse: () => {
          const whole = text();
          return unreadable(translation, { status, requestId, body: whole.slice(0, whole.length / 2) });
        },
      };
    default:
      return undefined;
  }
}
