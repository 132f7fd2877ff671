/** The request side of the Query protocol: `Action=X&Version=…&Filter.1.Value.2=…` to nested parameters. */
import type { Parameter, Parameters } from "../model/parameters.ts";
import { missingParameter, SimulatedError } from "../model/simulated-error.ts";

export interface QueryRequest {
  readonly action: string;
  readonly version: string;
  readonly parameters: Parameters;
}

const MAX_FIELDS = 5_000;
const MAX_DEPTH = 6;
/** Parameters of the protocol and of signatures in a query string; no action reads them. */
const PROTOCOL =
  /^(Action|Version|X-Amz-.*|AWSAccessKeyId|Signature|SignatureMethod|SignatureVersion|Timestamp|Expires)$/;

type Branch = Map<string, Branch | string>;

/** Errors: MissingParameter, MalformedQueryString. */
export function readForm(text: string): QueryRequest {
  const fields = [...new URLSearchParams(text)];
  if (fields.length > MAX_FIELDS) throw malformed(`more than ${MAX_FIELDS} parameters`);
  const root: Branch = new Map();
  let action = "";
  let version = "";
  for (const [name, value] of fields) {
    if (name === "Action") action = value;
    else if (name === "Version") version = value;
    else if (!PROTOCOL.test(name)) plant(root, name, value);
  }
  if (action === "") throw missingParameter("Action");
  return { action, version, parameters: grow(root) as Parameters };
}

function plant(root: Branch, name: string, value: string): void {
  const parts = name.split(".");
  const leaf = parts.pop();
  if (leaf === undefined || leaf === "" || parts.length >= MAX_DEPTH) throw malformed(`parameter ${name}`);
  let branch = root;
  for (const part of parts) {
    const next = branch.get(part) ?? new Map<string, Branch | string>();
    if (part === "" || typeof next === "string") throw malformed(`parameter ${name}`);
    branch.set(part, next);
    branch = next;
  }
  if (branch.has(leaf)) throw malformed(`parameter ${name} is given twice`);
  branch.set(leaf, value);
}

/** Branches whose names are all numbers are lists, in the order of their numbers. */
function grow(branch: Branch): Parameter {
  const entries = [...branch].map(([name, value]) => [name, typeof value === "string" ? value : grow(value)] as const);
  const isList = entries.length > 0 && entries.every(([name]) => /^[1-9]\d{0,5}$/.test(name));
  if (!isList) return Object.fromEntries(entries);
  return entries.sort(([one], [other]) => Number(one) - Number(other)).map(([, value]) => value);
}

function malformed(detail: string): SimulatedError {
  return new SimulatedError("MalformedQueryString", `The query string contains a syntax error: ${detail}`);
}
