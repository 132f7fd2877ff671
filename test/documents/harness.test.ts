import { describe, expect, it } from "vitest";
import { headsOf, kindOf } from "./blocks.ts";
import { enidArguments, tryEnid } from "./enid-lines.ts";
import type { Lab } from "./lab.ts";
import { parsePage } from "./markdown.ts";
import { tryProgram } from "./programs.ts";
import { shellCommands } from "./shell.ts";

/** What is wrong is found before anything is run. */
const noLab = new Proxy({} as Lab, {
  get(_, name) {
    throw new Error(`nothing may be run here, but ${String(name)} was asked for`);
  },
});

const blockOf = (text: string) => {
  const [block] = parsePage("docs/page.md", text).blocks;
  if (block === undefined) throw new Error("no block");
  return block;
};
const words = (script: string) => shellCommands(script).map((command) => command.words);
const problemOf = async (line: string, isMention = false) => {
  const outcome = await tryEnid(enidArguments(words(line)[0] ?? []) ?? [], noLab, { isMention });
  return outcome.kind === "problem" ? outcome.problem : outcome.kind;
};

describe("a page", () => {
  it("gives its blocks, with what stands above them, and the code in its text", () => {
    const page = parsePage(
      "docs/page.md",
      [
        "Run `enid",
        "status` or `a|b`.",
        "1. So:",
        "   <!-- tested: exits 3 -->",
        "   ```sh",
        "   enid validate x",
        "     --json",
        "   ```",
        "~~~",
        "`no code`",
        "~~~",
      ].join("\n"),
    );
    expect(page.blocks).toEqual([
      { page: "docs/page.md", line: 5, tag: "sh", tested: "exits 3", text: "enid validate x\n  --json" },
      { page: "docs/page.md", line: 9, tag: "", tested: undefined, text: "`no code`" },
    ]);
    expect(page.inline.map(({ line, text }) => [line, text])).toEqual([
      [1, "enid status"],
      [2, "a|b"],
    ]);
    expect(page.problems).toEqual([]);
  });

  it("is wrong with a comment above nothing, and with a block without its end", () => {
    const { problems } = parsePage("docs/page.md", "<!-- tested: model -->\n\n```sh\nenid status\n");
    expect(problems).toEqual([
      'docs/page.md:1: the comment "tested: model" stands above no block',
      "docs/page.md:3: the block has no end",
    ]);
  });
});

describe("a script", () => {
  it("is taken apart into its commands", () => {
    expect(words("a 'b c' \"d $e\" f\\ g # h\ni \\\n  j | k && l; m")).toEqual([
      ["a", "b c", "d $e", "f g"],
      ["i", "j"],
      ["k"],
      ["l"],
      ["m"],
    ]);
    expect(words("if a; then b; fi\nfor x in 1 2; do c $x; done\n! d")).toEqual([["a"], ["b"], ["c", "$x"], ["d"]]);
    expect(words("x=$(a b)\nc \"$(d 'e)')\"")).toEqual([
      ["c", "$(d 'e)')"],
      ["a", "b"],
      ["d", "e)"],
    ]);
    expect(words("cat <<'EOF' >f\nno command\nEOF\nb")).toEqual([["cat"], ["b"]]);
    expect(shellCommands("A=1 b 2>&1 >c <d")).toEqual([
      { line: 0, words: ["b"], assignments: ["A=1"], redirections: ["1", "c", "d"] },
    ]);
    expect(shellCommands("a\n\nb \\\n c\nd").map(({ line }) => line)).toEqual([0, 2, 4]);
    expect(() => words("a 'b")).toThrow("without its end");
  });

  it("calls enid also by sudo, by its path, and in a container", () => {
    expect(enidArguments(["sudo", "./enid", "status"])).toEqual(["status"]);
    expect(enidArguments(["docker", "compose", "exec", "enid", "dist/enid", "status", "--json"])).toEqual([
      "status",
      "--json",
    ]);
    expect(enidArguments(["systemctl", "restart", "enid"])).toBeUndefined();
  });
});

