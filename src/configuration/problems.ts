import { EnidError } from "../errors.ts";
import type { Place } from "./types.ts";

/** Something wrong in a file; the array of them is `details` of ENID_CONFIG_SYNTAX and ENID_CONFIG_INVALID. */
export interface Problem {
  readonly place: Place;
  /** JSON pointer (RFC 6901) of the value or key. */
  readonly pointer: string;
  /** The value as the file spells it, shortened. */
  readonly value: string;
  /** Complete: file:line:column, pointer, value, what is wrong, what is allowed. */
  readonly message: string;
  /** The second place of a problem that has two: the first of duplicate keys, the other of two settings that conflict. */
  readonly related?: Place;
}

/** A fault within the value of one setting that its schema cannot see. */
export interface ValueFault {
  /** JSON pointer below the value: "/1", "/0/neighbor"; "" is the whole value. */
  readonly at: string;
  /** JSON pointer of the other place, where two conflict. */
  readonly with?: string;
  /** Words that follow the value: "has host bits set"; where there is another place, they can be followed by it. */
  readonly what: string;
  /** "allowed is ...", "allowed are ...". */
  readonly allowed: string;
}

const VALUE_LIMIT_CHARACTERS = 80;
const LISTED_LIMIT = 20;

export function problem(place: Place, value: string, what: string, related?: Place): Problem {
  const shown = printable(value);
  return {
    place,
    pointer: place.pointer,
    value: shown,
    message: `${placeText(place)}: ${what}`,
    ...(related === undefined ? {} : { related }),
  };
}

/** "file:line:column /pointer"; the pointer to the whole file is empty. */
export function placeText(place: Place): string {
  return place.pointer === "" ? positionText(place) : `${positionText(place)} ${printable(place.pointer, 200)}`;
}

/** "file:line:column", which terminals and editors open. */
export function positionText(place: Place): string {
  return `${place.file}:${place.line}:${place.column}`;
}

/** The error for a file with these problems (at least one): the first in full, the others one a line. */
export function invalid(file: string, problems: readonly Problem[]): EnidError {
  const sorted = problems.toSorted((a, b) => a.place.line - b.place.line || a.place.column - b.place.column);
  const [first = "", ...others] = sorted.slice(0, LISTED_LIMIT).map(({ message }) => message);
  const unlisted = sorted.length - LISTED_LIMIT;
  const lines = [
    first,
    ...(others.length > 0 ? [`and ${sorted.length - 1} more:`] : []),
    ...others.map((message) => `  ${message}`),
    ...(unlisted > 0 ? [`  … and ${unlisted} that are not listed`] : []),
  ];
  return new EnidError("ENID_CONFIG_INVALID", { file, problems: lines.join("\n") }, { details: sorted });
}

/** The error for a text that is not JSON: only the first fault, because those after it are mostly its consequences. */
export function syntaxError(place: Place, value: string, detail: string): EnidError {
  const details = [problem(place, value, detail)];
  return new EnidError("ENID_CONFIG_SYNTAX", { place: placeText(place), detail }, { details });
}

/** Text for a message: at most `limit` characters, one line, nothing that steers a terminal. */
export function printable(text: string, limit = VALUE_LIMIT_CHARACTERS): string {
  // Cut first: the text may be a megabyte.
  const shortened = text.length > limit ? `${text.slice(0, limit - 1)}…` : text;
  return shortened.replace(/\s+/gu, " ").replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** Escapes one key for a JSON pointer. */
export function pointerToken(key: string | number): string {
  return String(key).replaceAll("~", "~0").replaceAll("/", "~1");
}

/** The kind of a JSON value in the words of a message. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  switch (typeof value) {
    case "string":
      return "text";
    case "number":
      return "a number";
    case "boolean":
      return "true or false";
    default:
      return "an object";
  }
}

/** The part of a value at a JSON pointer below it, whose keys need no escapes. */
export function partAt(value: unknown, pointer: string): unknown {
  return pointer
    .split("/")
    .slice(1)
    .reduce<unknown>((part, key) => Object(part)[key], value);
}
