import { readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { parseArguments } from "../../src/cli/arguments.ts";
import { COMMANDS, findCommand } from "../../src/cli/commands.ts";
import { DEGRADATION_NAMES } from "../../src/manager/index.ts";
import { temporaryFolder } from "./fake-daemon.ts";
import { callEnid, ROOT, runEnid } from "./run-enid.ts";

const CLI_PAGE = readFileSync(path.join(ROOT, "docs/cli.md"), "utf8");
const EVENTS_PAGE = readFileSync(path.join(ROOT, "docs/events.md"), "utf8");

/** The sections "## enid NAME" of docs/cli.md. */
const SECTIONS = new Map(
  CLI_PAGE.split(/^## /m)
    .filter((section) => section.startsWith("enid "))
    .map((section) => [section.slice("enid ".length, section.indexOf("\n")), section]),
);

/** Cells of the rows of a markdown table that begin with the pattern. */
function rows(page: string, first: RegExp): string[][] {
  return page
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .filter((cells) => first.test(cells[1] ?? ""));
}

describe("docs/cli.md", () => {
  it("has a section for every command, and none for another", () => {
    expect([...SECTIONS.keys()]).toEqual(Object.keys(COMMANDS));
  });

  it.each(Object.keys(COMMANDS))("documents the flags of enid %s as its help shows them", async (name) => {
    const { code, stdout, stderr } = await callEnid([...name.split(" "), "--help"]);
    expect([code, stderr]).toEqual([0, ""]);
    const helped = [...stdout.matchAll(/^ {2}(--[a-z0-9-]+(?: [A-Z:]+)?) {2}/gm)].map((match) => match[1] ?? "");
    const documented = rows(SECTIONS.get(name) ?? "", /^`--/).map((cells) => (cells[1] ?? "").replaceAll("`", ""));
    expect(documented.toSorted()).toEqual(helped.toSorted());
    expect(helped).toContain("--help");
  });

  it.each(Object.keys(COMMANDS))("gives the defaults, variables and spellings that enid %s has", async (name) => {
    const command = await COMMANDS[name]?.load();
    for (const [, flag = "", standard = "", variable = "", meaning = ""] of rows(SECTIONS.get(name) ?? "", /^`--/)) {
      const definition = command?.flags[/--([a-z0-9-]+)/.exec(flag)?.[1] ?? ""];
      if (definition === undefined) continue; // --help
      if (definition.default !== undefined) expect(standard).toBe(`\`${definition.default}\``);
      expect(variable).toBe(definition.env === undefined ? "" : `\`${definition.env}\``);
      expect(meaning.includes("also `--")).toBe(definition.alias !== undefined);
      if (definition.alias !== undefined) expect(meaning).toContain(`also \`--${definition.alias}\``);
    }
  });

  it("shows only command lines that enid takes, and so does the help", async () => {
    const examples = [...CLI_PAGE.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap((match) =>
      (match[1] ?? "").trim().split("\n"),
    );
    for (const { load } of Object.values(COMMANDS)) {
      const command = await load();
      expect(command.examples.length).toBeGreaterThan(0);
      examples.push(...command.examples.map(({ line }) => line));
    }
    const commandLines = examples.filter((line) => line.startsWith("enid "));
    expect(commandLines.length).toBeGreaterThan(18);
    for (const line of commandLines) {
      // The shell ends the command line at a pipe, a redirection, a semicolon.
      const [, ...words] = (line.split(/ [|>&;]/)[0] ?? "").split(" ");
      const found = findCommand(words);
      if (found === undefined) throw new Error(`${line}: there is no command ${words[0]}`);
      const command = await found.entry.load();
      expect(() => parseArguments(command, found.rest, {}), line).not.toThrow();
    }
  });

  it("shows what enid validate really prints", async () => {
    const folder = await temporaryFolder();
    const lines = [
      '{ "cniVersion": "1.0.0", "name": "cilium", "type": "cilium-cni",',
      '  "ipam": {',
      '    "type": "enid-ipam",',
      '    "pre-allocate": -1',
      "  } }",
    ];
    await writeFile(path.join(folder, "test.conf"), lines.join("\n"));
    const { code, stdout } = await runEnid(["validate", "test.conf"], { cwd: folder });
    expect(code).toBe(3);
    expect(CLI_PAGE).toContain(`$ enid validate test.conf\n${stdout}`);
  });

  it("is complete about exit codes", async () => {
    const { stdout } = await runEnid(["--help"]);
    const documented = rows(CLI_PAGE, /^\d$/).map((cells) => `${cells[1]} ${cells[2]}`);
    expect(stdout).toContain(`Exit codes: ${documented.join(", ")}.`);
  });
});

describe("docs/events.md", () => {
  const documented = rows(EVENTS_PAGE, /^`/).map((cells) => (cells[1] ?? "").replaceAll("`", ""));
  const source = readdirSync(path.join(ROOT, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.startsWith("simulator"))
    .map((file) => readFileSync(path.join(ROOT, "src", file), "utf8"))
    .join("\n");

  it("lists every event that the program tells", () => {
    const told = [...source.matchAll(/(?:\.event\(\{\s*name:|#?tell\()\s*"([a-z-]+)"/g)].map((match) => match[1] ?? "");
    expect(told.length).toBeGreaterThan(20);
    expect(told.filter((name) => !documented.includes(name))).toEqual([]);
  });

  it("lists nothing that the program does not tell", () => {
    expect(documented.filter((name) => !source.includes(`"${name}"`))).toEqual([]);
  });

  it("lists every state of giving way", () => {
    const states = rows(EVENTS_PAGE.slice(EVENTS_PAGE.indexOf("| State |"), EVENTS_PAGE.indexOf("## Steps")), /^`/);
    expect(states.map((cells) => (cells[1] ?? "").replaceAll("`", "")).toSorted()).toEqual(
      [...DEGRADATION_NAMES].toSorted(),
    );
  });
});
