import { EnidError } from "../../errors.ts";

/** What the plugin executable was called with: the body of POST /cni and the content of a queued deletion. */
export interface CniCall {
  /** The CNI_ variables that were set. */
  readonly environment: Readonly<Record<string, string>>;
  /**
   * Standard input as text. A byte that is not valid UTF-8 is the lone surrogate 0xdc00 + the byte, so the string is
   * well formed exactly when the input was UTF-8.
   */
  readonly stdin: string;
}

/**
 * The largest body the plugin can send: 1 MiB of input and 7 variables of 32 KiB, each byte escaped to 6 characters.
 * Equal to BODY_LIMIT in native/request.h, so whatever the plugin accepts reaches the daemon.
 */
export const CALL_LIMIT_BYTES = 8 * 1024 * 1024;

/** Reads a decoded body; rejects what the plugin never sends with ENID_CNI_REQUEST. */
export function readCall(body: unknown): CniCall {
  if (!isRecord(body)) throw unusable("the body is not a JSON object");
  const { environment, stdin } = body;
  if (!isRecord(environment)) throw unusable('"environment" is not an object');
  if (typeof stdin !== "string") throw unusable('"stdin" is not a string');
  for (const [name, value] of Object.entries(environment)) {
    if (typeof value !== "string") throw unusable(`"environment" has a value for ${quote(name)} that is not a string`);
  }
  return { environment: environment as Record<string, string>, stdin };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Foreign text for a message: quoted, control characters escaped, cut to `limit` characters. */
export function quote(text: string, limit = 64): string {
  return JSON.stringify(text.length > limit ? `${text.slice(0, limit)}…` : text);
}

function unusable(detail: string): EnidError {
  return new EnidError("ENID_CNI_REQUEST", { detail });
}
