import { createScanner, getLocation, type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";
import { type Problem, pointerToken, positionText, printable, problem, syntaxError } from "./problems.ts";
import type { SourceText } from "./source-text.ts";
import type { Place } from "./types.ts";

/** A JSON text, parsed, with the place of every value and key. Pointers are JSON pointers (RFC 6901). */
export interface JsonDocument {
  readonly source: SourceText;
  readonly value: unknown;
  /** Keys that one object has twice, each with both places. */
  readonly duplicates: readonly Problem[];
  /** Place of the value at the pointer. Of a key that stands twice, the last one counts, as in JSON.parse. */
  place(pointer: string): Place;
  /** Place of the key that leads to the pointer; of a list entry, the entry. */
  keyPlace(pointer: string): Place;
  /** The value as the file spells it, shortened for a message. */
  spelling(pointer: string): string;
}

/** Deepest nesting of objects and lists. An ENI configuration needs 4; the parser recurses. */
const DEPTH_LIMIT = 32;
/** Most names and values in a file. A large real one has some hundreds. */
const TOKENS_LIMIT = 20_000;

/** Tokens of jsonc-parser, whose SyntaxKind is a const enum that cannot be imported without its compiler. */
const TOKEN = { openBrace: 1, closeBrace: 2, openBracket: 3, closeBracket: 4, comma: 5, colon: 6, end: 17 } as const;

/** Throws ENID_CONFIG_SYNTAX for anything but one JSON value within the limits. */
export function parseDocument(source: SourceText): JsonDocument {
  const open = checkShape(source);
  const errors: ParseError[] = [];
  const root = parseTree(source.body, errors, { disallowComments: true, allowTrailingComma: false });
  const [first] = errors.toSorted((a, b) => a.offset - b.offset);
  if (first !== undefined || root === undefined) {
    throw describeSyntaxError(source, first ?? { error: 4, offset: 0, length: 0 }, root, open);
  }
  const entries = new Map<string, Entry>();
  const duplicates: Problem[] = [];
  index(source, root, "", undefined, entries, duplicates);
  const entry = (pointer: string): Entry => entries.get(pointer) ?? { value: root, key: undefined };
  return {
    source,
    value: parseStrictly(source),
    duplicates,
    place: (pointer) => source.place(entry(pointer).value.offset, pointer),
    keyPlace(pointer) {
      const { key, value } = entry(pointer);
      return source.place((key ?? value).offset, pointer);
    },
    spelling: (pointer) => printable(slice(source.body, entry(pointer).value)),
  };
}

interface Entry {
  readonly value: Node;
  readonly key: Node | undefined;
}

function slice(body: string, { offset, length }: { offset: number; length: number }): string {
  // No message shows more; a value may be a megabyte.
  return body.slice(offset, offset + Math.min(length, 1_000));
}

/** The scanner does not recurse, so this comes before the parser. Returns the brackets left open, as offsets. */
function checkShape(source: SourceText): readonly number[] {
  const scanner = createScanner(source.body, true);
  const open: number[] = [];
  let tokens = 0;
  for (let token: number = scanner.scan(); token !== TOKEN.end; token = scanner.scan()) {
    const offset = scanner.getTokenOffset();
    if (token === TOKEN.openBrace || token === TOKEN.openBracket) open.push(offset);
    else if (token === TOKEN.closeBrace || token === TOKEN.closeBracket) open.pop();
    else if (token !== TOKEN.comma && token !== TOKEN.colon) tokens += 1;
    if (open.length > DEPTH_LIMIT || tokens > TOKENS_LIMIT) {
      const what =
        open.length > DEPTH_LIMIT
          ? `objects and lists are nested deeper than ${DEPTH_LIMIT} levels here; allowed are ${DEPTH_LIMIT}`
          : `the file has more than ${TOKENS_LIMIT} names and values; allowed are ${TOKENS_LIMIT}`;
      throw syntaxError(source.place(offset, ""), source.body.charAt(offset), what);
    }
  }
  return open;
}

/** jsonc-parser forgives some faults; what it lets pass must still be JSON for every other reader of the file. */
function parseStrictly(source: SourceText): unknown {
  try {
    return JSON.parse(source.body);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw syntaxError(source.place(0, ""), "", `the file is not JSON: ${printable(detail, 200)}`);
  }
}

function index(
  source: SourceText,
  node: Node,
  pointer: string,
  key: Node | undefined,
  entries: Map<string, Entry>,
  duplicates: Problem[],
): void {
  entries.set(pointer, { value: node, key });
  if (node.type === "array") {
    node.children?.forEach((child, at) => {
      index(source, child, `${pointer}/${at}`, undefined, entries, duplicates);
    });
  }
  if (node.type !== "object") return;
  const seen = new Map<string, Node>();
  for (const property of node.children ?? []) {
    const [name, value] = property.children ?? [];
    if (name === undefined || value === undefined) continue;
    const childPointer = `${pointer}/${pointerToken(name.value)}`;
    const earlier = seen.get(name.value);
    if (earlier !== undefined) {
      const place = source.place(name.offset, childPointer);
      const related = source.place(earlier.offset, childPointer);
      const spelled = printable(slice(source.body, name));
      const what = `key ${spelled} stands here a second time, first at ${positionText(related)}; allowed is once`;
      duplicates.push(problem(place, spelled, what, related));
    }
    seen.set(name.value, name);
    index(source, value, childPointer, name, entries, duplicates);
  }
}

function describeSyntaxError(source: SourceText, error: ParseError, root: Node | undefined, open: readonly number[]) {
  const { offset } = error;
  const path = getLocation(source.body, offset).path.filter((segment) => segment !== "");
  const pointer = path.map((segment) => `/${pointerToken(segment)}`).join("");
  const place = source.place(offset, pointer);
  const text = slice(source.body, error);
  const token = printable(text || source.body.charAt(offset));
  const found = offset >= source.body.length ? "the end of the file" : `\`${token}\``;
  const trailing = root !== undefined && open.length === 0 && offset >= root.offset + root.length;
  return syntaxError(place, token, trailing ? trailingText(found) : syntaxText(source, error, found, open));
}

function trailingText(found: string): string {
  return `${found} stands after the end of the configuration; allowed is one JSON object and nothing after it`;
}

function syntaxText(source: SourceText, error: ParseError, found: string, open: readonly number[]): string {
  const innermost = open.at(-1);
  if (error.offset >= source.body.length && innermost !== undefined) {
    const opened = `\`${source.body.charAt(innermost)}\` at ${positionText(source.place(innermost, ""))}`;
    return `the file ends before the ${opened} is closed; allowed is a whole JSON object (was the file cut off?)`;
  }
  switch (printParseErrorCode(error.error)) {
    case "InvalidCommentToken":
    case "UnexpectedEndOfComment":
      return `${found} is a comment; allowed is JSON without comments, as CNI reads it`;
    case "PropertyNameExpected":
      return `${found} stands where a name is expected; allowed is a name in double quotes${trailingComma(found)}`;
    case "ValueExpected":
      return `${found} stands where a value is expected; allowed is text in double quotes, a number, true, false, an object or a list${trailingComma(found)}`;
    case "ColonExpected":
      return `${found} stands where a colon is expected; allowed is "name": value`;
    case "CommaExpected":
      return `${found} stands where a comma or the closing bracket is expected`;
    case "EndOfFileExpected":
      return trailingText(found);
    case "InvalidNumberFormat":
    case "UnexpectedEndOfNumber":
      return `${found} is not a number; allowed are digits, with a fraction or an exponent complete`;
    case "UnexpectedEndOfString":
      return `text ${found} is not closed; allowed is text in double quotes on one line`;
    case "InvalidUnicode":
    case "InvalidEscapeCharacter":
      return `text ${found} has an escape that JSON does not know; allowed are \\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with 4 hexadecimal digits`;
    case "InvalidCharacter":
      return `text ${found} has a control character; allowed is its escape, such as \\n or \\u001b`;
    default:
      return `${found} is not JSON; allowed are names and text in double quotes, numbers, true, false, objects and lists`;
  }
}

function trailingComma(found: string): string {
  return found === "`}`" || found === "`]`" ? " (JSON has no comma before a closing bracket)" : "";
}
