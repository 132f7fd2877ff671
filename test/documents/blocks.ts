import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type ParseError, parse, printParseErrorCode } from "jsonc-parser";
import { keySchemas, readConfiguration } from "../../src/configuration/index.ts";
import { loadModel } from "../../src/simulator/index.ts";
import { readScenario } from "../../src/simulator/scenario/index.ts";
import { parseYaml } from "../deploy/yaml.ts";
import { ROOT, readSource } from "../house/source-files.ts";
import { type Block, placeOf } from "./markdown.ts";
import { type ShellCommand, shellCommands } from "./shell.ts";

/** What a block is, what it makes the tests do, and what is wrong with it. Throws an error that says the latter. */
export interface BlockKind {
  readonly kind: string;
  readonly commands?: readonly ShellCommand[];
  /** What the page shows as printed by the commands. */
  readonly shown?: string;
  readonly exits?: number;
  /** The test that reads and holds it. */
  readonly heldBy?: string;
}

/** By the words of its comment `<!-- tested: WORDS -->`, else by its language. */
export function kindOf(block: Block): BlockKind {
  if (block.tested !== undefined) return kindOfComment(block, block.tested);
  const read = LANGUAGES[block.tag];
  if (read !== undefined) return read(block);
  if (block.tag === "" || block.tag === "text") {
    if (/[─│▼►▲└┌]|-->/.test(block.text)) return { kind: "drawing" };
    throw new Error(
      "is it a command, a configuration or what a command prints? Give it a language (sh, json, console ...), or a comment above it such as <!-- tested: printed by enid status -->",
    );
  }
  throw new Error(`test/documents/blocks.ts knows no language ${block.tag}`);
}

function kindOfComment(block: Block, comment: string): BlockKind {
  const [, first = "", rest = ""] = /^(\w+)\s*(.*)$/.exec(comment) ?? [];
  switch (first) {
    case "by":
      if (!existsSync(join(ROOT, rest))) throw new Error(`there is no ${rest}`);
      if (!readSource(rest).includes(basename(block.page))) throw new Error(`${rest} does not read ${block.page}`);
      return { kind: "held by other tests", heldBy: rest };
    case "printed":
      return { kind: "printed", commands: shellCommands(rest.replace(/^by /, "")), shown: block.text };
    case "exits":
      return { ...kindOf({ ...block, tested: undefined }), exits: Number(rest) };
    case "scenario":
      readScenario(block.text, placeOf(block));
      return { kind: "scenario" };
    case "model":
      loadModel(JSON.parse(block.text), placeOf(block));
      return { kind: "model of a cloud" };
    case "cni":
      if (typeof JSON.parse(block.text) !== "object") throw new Error("no object");
      return { kind: "CNI document" };
    case "policy":
      if (!Array.isArray(JSON.parse(block.text).Statement)) throw new Error("no policy");
      return { kind: "policy" };
    default:
      throw new Error(
        `"tested: ${comment}" is not known: by FILE, printed by COMMAND, exits N, scenario, model, cni or policy`,
      );
  }
}

const LANGUAGES: Readonly<Record<string, (block: Block) => BlockKind>> = {
  json: readJson,
  jsonc: readJson,
  sh: (block) => ({ kind: "commands", commands: script(block.text) }),
  console: readConsole,
  yaml: ({ text }) => {
    parseYaml(text);
    return { kind: "YAML" };
  },
  toml: ({ text }) => {
    python("import sys, tomllib; tomllib.loads(sys.stdin.read())", text);
    return { kind: "TOML" };
  },
  ini: ({ text }) => {
    // Of systemd: a key may be there more than once, and its case counts.
    python("import configparser, sys; configparser.RawConfigParser(strict=False).read_string(sys.stdin.read())", text);
    return { kind: "INI" };
  },
  ts: ({ text }) => {
    stripTypeScriptTypes(text);
    return { kind: "TypeScript" };
  },
  bird: ({ text }) => {
    // Without addresses of its own, as in a container, BIRD asks for the id.
    bird(`router id 10.0.12.5;\n${text}`);
    return { kind: "BIRD" };
  },
  // test/planning/watermarks-doc.test.ts runs both.
  plan: watermarks,
  pool: watermarks,
};

function readJson({ text, page, line }: Block): BlockKind {
  const errors: ParseError[] = [];
  const value = parse(text, errors, { allowTrailingComma: false });
  const [error] = errors;
  if (error !== undefined) throw new Error(`no JSON: ${printParseErrorCode(error.error)} at ${error.offset}`);
  const sections = new Set(["plugins", ...keySchemas.map(({ section }) => section)]);
  const isConfiguration = [...sections].some((name) => Object.hasOwn(Object(value), name));
  if (!isConfiguration) {
    throw new Error(
      "JSON of which kind? A comment above it says so: <!-- tested: scenario -->, model, cni, policy, by FILE",
    );
  }
  const plain = text.replace(/^\s*\/\/.*$/gm, "");
  readConfiguration(Buffer.from(plain), `${page}:${line}`);
  return { kind: "configuration" };
}

function readConsole({ text }: Block): BlockKind {
  const lines = text.split("\n");
  const commands = lines.filter((line) => line.startsWith("$ ")).map((line) => line.slice(2));
  if (commands.length === 0) throw new Error('no line begins with "$ "');
  return {
    kind: "console",
    commands: script(commands.join("\n")),
    shown: lines.filter((line) => !line.startsWith("$ ")).join("\n"),
  };
}

function watermarks({ page }: Block): BlockKind {
  if (page !== "docs/watermarks.md") throw new Error("only docs/watermarks.md has these");
  return { kind: "held by other tests", heldBy: "test/planning/watermarks-doc.test.ts" };
}

/** The commands of a script that bash takes. */
function script(text: string): ShellCommand[] {
  const { status, stderr } = spawnSync("bash", ["-n"], { input: text, encoding: "utf8", timeout: 10_000 });
  if (status !== 0) throw new Error(`bash does not take it: ${stderr.trim()}`);
  return shellCommands(text);
}

function bird(text: string): void {
  const folder = mkdtempSync(join(tmpdir(), "enid-documents-"));
  try {
    const file = join(folder, "bird.conf");
    writeFileSync(file, text);
    const { status, stderr } = spawnSync("bird", ["-p", "-c", file], { encoding: "utf8", timeout: 10_000 });
    if (status !== 0) throw new Error(`BIRD does not take it: ${stderr.trim()}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function python(program: string, input: string): void {
  const { status, stderr } = spawnSync("python3", ["-c", program], { input, encoding: "utf8", timeout: 20_000 });
  if (status !== 0) throw new Error(stderr.trim().split("\n").at(-1));
}

/** Heads of the tables that a page shows, which the command must print; their columns, widths aside. */
export function headsOf(shown: string): string[] {
  return shown
    .split("\n")
    .filter((line) => /^[A-Z][A-Z0-9]+(?:\s{2,}[A-Z][A-Z0-9]+)+\s*$/.test(line))
    .map((line) => line.trim().replace(/\s+/g, " "));
}
