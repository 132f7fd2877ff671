import { describe, expect, it } from "vitest";
import { filesBelow, readSource, sources } from "./source-files.ts";

const LINES_LIMIT = 400;

const texts = [
  ...["src", "test", "scripts", "bench", "bin", "lint", "schemas", "eni-config", "deploy", "docs"].flatMap((folder) =>
    filesBelow(folder),
  ),
  ...filesBelow("native", (path) => !path.startsWith("native/bin/")),
  ...filesBelow(".", (path) => !path.includes("/") && path !== "package-lock.json"),
];

// Written in parts, so that this file does not hold what it looks for.
const FORBIDDEN = ["TO" + "DO", "FIX" + "ME", "XXX" + ":", "../" + "shared", "/wo" + "rk/", "/fa" + "rm/"];

describe("texts of the repository", () => {
  it("hold no unfinished work and no path of one machine", () => {
    expect(texts.length).toBeGreaterThan(100);
    const found = texts.flatMap((path) => {
      const text = readSource(path);
      return FORBIDDEN.filter((word) => text.includes(word)).map((word) => `${path}: ${word}`);
    });
    expect(found).toEqual([]);
  });

  it("in src have at most 400 lines", () => {
    const long = sources.map((path) => ({ path, lines: readSource(path).split("\n").length - 1 }));
    expect(long.filter(({ lines }) => lines > LINES_LIMIT)).toEqual([]);
  });

  it("in src have names in kebab-case", () => {
    expect(filesBelow("src").filter((path) => !/^[a-z0-9]+(?:[-/.][a-z0-9]+)*$/.test(path))).toEqual([]);
  });

  it("of tests focus on nothing, and skip nothing but what needs root", () => {
    const focus = /\b(?:it|test|describe)\.(?:only|skip\w*|todo|runI\w*)\b/;
    // The one place where tests may be left out.
    const tests = filesBelow("test", (path) => path.endsWith(".ts") && path !== "test/support/root.ts");
    expect(tests.filter((path) => focus.test(readSource(path)))).toEqual([]);
  });
});