describe("a wrong page is found by", () => {
  it.each([
    ["a flag that there is not", "enid status --jsn", /unknown flag --jsn; did you mean --json/],
    ["a command that is gone", "enid stat", /there is no command stat/],
    ["too many words", "enid unset a b", /one argument too many/],
    ["a value that is missing", "enid plan --waiting", /--waiting needs a value/],
    ["a setting that there is not", "enid set pre-alocate=3", /pre-alocate/],
    ["a setting's wrong value", "enid set pre-allocate=many", /pre-allocate cannot be/],
    ["a scenario that is gone", "enid simulate --scenario bench/scenarios/no.json", /no scenario/],
    ["a placeholder that stands for nothing", "enid explain WHATEVER", /does not say what WHATEVER stands for/],
  ])("%s", async (_, line, problem) => {
    expect(await problemOf(line)).toMatch(problem);
    expect(await problemOf(line, true)).toMatch(problem);
  });

  it("a bare name where a command line is due", async () => {
    expect(await problemOf("enid unset", true)).toBe("parsed");
    expect(await problemOf("enid unset")).toMatch(/NAME is missing/);
  });

  it.each([
    ["a key that there is not", '```json\n{ "ipam": { "pre-alocate": 3 } }\n```', /did you mean "pre-allocate"/],
    ["JSON that is none", '```json\n{ "ipam": { }\n```', /no JSON/],
    ["JSON of no known kind", '```json\n{ "a": 1 }\n```', /JSON of which kind/],
    ["a language that nobody reads", "```cobol\nADD 1 TO X\n```", /knows no language cobol/],
    ["a block without a language", "```\nenid status\n```", /Give it a language/],
    ["a script that bash does not take", "```sh\nif enid status; then\n```", /bash does not take it/],
    ["a console without a command", "```console\nenid status\n```", /no line begins with/],
    ["a test that is gone", "<!-- tested: by test/no.test.ts -->\n```\nx\n```", /there is no test\/no.test.ts/],
    ["a test of something else", "<!-- tested: by test/errors.test.ts -->\n```\nx\n```", /does not read/],
    ["a comment of no known kind", "<!-- tested: perhaps -->\n```\nx\n```", /"tested: perhaps" is not known/],
    ["TOML that is none", "```toml\na = \n```", /Invalid value/],
    ["YAML that says a key twice", "```yaml\na: 1\na: 2\n```", /there twice/],
    ["an include that BIRD does not take", "```bird\nprotocol bgp { nonsense }\n```", /BIRD does not take it/],
    ["TypeScript that is none", "```ts\nconst = 1;\n```", /./],
  ])("%s", (_, text, problem) => {
    expect(() => kindOf(blockOf(text))).toThrow(problem);
  });

  it.each([
    ["a program that nobody tries", "frobnicate now", /does not say how frobnicate is tried/],
    [
      "a file of the repository that is gone",
      "helm upgrade --values deploy/cilium/no.yaml",
      /deploy\/cilium\/no.yaml is not/,
    ],
    ["a script of npm that is gone", "npm run no", /package.json has no script no/],
    ["a flag of curl that nobody reads", "curl --teleport http://localhost:1/x", /does not know --teleport/],
    ["an address that nobody answers", "curl -s http://localhost:1/x", /who answers/],
  ])("%s", async (_, line, problem) => {
    const [command] = shellCommands(line);
    const tried = command === undefined ? undefined : await tryProgram(command, noLab);
    expect(tried).toMatchObject({ kind: "problem", problem: expect.stringMatching(problem) });
  });

  it("a table whose columns the command no longer has", () => {
    expect(headsOf("2 nodes\nNODE   ID  KIND\nip-1  i-1  enid\nALL CAPS in a sentence")).toEqual(["NODE ID KIND"]);
  });
});
