/**
 * Between the SDK's commands and the model: what its EC2 Query protocol would write and read, without the text.
 * The way it names and leaves out things is that of `@aws-sdk/core`: QueryShapeSerializer, XmlShapeDeserializer.
 */
import type { Random } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import type { Parameters, Result } from "../index.ts";
import { type Member, type Operation, open, type Ref, readOperation, resolved } from "./schema.ts";

export interface Translation {
  readonly action: string;
  readonly service: "ec2" | "sts";
  readonly operation: Operation;
  /** The parameters of the call. An idempotency token that the input lacks is drawn, as the SDK does. */
  readonly parametersOf: (input: unknown, random: Random) => Parameters;
  /** The members of the SDK's output, all but `$metadata`. */
  readonly outputOf: (result: Result) => Record<string, unknown>;
}

const translations = new WeakMap<object, Translation>();

/** How the calls of a command's operation are told to the model. Made once for every operation. Errors: ENID_INTERNAL. */
export function translationOf(schema: unknown): Translation {
  const known = typeof schema === "object" && schema !== null ? translations.get(schema) : undefined;
  if (known !== undefined) return known;
  const operation = readOperation(schema);
  const write = writerOf(operation.input);
  const read = readerOf(operation.output);
  const made: Translation = {
    action: operation.name,
    service: operation.namespace.endsWith(".sts") ? "sts" : "ec2",
    operation,
    parametersOf: (input, random) => (write(input ?? {}, random) ?? {}) as Parameters,
    outputOf: (result) => (read(result) ?? {}) as Record<string, unknown>,
  };
  translations.set(schema as object, made);
  return made;
}

type Parameter = Parameters[string];
/** Undefined: nothing of it is on the wire. */
type Write = (value: unknown, random: Random) => Parameter | undefined;
type Read = (value: Result[string]) => unknown;

const writers = new Map<Ref, Write>();
const readers = new Map<Ref, Read>();

/** Shapes may hold themselves, so what is inside is looked up when it is needed. */
function writerOf(ref: Ref): Write {
  const schema = resolved(ref);
  const known = writers.get(schema);
  if (known !== undefined) return known;
  let made: Write | undefined;
  const write: Write = (value, random) => {
    made ??= makeWriter(schema);
    return made(value, random);
  };
  writers.set(schema, write);
  return write;
}

function makeWriter(ref: Ref): Write {
  const shape = open(ref);
  switch (shape.kind) {
    case "unit":
      return () => undefined;
    case "list":
      return listWriter(shape.item);
    case "structure":
      return structureWriter(shape.members);
    case "timestamp":
      return (value) => (value instanceof Date ? value.toISOString().replace(".000Z", "Z") : undefined);
    case "blob":
      return (value) => (value instanceof Uint8Array ? Buffer.from(value).toString("base64") : undefined);
    default:
      // On the wire everything is text, and so it stands in the log of calls.
      return (value) => (value === undefined || value === null ? undefined : String(value));
  }
}

/** Lists are flattened to `Name.1`, `Name.2`; an empty one is not there. */
function listWriter(item: Member): Write {
  const write = writerOf(item.ref);
  return (value, random) => {
    if (!Array.isArray(value)) return undefined;
    const items = value
      .filter((one) => one !== undefined && one !== null)
      .map((one) => write(one, random))
      .filter((one) => one !== undefined);
    return items.length > 0 ? items : undefined;
  };
}

function structureWriter(members: readonly (readonly [string, Member])[]): Write {
  const parts = members.map(([name, { ref, traits }]) => ({
    name,
    key: traits.ec2QueryName ?? capitalised(traits.xmlName ?? name),
    write: writerOf(ref),
    isToken: Boolean(traits.idempotencyToken),
  }));
  return (value, random) => {
    if (typeof value !== "object" || value === null) return undefined;
    const given = value as Readonly<Record<string, unknown>>;
    const written: Record<string, Parameter> = {};
    let isEmpty = true;
    for (const { name, key, write, isToken } of parts) {
      const member = given[name] ?? (isToken ? random.id() : undefined);
      if (member === undefined) continue;
      const parameter = write(member, random);
      if (parameter === undefined) continue;
      written[key] = parameter;
      isEmpty = false;
    }
    return isEmpty ? undefined : written;
  };
}

function readerOf(ref: Ref): Read {
  const schema = resolved(ref);
  const known = readers.get(schema);
  if (known !== undefined) return known;
  let made: Read | undefined;
  const read: Read = (value) => {
    made ??= makeReader(schema);
    return made(value);
  };
  readers.set(schema, read);
  return read;
}

function makeReader(ref: Ref): Read {
  const shape = open(ref);
  switch (shape.kind) {
    case "unit":
      return () => undefined;
    case "list":
      return listReader(shape.item);
    case "structure":
      return structureReader(shape.members);
    case "string":
      return textOf;
    case "number":
      return (value) => (typeof value === "number" ? value : Number(textOf(value)));
    case "boolean":
      return (value) => (typeof value === "boolean" ? value : textOf(value).toLowerCase() === "true");
    case "bigint":
      return (value) => BigInt(textOf(value));
    case "timestamp":
      return (value) => new Date(textOf(value));
    case "blob":
      return (value) => new Uint8Array(Buffer.from(textOf(value), "base64"));
  }
}

/** The model's lists are `<item>`s on the wire; a shape that looks for other elements sees none. */
function listReader(item: Member): Read {
  const read = readerOf(item.ref);
  if (item.traits.xmlName !== "item") return () => [];
  return (value) => {
    if (!Array.isArray(value)) throw unfit(value, "a list");
    return value.map((one: Result | string) => read(one));
  };
}

/** What the shape does not know is not in the output, and neither is what the result lacks. */
function structureReader(members: readonly (readonly [string, Member])[]): Read {
  const byElement = new Map<string, { readonly name: string; readonly read: Read }[]>();
  for (const [name, { ref, placeTraits }] of members) {
    const element = placeTraits.xmlName ?? name;
    const parts = byElement.get(element) ?? [];
    parts.push({ name, read: readerOf(ref) });
    byElement.set(element, parts);
  }
  return (value) => {
    if (typeof value !== "object" || Array.isArray(value)) throw unfit(value, "a structure");
    const output: Record<string, unknown> = {};
    for (const element of Object.keys(value as Result)) {
      const content = (value as Result)[element];
      if (content === undefined) continue;
      for (const { name, read } of byElement.get(element) ?? []) output[name] = read(content);
    }
    return output;
  };
}

function textOf(value: Result[string]): string {
  if (typeof value === "object" || value === undefined) throw unfit(value, "text");
  return String(value);
}

function unfit(value: unknown, wanted: string): EnidError {
  const detail = `the model answers ${JSON.stringify(value)?.slice(0, 100)} where the AWS SDK expects ${wanted}`;
  return new EnidError("ENID_INTERNAL", { detail });
}

function capitalised(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
