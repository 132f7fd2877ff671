import type { ErrorObject } from "ajv/dist/2020.js";
import type { JsonDocument } from "./document.ts";
import { kindOf, type Problem, pointerToken, positionText, printable, problem } from "./problems.ts";
import { keySchemas, SECTIONS, type SectionName } from "./schema.ts";
import { nearest } from "./suggestion.ts";

/** The faults that a schema found in the value at `base`, each with its place and in words; one for each value or key. */
export function schemaProblems(document: JsonDocument, base: string, errors: readonly ErrorObject[]): Problem[] {
  const problems = new Map<string, Problem>();
  for (const error of errors) {
    const found = schemaProblem(document, base, error);
    if (!problems.has(found.pointer)) problems.set(found.pointer, found);
  }
  return [...problems.values()];
}

function schemaProblem(document: JsonDocument, base: string, error: ErrorObject): Problem {
  const at = base + error.instancePath;
  const key: string | undefined = error.propertyName ?? error.params.additionalProperty;
  if (key !== undefined) {
    const pointer = `${at}/${pointerToken(key)}`;
    const place = document.keyPlace(pointer);
    const quoted = printable(JSON.stringify(key));
    if (error.propertyName === undefined) {
      const section = SECTIONS.find((name) => at === `${base}/${name}`);
      const what = section === undefined ? unknownPart(error, key) : unknownKey(key, quoted, section);
      return problem(place, quoted, what);
    }
    return problem(place, quoted, `key ${quoted} ${whatIsWrong(error, key)}; allowed is ${allowedBy(error)}`);
  }
  if (error.keyword === "uniqueItems") {
    const [first, second] = [error.params.i, error.params.j].toSorted((a: number, b: number) => a - b);
    const related = document.place(`${at}/${first}`);
    const pointer = `${at}/${second}`;
    const spelled = document.spelling(pointer);
    const what = `${spelled} stands in the list twice, first at ${positionText(related)}; allowed is ${allowedBy(error)}`;
    return problem(document.place(pointer), spelled, what, related);
  }
  const spelled = document.spelling(at);
  const what = `${spelled} ${whatIsWrong(error, error.data)}; allowed is ${allowedBy(error)}`;
  return problem(document.place(at), spelled, what);
}

/** What a value of the failed schema may be: each schema's title completes "allowed is ...". */
export function allowedBy(error: ErrorObject): string {
  return String(error.parentSchema?.title ?? "another value");
}

/** The fault in words that follow the value: "is negative". */
export function whatIsWrong(error: ErrorObject, data: unknown): string {
  switch (error.keyword) {
    case "type":
      return wrongType(error.params.type, data);
    case "minimum":
      return typeof data === "number" && data < 0 ? "is negative" : "is too small";
    case "maximum":
      return "is too large";
    case "minLength":
      return "is empty";
    case "maxLength":
      return `has ${[...String(data)].length} characters`;
    case "maxItems":
      return `has ${Array.isArray(data) ? data.length : 0} entries`;
    case "maxProperties":
      return `has ${Object.keys(Object(data)).length} entries`;
    case "uniqueItems":
      return "has an entry twice";
    case "required":
      return `lacks "${error.params.missingProperty}"`;
    case "enum": {
      const meant = meantWord(error, data);
      return meant === undefined ? "is not known" : `is not known: did you mean "${meant}"?`;
    }
    default:
      return "does not have the right form";
  }
}

/** The word allowed that was probably meant, where the schema lists words. */
export function meantWord(error: ErrorObject, data: unknown): string | undefined {
  const words: readonly unknown[] = error.params.allowedValues ?? [];
  return nearest(
    String(data),
    words.map((word) => String(word)),
  );
}

function wrongType(wanted: unknown, data: unknown): string {
  if (data === null) return "is no value";
  if (wanted !== "integer" || typeof data !== "number") return `is ${kindOf(data)}`;
  // JSON.parse makes Infinity of 1e999.
  return Number.isFinite(data) ? "is not a whole number" : "is too large";
}

/** Words for a key that an object within a value does not know: a misspelt key of an uplink. */
export function unknownPart(error: ErrorObject, key: string): string {
  const known = Object.keys(error.parentSchema?.properties ?? {});
  const meant = nearest(key, known);
  const hint = meant === undefined ? "" : `: did you mean "${meant}"?`;
  return `key ${printable(JSON.stringify(key))} is not known in it${hint}; allowed are ${known.join(", ")}`;
}

/** Words for a key that a section does not know: the one that was probably meant, or where it belongs. */
function unknownKey(key: string, quoted: string, section: SectionName): string {
  const own = keySchemas.filter((schema) => schema.section === section);
  const other = keySchemas.filter((schema) => schema.section !== section && schema.role === "setting");
  const known = own.filter(({ role }) => role !== "moved" && role !== "unread").map((schema) => schema.key);
  const belongs = other.find((schema) => schema.key === key);
  const meant = nearest(key, known);
  const near = nearest(
    key,
    other.map((schema) => schema.key),
  );
  const elsewhere = other.find((schema) => schema.key === near);
  const hint =
    belongs !== undefined
      ? `it belongs into "${belongs.section}"`
      : meant !== undefined
        ? `did you mean "${meant}"?`
        : elsewhere !== undefined
          ? `did you mean "${elsewhere.key}" in "${elsewhere.section}"?`
          : "";
  return `key ${quoted} is not known in "${section}"${hint === "" ? "" : `: ${hint}`}; allowed are ${known.join(", ")}`;
}
