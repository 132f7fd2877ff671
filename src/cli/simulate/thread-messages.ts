import type { MessagePort } from "node:worker_threads";
import { catalogue, coerceError, EnidError, type ErrorCode, type ErrorValues } from "../../errors.ts";
import type { Ask, JobHandlers, JobKind, Progress } from "./jobs.ts";

export interface JobMessage {
  readonly kind: JobKind;
  readonly ask: Ask<JobKind>;
}

export type ReplyMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "progress"; readonly progress: Progress }
  | { readonly kind: "answer"; readonly answer: unknown }
  | { readonly kind: "failure"; readonly failure: Failure };

/** An EnidError on its way between threads, where classes are lost. */
interface Failure {
  readonly code: ErrorCode;
  readonly values: ErrorValues;
  readonly details: unknown;
  readonly cause: Error | undefined;
}

/** The worker's side: carries out one job after the other, each answered by its handler. */
export function serveJobs(port: MessagePort, handlers: Partial<JobHandlers>): void {
  const send = (message: ReplyMessage) => port.postMessage(message);
  port.on("message", async ({ kind, ask }: JobMessage) => {
    try {
      const handler = handlers[kind] as JobHandlers[JobKind] | undefined;
      if (handler === undefined) throw new Error(`the worker does not know the job ${JSON.stringify(kind)}`);
      const answer = await handler(ask as never, (progress) => send({ kind: "progress", progress }));
      send({ kind: "answer", answer });
    } catch (thrown) {
      send({ kind: "failure", failure: toFailure(coerceError(thrown)) });
    }
  });
  send({ kind: "ready" });
}

function toFailure({ code, values, details, cause }: EnidError): Failure {
  // Only what certainly can be cloned; of the cause, what a report of a bug needs.
  const plainCause =
    cause instanceof Error ? Object.assign(new Error(cause.message), { stack: cause.stack }) : undefined;
  return { code, values, details: details === undefined ? undefined : asJson(details), cause: plainCause };
}

function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value) ?? "null");
}

export function fromFailure({ code, values, details, cause }: Failure): EnidError {
  return new EnidError(code in catalogue ? code : "ENID_INTERNAL", values, { details, cause });
}
