import { EnidError } from "../../errors.ts";

/**
 * Answers by which the server says that it cannot serve now. Redis 7 sends them as they are, 6.2 within the error of the
 * script ("... @user_script: 3: -READONLY You can't write ..."). Source: the errors that server.c shares.
 */
const AWAY =
  /(?:^|[\s-])(READONLY|LOADING|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|MOVED|ASK|BUSY|MISCONF|NOREPLICAS|OOM|UNBLOCKED) /;

/** Answers that only an operator can change. */
const REFUSED = /^(WRONGPASS|NOAUTH|NOPERM|NOPROTO|DENIED)\b|AUTH/;

const LONGEST_DETAIL = 300;

/** Whether the server itself sent it. */
export function isReply(error: Error): boolean {
  return error.name === "ReplyError";
}

export function isNoScript(error: Error): boolean {
  return isReply(error) && error.message.startsWith("NOSCRIPT");
}

/** ioredis did not send it, for it had no connection. */
export function isNotSent(error: Error): boolean {
  return error.message.endsWith("enableOfflineQueue options is false");
}

/** No answer within the limit that ioredis was given. */
export function isTimeout(error: Error): boolean {
  return error.message === "Command timed out";
}

/** A master that became a replica: the connection leads to the wrong server. */
export function isReadOnly(error: Error): boolean {
  return isReply(error) && /(?:^|[\s-])READONLY /.test(error.message);
}

/** The slot is another server's, or on its way to it. */
export function isRedirection(error: Error): boolean {
  return isReply(error) && /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN) /.test(error.message);
}

/** The server turned the connection away, and will go on doing so. */
export function isRefusal(error: Error): boolean {
  return isReply(error) && REFUSED.test(error.message);
}

/**
 * What the error of ioredis means. It is not kept as the cause: its `command` holds the arguments, passwords among them.
 */
export function failureOf(thrown: unknown, step: string): EnidError {
  if (thrown instanceof EnidError) return thrown;
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const detail = detailOf(error);
  if (isReply(error) && !AWAY.test(error.message)) return new EnidError("ENID_FLEET_FAILED", { step, detail });
  return new EnidError("ENID_FLEET_AWAY", { detail });
}

/** In one line. */
export function detailOf(error: Error): string {
  const last = (error as { lastNodeError?: unknown }).lastNodeError;
  if (isTimeout(error)) return "no answer in time";
  const text = last instanceof Error ? `${error.message} ${last.message}` : error.message;
  return (text === "" ? error.name : text).replaceAll(/\s+/g, " ").slice(0, LONGEST_DETAIL);
}
