/**
 * One request of the Query protocol to one answer, with the time and the faults that the connection may meet. No
 * sockets: the HTTP server and an in-process caller hand text in and act on what comes out.
 */
import { type Clock, type Random, sleep } from "../../adapters/index.ts";
import type { Answer } from "../model/answer.ts";
import type { CallContext, SimulatedCloud } from "../model/cloud.ts";
import { messageOf } from "../model/ec2-errors.ts";
import type { FaultEffect } from "../model/faults.ts";
import { missingParameter, SimulatedError } from "../model/simulated-error.ts";
import { type QueryRequest, readForm } from "./form.ts";
import { EC2_VERSION, renderError, renderResult, type Service, STS_VERSION } from "./xml.ts";

export interface FrontRequest {
  /** Body of the POST, or the query string of the GET. */
  readonly form: string;
  /** Header values by lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
}

export interface Front {
  /** Rejects only with the reason of the signal. */
  answer(request: FrontRequest, signal?: AbortSignal): Promise<Answer>;
}

/** The text of a refusal by a fault rule that gives none, for a code without a text of its own. */
export const NO_TEXT = "Injected by a fault rule.";
const STS_ACTIONS = new Set(["GetCallerIdentity", "AssumeRole"]);

export function createFront(cloud: SimulatedCloud, clock: Clock, random: Random): Front {
  return {
    async answer({ form, headers }, signal) {
      const requestId = random.id();
      let request: QueryRequest;
      try {
        request = readForm(form);
      } catch (thrown) {
        return refusal("ec2", requestId, asSimulated(thrown));
      }
      const service: Service = request.version === STS_VERSION || STS_ACTIONS.has(request.action) ? "sts" : "ec2";
      const caller = contextOf(headers);
      const fault = cloud.drawFault(request.action, caller.accessKeyId);
      const context = {
        ...caller,
        requestId,
        service,
        ...(fault && { fault: fault.kind }),
        ...(fault?.kind === "settings" && { settings: fault.settings }),
      };
      const latencyMs = cloud.drawLatencyMs(request.action);
      await sleep(clock, latencyMs / 2 + (fault?.kind === "latency" ? fault.delayMs : 0), signal);
      const early = fault && withoutEffect(cloud, request, context, service, fault);
      if (early) return early;
      const answer = perform(cloud, request, context, service);
      await sleep(clock, latencyMs / 2, signal);
      return fault ? spoiled(answer, fault) : answer;
    },
  };
}

/** The faults that keep the call from having any effect. */
function withoutEffect(
  cloud: SimulatedCloud,
  { action, parameters }: QueryRequest,
  context: CallContext & { readonly requestId: string },
  service: Service,
  fault: FaultEffect,
): Answer | undefined {
  const note = (code: string, status: number) => cloud.noteWithoutEffect(action, parameters, context, code, status);
  switch (fault.kind) {
    case "error": {
      const error = new SimulatedError(fault.code, fault.message ?? messageOf(fault.code) ?? NO_TEXT, fault.httpStatus);
      note(error.code, error.httpStatus);
      return refusal(service, context.requestId, error);
    }
    case "reset":
      note("(connection reset)", 0);
      return { kind: "reset" };
    case "html": {
      const status = fault.httpStatus ?? 503;
      note("(html)", status);
      return { kind: "reply", status, headers: { "content-type": "text/html" }, body: proxyPage(status) };
    }
    case "hang":
      if (fault.moment === "after") return undefined;
      note("(no answer)", 0);
      return { kind: "hang" };
    default:
      return undefined;
  }
}

/** What a proxy or a load balancer says instead of EC2. */
export function proxyPage(status: number): string {
  return `<html><head><title>${status}</title></head><body><h1>${status} Service Unavailable</h1></body></html>\n`;
}

/** What the faults that come after the effect leave of an answer. */
function spoiled(answer: Answer, fault: FaultEffect): Answer {
  switch (fault.kind) {
    case "lost-reply":
      return { kind: "reset" };
    case "hang":
      return { kind: "hang" };
    case "truncated":
      return answer.kind === "reply" ? { ...answer, body: answer.body.slice(0, answer.body.length / 2) } : answer;
    default:
      return answer;
  }
}

function perform(
  cloud: SimulatedCloud,
  { action, version, parameters }: QueryRequest,
  context: CallContext & { readonly requestId: string },
  service: Service,
): Answer {
  try {
    const wanted = service === "sts" ? STS_VERSION : EC2_VERSION;
    if (version !== wanted) {
      const error =
        version === ""
          ? missingParameter("Version")
          : new SimulatedError(
              "NoSuchVersion",
              `The requested version (${version}) of service ${service} does not exist`,
            );
      cloud.noteWithoutEffect(action, parameters, context, error.code, error.httpStatus);
      return refusal(service, context.requestId, error);
    }
    const result = cloud.call(action, parameters, context);
    return xmlReply(200, context.requestId, renderResult(service, action, context.requestId, result));
  } catch (thrown) {
    return refusal(service, context.requestId, asSimulated(thrown));
  }
}

function refusal(service: Service, requestId: string, error: SimulatedError): Answer {
  return xmlReply(error.httpStatus, requestId, renderError(service, requestId, error));
}

function xmlReply(status: number, requestId: string, body: string): Answer {
  const headers = { "x-amzn-requestid": requestId, "content-type": "text/xml;charset=UTF-8", server: "AmazonEC2" };
  return { kind: "reply", status, headers, body };
}

/** Who calls, as the headers of an SDK tell it. */
function contextOf(headers: FrontRequest["headers"]): CallContext {
  const attempt = /attempt=(\d{1,3})/.exec(headers["amz-sdk-request"] ?? "")?.[1];
  const accessKeyId = /Credential=([A-Za-z0-9]{1,128})\//.exec(headers.authorization ?? "")?.[1];
  return {
    invocationId: (headers["amz-sdk-invocation-id"] ?? "").slice(0, 64),
    attempt: Number(attempt ?? 0),
    accessKeyId: accessKeyId ?? "",
  };
}

/** A fault of the simulator itself is answered as EC2 answers its own. */
export function asSimulated(thrown: unknown): SimulatedError {
  if (thrown instanceof SimulatedError) return thrown;
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return new SimulatedError("InternalError", `The simulator failed: ${detail}`);
}
