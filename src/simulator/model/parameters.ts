/**
 * The parameters of a call and how an action reads them. An action declares the shape of what it understands; everything
 * else is refused as EC2 refuses it. Values may be text (as they come by HTTP) or of their own type (as they come in
 * process); lists are flattened to `Name.1`, `Name.2` on the wire.
 */
import { invalidValue, SimulatedError } from "./simulated-error.ts";

export type Parameter = string | number | boolean | readonly Parameter[] | { readonly [name: string]: Parameter };
export type Parameters = { readonly [name: string]: Parameter };

export type Kind = "string" | "integer" | "boolean" | readonly [Kind] | Shape;
export interface Shape {
  readonly [name: string]: Kind;
}

type Value<K extends Kind> = K extends "string"
  ? string
  : K extends "integer"
    ? number
    : K extends "boolean"
      ? boolean
      : K extends readonly [infer Element extends Kind]
        ? readonly Value<Element>[]
        : K extends Shape
          ? Fields<K>
          : never;

/** What a shape reads to: absent lists are empty, everything else absent is undefined. */
export type Fields<S extends Shape> = {
  readonly [K in keyof S]: S[K] extends readonly [Kind] ? Value<S[K]> : Value<S[K]> | undefined;
};

/** Parameters that EC2 knows and the simulated cloud does not: told apart from those that EC2 would refuse. */
const NOT_SIMULATED: ReadonlySet<string> = new Set([
  "AssociatePublicIpAddress",
  "AssociatedSubnetId",
  "ConnectionTrackingSpecification",
  "EnablePrimaryIpv6",
  "EnaQueueCount",
  "EnaQueueCounts",
  "EnaSrdSpecification",
  "IncludeManagedResources",
  "Operator",
]);

/** Errors: UnknownParameter, UnsupportedOperation (known to EC2, not simulated), InvalidParameterValue (wrong type). */
export function readParameters<S extends Shape>(shape: S, parameters: Parameters): Fields<S> {
  return readFields(shape, parameters, "") as Fields<S>;
}

function readFields(shape: Shape, parameters: Parameters, path: string): Record<string, unknown> {
  for (const name of Object.keys(parameters)) {
    if (NOT_SIMULATED.has(name) && !Object.hasOwn(shape, name)) {
      throw new SimulatedError("UnsupportedOperation", `The simulated cloud does not have ${path}${name}.`);
    }
    if (!Object.hasOwn(shape, name)) {
      throw new SimulatedError("UnknownParameter", `The parameter ${path}${name} is not recognized`);
    }
  }
  const fields: Record<string, unknown> = {};
  for (const name of Object.keys(shape)) {
    const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    fields[name] = value === undefined ? nothingOf(shape[name]) : readValue(shape[name] as Kind, value, path + name);
  }
  return fields;
}

/** What an absent parameter reads to. */
function nothingOf(kind: Kind | undefined): unknown {
  return kind !== undefined && isListKind(kind) ? [] : undefined;
}

function readValue(kind: Kind, value: Parameter, path: string): unknown {
  if (isListKind(kind)) {
    const items = Array.isArray(value) ? (value as readonly Parameter[]) : [value];
    return items.map((item, index) => readValue(kind[0], item, `${path}.${index + 1}`));
  }
  if (typeof kind === "object") {
    if (typeof value !== "object" || Array.isArray(value)) throw invalid(value, path, "a structure");
    return readFields(kind as Shape, value as Parameters, `${path}.`);
  }
  return readScalar(kind as "string" | "integer" | "boolean", value, path);
}

function readScalar(kind: "string" | "integer" | "boolean", value: Parameter, path: string): unknown {
  if (typeof value === "object") {
    const inner = Array.isArray(value) ? "1" : (Object.keys(value)[0] ?? "");
    throw new SimulatedError("UnknownParameter", `The parameter ${path}.${inner} is not recognized`);
  }
  const text = String(value);
  if (kind === "string") return text;
  if (kind === "boolean") {
    if (text === "true" || text === "false") return text === "true";
    throw invalid(text, path, "true or false");
  }
  if (/^-?\d{1,9}$/.test(text)) return Number(text);
  throw invalid(text, path, "an integer");
}

function invalid(value: Parameter, path: string, wanted: string): SimulatedError {
  const shown = typeof value === "object" ? "structure" : String(value);
  return invalidValue(`Value (${shown}) for parameter ${path} is invalid. Expecting ${wanted}.`);
}

function isListKind(kind: Kind): kind is readonly [Kind] {
  return Array.isArray(kind);
}
