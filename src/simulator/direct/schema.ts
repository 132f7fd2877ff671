/**
 * The SDK's runtime schemas, as far as the EC2 protocol needs them. Every command carries the schema of its operation:
 * plain tuples, of which `@smithy/types` (schema/static-schemas) is the description.
 */
import { EnidError } from "../../errors.ts";

/** A schema, or a function that gives it. */
export type Ref = number | string | readonly unknown[] | (() => Ref);

export type Opened =
  | { readonly kind: "unit" }
  | { readonly kind: "string" | "number" | "boolean" | "bigint" | "timestamp" | "blob" }
  | { readonly kind: "list"; readonly item: Member }
  | { readonly kind: "structure"; readonly members: readonly (readonly [name: string, Member])[] };

/** What a structure or a list says of a part of it. */
export interface Member {
  readonly ref: Ref;
  /** Those of the place, without those of what stands there. */
  readonly placeTraits: Traits;
  /** Those of both; the place wins. */
  readonly traits: Traits;
}

export interface Traits {
  readonly xmlName?: string;
  readonly ec2QueryName?: string;
  readonly idempotencyToken?: number;
}

export interface Operation {
  /** E.g. "com.amazonaws.ec2". */
  readonly namespace: string;
  readonly name: string;
  readonly input: Ref;
  readonly output: Ref;
}

const SIMPLE = 0;
const LIST = 1;
const STRUCTURE = 3;
const OPERATION = 9;
const LIST_OF = 64;
const MAP_OF = 128;
const IDEMPOTENCY_TOKEN_BIT = 0b100;

const SCALARS: Readonly<Record<number, Exclude<Opened["kind"], "unit" | "list" | "structure">>> = {
  0: "string",
  1: "number",
  2: "boolean",
  4: "timestamp",
  5: "timestamp",
  17: "bigint",
  21: "blob",
};

/** Of the `schema` of a command. Errors: ENID_INTERNAL when the SDK no longer has it in this form. */
export function readOperation(schema: unknown): Operation {
  if (!Array.isArray(schema) || schema[0] !== OPERATION) throw unknownForm(schema);
  const [, namespace, name, , input, output] = schema;
  return { namespace: String(namespace), name: String(name), input: input as Ref, output: output as Ref };
}

/** Errors: ENID_INTERNAL for a kind that no operation of EC2 uses (maps, unions, documents, other forms of time). */
export function open(ref: Ref): Opened {
  const schema = resolved(ref);
  if (schema === "unit") return { kind: "unit" };
  if (typeof schema === "number") {
    const kind = SCALARS[schema];
    if (kind !== undefined) return { kind };
    if (schema >= LIST_OF && schema < MAP_OF) return { kind: "list", item: memberOf(schema - LIST_OF) };
    throw unknownForm(schema);
  }
  const [kind, , , , first, second] = schema as readonly unknown[];
  if (kind === SIMPLE) return open(first as Ref);
  if (kind === LIST) return { kind: "list", item: memberOf(first as Ref) };
  if (kind !== STRUCTURE) throw unknownForm(schema);
  const refs = second as readonly Ref[];
  const members = (first as readonly string[]).map((name, index) => [name, memberOf(refs[index] ?? "")] as const);
  return { kind: "structure", members };
}

/** The schema itself: the same array for the same shape. */
export function resolved(ref: Ref): Exclude<Ref, () => Ref> {
  return typeof ref === "function" ? resolved(ref()) : ref;
}

/** A part is a schema, or a pair of a schema and the traits of the place. */
function memberOf(part: Ref): Member {
  const schema = resolved(part);
  const isPair = Array.isArray(schema) && schema.length === 2;
  const [ref, place] = isPair ? (schema as unknown as readonly [Ref, unknown]) : [schema, 0];
  const target = resolved(ref);
  const own = Array.isArray(target) ? traitsOf(target[3]) : {};
  const placeTraits = traitsOf(place);
  return { ref, placeTraits, traits: { ...own, ...placeTraits } };
}

/** Traits without a value may be the bits of a number. */
function traitsOf(traits: unknown): Traits {
  if (typeof traits === "object" && traits !== null) return traits as Traits;
  return typeof traits === "number" && (traits & IDEMPOTENCY_TOKEN_BIT) !== 0 ? { idempotencyToken: 1 } : {};
}

function unknownForm(schema: unknown): EnidError {
  const shown = Array.isArray(schema) ? `[${schema.slice(0, 3).map(String).join(", ")}, …]` : String(schema);
  return new EnidError("ENID_INTERNAL", { detail: `the AWS SDK has a schema that is not understood: ${shown}` });
}
