/**
 * The way from a client to the simulated cloud without sockets: the AWS SDK's requests go to the query front, those to
 * instance metadata to the model, and every answer comes back at the moment of an injected clock. With a virtual clock
 * hours pass in a second, and a run is a function of its seeds.
 */
import { Readable } from "node:stream";
import { type Clock, sleep } from "../../adapters/index.ts";
import type { Answer } from "../model/answer.ts";
import type { SimulatedCloud } from "../model/cloud.ts";
import type { Front } from "../query/front.ts";

export interface InProcessOptions {
  readonly cloud: SimulatedCloud;
  readonly front: Front;
  /** Measures the client's time limits. */
  readonly clock: Clock;
  /** The instance that the client runs on: whose metadata it sees. */
  readonly instanceId: string;
  /** Called just before the cloud receives a request: a fault rule made for `action` here hits exactly this call. */
  readonly onRequest?: (action: string) => void;
  /** What becomes of an answer of instance metadata on its way, e.g. that of a service which shows a part only. */
  readonly onMetadata?: (path: string, answer: Answer) => Answer;
}

/** What the SDK hands to a request handler, as far as it is looked at. */
export interface HandledRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly body?: unknown;
}

export interface HandledResponse {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly body: Readable;
}

/** A request handler of the SDK (HttpHandler of smithy). */
export interface InProcessHandler {
  readonly metadata: { readonly handlerProtocol: string };
  handle(
    request: HandledRequest,
    options?: { readonly abortSignal?: unknown; readonly requestTimeout?: number },
  ): Promise<{ response: HandledResponse }>;
  updateHttpClientConfig(): void;
  httpHandlerConfigs(): Record<string, never>;
  destroy(): void;
}

export interface InProcessTransport {
  /** A handler for one client. After `requestTimeoutMs` without an answer it rejects with a TimeoutError. */
  requestHandler(requestTimeoutMs: number): InProcessHandler;
  readonly metadata: {
    send(request: {
      readonly method: string;
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
      /** Then it rejects with a TimeoutError. Absent: it waits for ever. */
      readonly timeoutMs?: number;
      readonly signal?: AbortSignal | undefined;
    }): Promise<{ readonly status: number; readonly body: string }>;
    close(): void;
  };
  /** Counts requests, answers and bodies read to their end: still the same after a turn = nothing moves by itself. */
  readonly activity: number;
  /** Requests that the cloud has and that nobody has been told the end of. */
  readonly inFlight: number;
  /** The client is dead: what it has sent is carried out, no answer reaches it, nothing that it sends arrives. */
  cut(): void;
}

export function createInProcessTransport(options: InProcessOptions): InProcessTransport {
  const { cloud, front, clock, instanceId, onRequest, onMetadata } = options;
  let activity = 0;
  let inFlight = 0;
  let dead = false;

  /** Settles `exchange` unless the client is dead by then; a dead one waits for ever. */
  const whileAlive = <Output>(exchange: Promise<Output>): Promise<Output> => {
    activity += 1;
    inFlight += 1;
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        activity += 1;
        inFlight -= 1;
        if (!dead) settle();
      };
      exchange.then(
        (output) => end(() => resolve(output)),
        (error: unknown) => end(() => reject(error)),
      );
    });
  };

  const handle = async (request: HandledRequest, limitMs: number, signal: AbortSignal | undefined) => {
    const form = formOf(request);
    onRequest?.(new URLSearchParams(form).get("Action") ?? "");
    // The front gets no signal: what EC2 has received it carries out, whether its caller waits or not.
    const answer = front.answer({ form, headers: lowerCased(request.headers) });
    const reply = received(await within(answer, { clock, limitMs, signal }));
    const body = Readable.from([Buffer.from(reply.body)]);
    body.once("end", () => {
      activity += 1;
    });
    return { response: { statusCode: reply.status, headers: { ...reply.headers }, body } };
  };

  return {
    requestHandler: (requestTimeoutMs) => ({
      metadata: { handlerProtocol: "http/1.1" },
      handle: (request, { abortSignal, requestTimeout } = {}) =>
        dead ? never() : whileAlive(handle(request, requestTimeout ?? requestTimeoutMs, asSignal(abortSignal))),
      updateHttpClientConfig: () => undefined,
      httpHandlerConfigs: () => ({}),
      destroy: () => undefined,
    }),
    metadata: {
      send: ({ method, url, headers, timeoutMs: limitMs = Number.POSITIVE_INFINITY, signal }) => {
        if (dead) return never();
        const { pathname: path } = new URL(url);
        const exchange = async () => {
          const plain = cloud.metadata(instanceId, { method, path, headers: lowerCased(headers) });
          const answer = onMetadata?.(path, plain) ?? plain;
          const waited = async () => {
            if (answer.delayMs !== undefined) await sleep(clock, answer.delayMs);
            return answer;
          };
          const { status, body } = received(await within(waited(), { clock, limitMs, signal }));
          return { status, body };
        };
        return whileAlive(exchange());
      },
      close: () => undefined,
    },
    get activity() {
      return activity;
    },
    get inFlight() {
      return inFlight;
    },
    cut: () => {
      dead = true;
    },
  };
}

interface Patience {
  readonly clock: Clock;
  readonly limitMs: number;
  readonly signal: AbortSignal | undefined;
}

/** The answer, unless it hangs or comes later than the client waits: then what the client's own handler would throw. */
function within(answer: Promise<Answer>, { clock, limitMs, signal }: Patience): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void) => {
      cancel();
      signal?.removeEventListener("abort", abort);
      finish();
    };
    const abort = () => settle(() => reject(signal?.reason));
    const late = () => settle(() => reject(named("TimeoutError", `no answer within ${limitMs} ms`)));
    const cancel = Number.isFinite(limitMs) ? clock.after(limitMs, late) : () => undefined;
    if (signal?.aborted) {
      abort();
      return;
    }
    signal?.addEventListener("abort", abort, { once: true });
    answer.then(
      (come) => {
        if (come.kind !== "hang") settle(() => resolve(come));
      },
      (error: unknown) => settle(() => reject(error)),
    );
  });
}

/** What came over the connection; throws what a socket would when it was closed instead. */
function received(answer: Answer): Extract<Answer, { kind: "reply" }> {
  if (answer.kind === "reply") return answer;
  throw Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
}

function formOf({ method, body, query }: HandledRequest): string {
  if (method === "GET") {
    const fields = Object.entries(query ?? {}).flatMap(([name, value]) =>
      [value ?? ""].flat().map((one) => [name, one] as [string, string]),
    );
    return new URLSearchParams(fields).toString();
  }
  return typeof body === "string" ? body : Buffer.from((body ?? "") as Uint8Array).toString("utf8");
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/** The SDK types its signal for browsers of old as well; those that enid hands in are real ones. */
function asSignal(signal: unknown): AbortSignal | undefined {
  return signal instanceof AbortSignal ? signal : undefined;
}

function named(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
