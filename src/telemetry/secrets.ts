import { EnidError } from "../errors.ts";

/**
 * What may reach a log line. Two nets, because either alone has holes: values under a telling key are dropped whatever
 * they look like, and texts that look like a secret are masked wherever they stand. Errors are reduced to known
 * fields: an AWS SDK error carries the request with its Authorization header.
 */

const REDACTED = "[redacted]";
const DEPTH_LIMIT = 6;
const ENTRIES_LIMIT = 100;
const TEXT_LIMIT = 4_096;

const TELLING_KEY =
  /secret|password|passwd|credential|authorization|cookie|session|access_?key|private_?key|api_?key|token/i;
/** Names that match above but hold nothing secret: EC2's idempotency token is enid's own intent id. */
const HARMLESS_KEYS: ReadonlySet<string> = new Set(["clientToken", "ClientToken"]);
/** A whole process environment is never worth a log line and always a risk. */
const ENVIRONMENT_KEY = /^(env|environ|environment)$/i;

const SECRET_TEXTS: readonly (readonly [RegExp, string])[] = [
  // Access key ids of AWS: AKIA (long-lived) and ASIA (temporary), 16 to 128 characters in all.
  [/\b(AKIA|ASIA)[A-Z0-9]{12,124}\b/g, `$1${REDACTED}`],
  [/\b(Signature|X-Amz-Signature|X-Amz-Security-Token|X-Amz-Credential)=[^\s&,"'\\]+/gi, `$1=${REDACTED}`],
  [
    /\b(aws_?secret_?access_?key|aws_?session_?token|secret_?access_?key|session_?token)(["'\\]*\s*[=:]\s*["'\\]*)[A-Za-z0-9/+=_-]+/gi,
    `$1$2${REDACTED}`,
  ],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}/g, `$1 ${REDACTED}`],
];

/** A telling key in JSON: fields that a child logger is bound to do not pass `safeFields`. */
const TELLING_JSON = /"([^"\\]{1,60})":"(?:[^"\\]|\\.)*"/g;

/** The text with everything masked that looks like a secret. */
export function maskSecrets(text: string): string {
  let masked = text.replace(TELLING_JSON, (pair, key: string) => (isTelling(key) ? `"${key}":"${REDACTED}"` : pair));
  for (const [pattern, replacement] of SECRET_TEXTS) masked = masked.replace(pattern, replacement);
  return masked;
}

/** A plain, bounded copy of log fields without secrets. */
export function safeFields(fields: Record<string, unknown>): Record<string, unknown> {
  return safeObject(fields, 0, []);
}

function safeValue(value: unknown, depth: number, parents: readonly object[]): unknown {
  if (typeof value === "string") return clip(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (parents.includes(value)) return "[circular]";
  if (depth >= DEPTH_LIMIT) return "[too deep]";
  const path = [...parents, value];
  if (value instanceof Error) return safeError(value, depth, path);
  if (Array.isArray(value)) return safeArray(value, depth, path);
  if (value instanceof Map || value instanceof Set) return safeArray([...value], depth, path);
  return safeObject(value as Record<string, unknown>, depth, path);
}

function safeArray(values: readonly unknown[], depth: number, parents: readonly object[]): unknown[] {
  const kept = values.slice(0, ENTRIES_LIMIT).map((value) => safeValue(value, depth + 1, parents));
  if (values.length > ENTRIES_LIMIT) kept.push(`… ${values.length - ENTRIES_LIMIT} more`);
  return kept;
}

function safeObject(
  value: Record<string, unknown>,
  depth: number,
  parents: readonly object[],
): Record<string, unknown> {
  const safe: Record<string, unknown> = {};
  const keys = Object.keys(value);
  for (const key of keys.slice(0, ENTRIES_LIMIT)) {
    safe[key] = isTelling(key) ? REDACTED : safeValue(value[key], depth + 1, parents);
  }
  if (keys.length > ENTRIES_LIMIT) safe["…"] = `${keys.length - ENTRIES_LIMIT} more`;
  return safe;
}

function safeError(error: Error, depth: number, parents: readonly object[]): Record<string, unknown> {
  const code = error instanceof EnidError ? error.code : (error as { code?: unknown }).code;
  const details = error instanceof EnidError ? error.details : undefined;
  const requestId = (error as { $metadata?: { requestId?: unknown } }).$metadata?.requestId;
  return {
    type: error.name,
    ...(typeof code === "string" || typeof code === "number" ? { code } : {}),
    message: clip(error.message),
    ...(typeof requestId === "string" ? { requestId } : {}),
    ...(details === undefined ? {} : { details: safeValue(details, depth + 1, parents) }),
    ...(error.stack === undefined ? {} : { stack: clip(error.stack) }),
    ...(error.cause === undefined ? {} : { cause: safeValue(error.cause, depth + 1, parents) }),
  };
}

function isTelling(key: string): boolean {
  if (HARMLESS_KEYS.has(key)) return false;
  return TELLING_KEY.test(key) || ENVIRONMENT_KEY.test(key);
}

function clip(text: string): string {
  return text.length <= TEXT_LIMIT ? text : `${text.slice(0, TEXT_LIMIT)}… (${text.length} characters)`;
}
