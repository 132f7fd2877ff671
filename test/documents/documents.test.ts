import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { setMarks } from "../../src/handoff/routes/marks.ts";
import { ROOT } from "../house/source-files.ts";
import { type BlockKind, headsOf, kindOf } from "./blocks.ts";
import { commandsWithoutTrial, enidArguments, leanedOn, tryEnid } from "./enid-lines.ts";
import { type Lab, startLab } from "./lab.ts";
import { type Block, type InlineCode, pagePaths, placeOf, readPage } from "./markdown.ts";
import { EXCUSED, tryProgram } from "./programs.ts";
import { type ShellCommand, shellCommands } from "./shell.ts";

/** Inline code that begins with the name of a program and is no command line of it. */
const NO_COMMANDS = new Set([
  // The description of an interface.
  "enid INSTANCE-ID",
  // How every command looks.
  "enid COMMAND [FLAGS]",
]);

/** Pages with blocks that another test reads and holds. Each such block has a comment above it, or a language that says so. */
const BY_OTHERS = [
  "docs/cli.md: test/documents/documents.test.ts",
  "docs/configuration.md: test/configuration/documents.test.ts",
  "docs/fleet.md: test/fleet/redis/rights.test.ts",
  "docs/host-routes.md: test/documents/documents.test.ts",
  "docs/simulation.md: test/cli/simulate.test.ts",
  "docs/simulator.md: test/simulator/documentation.test.ts",
  "docs/watermarks.md: test/planning/watermarks-doc.test.ts",
];

const pages = pagePaths().map(readPage);

interface KnownBlock extends BlockKind {
  readonly block: Block;
}

const kinds: KnownBlock[] = [];
const unknown: string[] = [];
for (const { blocks, problems } of pages) {
  unknown.push(...problems);
  for (const block of blocks) {
    try {
      kinds.push({ ...kindOf(block), block });
    } catch (error) {
      unknown.push(`${placeOf(block)}: ${error instanceof Error ? error.message : error}`);
    }
  }
}

const tally = { run: 0, parsed: 0, excused: 0, common: 0 };
const excused: Record<string, number> = {};
let lab: Lab;

beforeAll(async () => {
  const readme = kinds.filter(({ block }) => block.page === "README.md");
  const configuration = readme.find(({ kind }) => kind === "configuration")?.block.text;
  if (configuration === undefined) throw new Error(`README.md shows no valid configuration: ${unknown.join("\n")}`);
  lab = await startLab(configuration, ["run", "--read-eni-configuration", "/etc/cni/net.d/05-enid.conflist"]);
}, 60_000);

afterAll(async () => {
  await lab?.close();
  const byKind = Map.groupBy(kinds, ({ kind }) => kind);
  const blocks = [...byKind].map(([kind, all]) => `${all.length} ${kind}`).join(", ");
  process.stdout.write(
    `documents: ${pages.length} pages; blocks: ${blocks}; commands: ${tally.run} run, ${tally.parsed} parsed, ${tally.excused} excused, ${tally.common} of the shell\n`,
  );
});

/** The block of the page that begins so. */
function blockOf(path: string, words: string): string | undefined {
  const blocks = pages.find((page) => page.path === path)?.blocks ?? [];
  return blocks.find(({ text }) => text.split("\n", 1)[0]?.includes(words))?.text;
}

