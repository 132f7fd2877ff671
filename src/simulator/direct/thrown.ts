/** What the SDK's clients throw when a call fails, as far as a caller can look at it. */
import { EC2Client, EC2ServiceException } from "@aws-sdk/client-ec2";
import { STSClient } from "@aws-sdk/client-sts";
import { EnidError } from "../../errors.ts";
import type { SimulatedError } from "../index.ts";
import type { Translation } from "./operation.ts";

export interface Reply {
  readonly status: number;
  /** Absent: the answer is not the service's. */
  readonly requestId?: string;
  readonly body: string;
}

/** A refusal by EC2. The SDK has a class of its own for none of EC2's codes. */
export function refusedByEc2(error: SimulatedError, requestId: string): Error {
  const { code, message, httpStatus } = error;
  const $fault = httpStatus < 500 ? "client" : "server";
  const thrown = new EC2ServiceException({ name: code, message, $fault, $metadata: metadataOf(httpStatus, requestId) });
  return Object.assign(thrown, { Code: code, Error: { Type: undefined, Code: code, Message: message } });
}

/** The connection closed without an answer. */
export function connectionReset(): Error {
  return Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
}

export function timedOut(limitMs: number): Error {
  return Object.assign(new Error(`no answer within ${limitMs} ms`), { name: "TimeoutError" });
}

export function aborted(signal: AbortSignal): Error {
  return Object.assign(new Error("Request aborted", { cause: signal.reason }), { name: "AbortError" });
}

export function metadataOf(httpStatusCode: number, requestId: string | undefined) {
  return { httpStatusCode, attempts: 1, totalRetryDelay: 0, ...(requestId !== undefined && { requestId }) };
}

const REGION = "us-east-1";
const UNREADABLE =
  "Deserialization error: to see the raw response, inspect the hidden field {error}.$response on this object.";

/** As much of a client's protocol as reads an answer. */
interface Protocol {
  deserializeResponse(operation: object, context: object, response: object): Promise<unknown>;
}

/**
 * What the SDK's own parser throws at this answer: one that was cut off, is not the service's, or is a refusal of STS.
 * It takes no turn of the loop. Errors: ENID_INTERNAL when it can be read after all.
 */
export async function unreadable({ service, operation }: Translation, reply: Reply): Promise<unknown> {
  const { protocol, context } = readers()[service];
  const { status: statusCode, requestId } = reply;
  const headers = requestId === undefined ? {} : { "x-amzn-requestid": requestId };
  try {
    await protocol.deserializeResponse(operation, context, { statusCode, headers, body: Buffer.from(reply.body) });
  } catch (error) {
    if (!(error instanceof Error) || "$metadata" in error) return error;
    // As the SDK's middleware completes what its parser throws.
    error.message += `\n  ${UNREADABLE}`;
    return Object.assign(error, { $metadata: metadataOf(statusCode, requestId) });
  }
  return new EnidError("ENID_INTERNAL", { detail: "the AWS SDK reads an answer that was cut off" });
}

type Reader = { readonly protocol: Protocol; readonly context: object };
let made: Readonly<Record<"ec2" | "sts", Reader>> | undefined;

/** The clients are never sent anything; they only say how answers are read. */
function readers() {
  const readerOf = ({ config }: EC2Client | STSClient): Reader => ({
    protocol: config.protocol as unknown as Protocol,
    context: config,
  });
  made ??= { ec2: readerOf(new EC2Client({ region: REGION })), sts: readerOf(new STSClient({ region: REGION })) };
  return made;
}
