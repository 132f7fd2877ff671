import { describe, expect, it } from "vitest";
import { renderErrors } from "../scripts/render-errors.ts";
import { catalogue, coerceError, EnidError, type ErrorCode, type ErrorEntry } from "../src/errors.ts";
import { filesBelow, readSource, sources } from "./house/source-files.ts";

const entries = Object.entries<ErrorEntry>(catalogue);

/** Names with the same beginning that are environment variables. */
const VARIABLES = new Set([
  "ENID_BOOT_ID",
  "ENID_CONFIGURATION",
  "ENID_LISTEN",
  "ENID_LOG_LEVEL",
  "ENID_NODE_LABELS",
  "ENID_SOCKET",
  "ENID_STATE_DIR",
  "ENID_TIMEOUT_MS",
]);

/** Codes of the catalogue that no program reports, each with the reason. */
const UNUSED: readonly string[] = [];

const programs = [
  ...sources.filter((path) => !path.startsWith("src/error-catalogue/")),
  ...filesBelow("native", (path) => /\.[ch]$/.test(path)),
];

/** The codes that programs name in their strings. */
const named = new Set(
  programs
    .flatMap((path) => [...readSource(path).matchAll(/"(ENID_[A-Z0-9_]+)/g)].map(([, name = ""]) => name))
    .filter((name) => !VARIABLES.has(name)),
);

/** `new EnidError(code, { values })` where the values are written in place. */
const constructions = sources.flatMap((path) =>
  [...readSource(path).matchAll(/new EnidError\(\s*"(ENID_[A-Z0-9_]+)"(?:,\s*(\{)|\s*\))/g)].map((match) => ({
    path,
    code: match[1] as ErrorCode,
    keys: match[2] === undefined ? [] : keysOfLiteral(readSource(path), match.index + match[0].length),
  })),
);

describe("the catalogue of errors", () => {
  it("is what docs/errors.md says (npm run docs writes it)", () => {
    expect(readSource("docs/errors.md")).toBe(renderErrors());
  });

  it("holds every code that a program names", () => {
    expect(named.size).toBeGreaterThan(30);
    expect([...named].filter((code) => !Object.hasOwn(catalogue, code))).toEqual([]);
  });

  it("holds no code that nobody reports", () => {
    expect(Object.keys(catalogue).filter((code) => !named.has(code))).toEqual(UNUSED);
  });

  it("gives every error a message, a remedy that is a sentence, and codes in range", () => {
    for (const [code, { message, remedy, cni, exit }] of entries) {
      expect(code).toMatch(/^ENID(?:_[A-Z0-9]+)+$/);
      expect(message, code).not.toMatch(/[.!]$|^$/);
      expect(remedy, code).toMatch(/^\S.*\.$/);
      expect([1, 2, 3, 4], code).toContain(exit);
      // The specification leaves 12 to 49 and 52 to 99 unused.
      if (cni !== undefined)
        expect((cni >= 1 && cni <= 7) || [11, 50, 51].includes(cni) || cni >= 100, code).toBe(true);
    }
  });

  it("finds all its placeholders filled where an error is made", () => {
    expect(constructions.length).toBeGreaterThan(40);
    const open = constructions.flatMap(({ path, code, keys }) => {
      if (keys === undefined) return [];
      const { message, remedy } = catalogue[code];
      const wanted = [...`${message} ${remedy}`.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
      return wanted.filter((name) => !keys.includes(name)).map((name) => `${path}: ${code} lacks ${name}`);
    });
    expect(open).toEqual([]);
  });
});

describe("EnidError", () => {
  const error = new EnidError("ENID_SUBNET_EMPTY", { subnetId: "subnet-1", freeAddresses: 0, retryAt: "12:00:05" });

  it("says what happened and what to do, with the values", () => {
    expect(error.message).toBe("subnet subnet-1 has 0 free addresses");
    expect(error.remedy).toContain("asks again after 12:00:05");
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      code: error.code,
      message: error.message,
      remedy: error.remedy,
    });
  });

  it("does not look for placeholders in the values", () => {
    const nested = new EnidError("ENID_INTERNAL", { detail: "{detail} {other} $&" });
    expect(nested.message).toBe("internal error: {detail} {other} $&");
  });

  it("is made of anything that was thrown, which stays as the cause", () => {
    const thrown = new TypeError("x is not a function");
    expect(coerceError(error)).toBe(error);
    expect(coerceError(thrown)).toMatchObject({ code: "ENID_INTERNAL", cause: thrown });
    expect(coerceError("text").message).toBe("internal error: text");
  });
});

/** The keys of the object literal whose "{" ends before `start`; undefined when a spread hides some of them. */
function keysOfLiteral(text: string, start: number): string[] | undefined {
  const keys: string[] = [];
  let depth = 0;
  let part = "";
  for (const character of withoutStrings(text.slice(start, start + 4_000))) {
    if (depth === 0 && (character === "," || character === "}")) {
      const key = /^\s*(\w+)\s*(?::|$)/.exec(part)?.[1];
      if (key !== undefined) keys.push(key);
      else if (part.trim() !== "") return undefined;
      if (character === "}") return keys;
      part = "";
      continue;
    }
    if ("([{".includes(character)) depth += 1;
    if (")]}".includes(character)) depth -= 1;
    part += character;
  }
  return undefined;
}

/** The code with its strings emptied, so that brackets and commas in them do not count. Templates may hold templates. */
function withoutStrings(code: string): string {
  const plain = code.replace(/"(?:\\.|[^"\\])*"/g, '""');
  const innermostTemplate = /`(?:\\.|[^`\\$]|\$(?!\{)|\$\{[^`{}]*\})*`/g;
  for (let before = "", after = plain; ; after = after.replace(innermostTemplate, '""')) {
    if (after === before) return after;
    before = after;
  }
}