/** What is wrong with a command; counts it. */
async function problemOf(
  command: ShellCommand,
  options: { exits?: number | undefined; isMention?: boolean; shown?: string | undefined },
) {
  const enid = enidArguments(command.words);
  if (enid === undefined) {
    const tried = await tryProgram(command, lab);
    if (tried.kind === "problem") return tried.problem;
    if (tried.kind === "run") tally.run += 1;
    else if (tried.program === "") tally.common += 1;
    else {
      tally.excused += 1;
      excused[tried.program] = (excused[tried.program] ?? 0) + 1;
    }
    return undefined;
  }
  const { exits = 0, isMention = false, shown = "" } = options;
  const outcome = await tryEnid(enid, lab, { exits, isMention });
  if (outcome.kind === "problem") return outcome.problem;
  tally[outcome.kind] += 1;
  const printed = outcome.stdout.replace(/[^\S\n]+/g, " ");
  const missing = outcome.kind === "run" ? headsOf(shown).find((head) => !printed.includes(head)) : undefined;
  return missing === undefined ? undefined : `${command.words.join(" ")} does not print the table ${missing}`;
}

/** The command lines in running text: those that begin with enid or a program of the table, and have more than that word. */
function inlineCommands(inline: readonly InlineCode[]) {
  return inline.flatMap((code) => {
    const [program = "", ...rest] = code.text.split(" ");
    const isLine = rest.length > 0 && !NO_COMMANDS.has(code.text);
    const isKnown = /^(?:\S*\/)?enid$/.test(program) || program === "npm" || EXCUSED[program] !== undefined;
    if (!isLine || !isKnown) return [];
    // `{pod}` stands in messages for what it names.
    return shellCommands(code.text).map((command) => ({ code, command }));
  });
}

describe("documents", () => {
  it("have only blocks of a known kind, each of which is what it says", () => {
    expect(unknown).toEqual([]);
  });

  it.each(pages.filter(({ path }) => kinds.some(({ block, commands }) => block.page === path && commands)))(
    "$path has only commands that work",
    async ({ path }) => {
      const problems: string[] = [];
      for (const { block, commands = [], exits, shown } of kinds.filter(({ block }) => block.page === path)) {
        for (const command of commands) {
          const problem = await problemOf(command, { exits, shown });
          if (problem !== undefined) problems.push(`${path}:${block.line + 1 + command.line}: ${problem}`);
        }
      }
      expect(problems).toEqual([]);
    },
    60_000,
  );

  it("name only commands that there are in running text", async () => {
    const problems: string[] = [];
    for (const { code, command } of pages.flatMap(({ inline }) => inlineCommands(inline))) {
      const problem = await problemOf(command, { isMention: true });
      if (problem !== undefined) problems.push(`${placeOf(code)}: ${problem}`);
    }
    expect(problems).toEqual([]);
  }, 60_000);

  it("have as many lines that are not run as the table of test/documents/programs.ts excuses", () => {
    const stated = Object.fromEntries(Object.entries(EXCUSED).map(([program, { lines }]) => [program, lines]));
    expect(excused).toEqual(stated);
  });

  it("leave to other tests only what BY_OTHERS names", () => {
    const left = kinds.flatMap(({ block, heldBy }) => (heldBy === undefined ? [] : [`${block.page}: ${heldBy}`]));
    expect([...new Set(left)].toSorted()).toEqual(BY_OTHERS);
  });

  it("show what enid says without a daemon", async () => {
    const absent = join(lab.root, "absent.sock");
    const { code, stderr } = await lab.enid(["status", "--socket", absent]);
    expect(code).toBe(4);
    expect(blockOf("docs/cli.md", "ENID_DAEMON_UNREACHABLE")).toBe(
      stderr.trimEnd().replaceAll(absent, "/run/enid/enid.sock"),
    );
  });

  it("show the marks as enid sets them", () => {
    const rules = setMarks("eth0").split("\n").slice(2, -1);
    expect(blockOf("docs/host-routes.md", "table inet enid_node_port")).toBe(
      rules.map((rule) => rule.replace(/ comment "[^"]*"$/, "")).join("\n"),
    );
  });

  it("lean only on tests that there are", () => {
    const tests = [...leanedOn, ...Object.values(EXCUSED).flatMap(({ by }) => by ?? [])];
    expect(tests.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it("could show every command of enid", () => {
    expect(commandsWithoutTrial()).toEqual([]);
  });
});
