import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "./source-files.ts";

const AMBIENT = [
  "export const a = Date.now();",
  "export const later = Date.now;",
  "export const a = globalThis.Date.now();",
  'export const a = Date["now"]();',
  "export const { now } = Date;",
  "export const a = new Date();",
  "export const a = new Date;",
  "export const a = Date();",
  "export const a = performance.now();",
  "export const a = globalThis.performance.now();",
  "export const a = process.hrtime.bigint();",
  "export const a = process.uptime();",
  'import { performance } from "node:perf_hooks";\nexport { performance };',
  'import { hrtime } from "node:process";\nexport { hrtime };',
  "setTimeout(() => {}, 5);",
  "globalThis.setTimeout(() => {}, 5);",
  "export const later = setTimeout;",
  "export const { setTimeout: later } = globalThis;",
  "setInterval(() => {}, 5);",
  "setImmediate(() => {});",
  'import { setTimeout as wait } from "node:timers/promises";\nexport { wait };',
  'import timers from "node:timers";\nexport { timers };',
  'import timers from "timers";\nexport { timers };',
  "export const signal = AbortSignal.timeout(5);",
  "export const a = Math.random();",
  'export const a = Math["random"]();',
  "export const { random } = Math;",
  "export const a = crypto.randomUUID();",
  "export const a = globalThis.crypto.getRandomValues(new Uint8Array(3));",
  'import { randomUUID } from "node:crypto";\nexport { randomUUID };',
  'import { randomBytes as draw } from "node:crypto";\nexport { draw };',
  'import * as crypto from "node:crypto";\nexport const a = crypto.randomInt(5);',
];

const FINE = [
  "export const a = new Date(5).toISOString();",
  "export const a = new Date(Date.UTC(2020, 1, 1));",
  'export const a = Date.parse("2020-01-01");',
  "export const a = Math.floor(5.5);",
  "declare const clock: { now(): number; timeoutMs: number };\nexport const a = clock.now() + clock.timeoutMs;",
  'import { createHash } from "node:crypto";\nexport { createHash };',
];

const FOREIGN_TO_PURE_ROOMS = [
  'import { readFileSync } from "node:fs";\nexport { readFileSync };',
  'import { EnidError } from "../errors.ts";\nexport { EnidError };',
  'import type { Clock } from "../adapters/index.ts";\nexport type { Clock };',
  'export * from "../planning/index.ts";',
  'export { type Clock } from "../adapters/index.ts";',
  'import PQueue from "p-queue";\nexport { PQueue };',
  'import { a } from "./../errors.ts";\nexport { a };',
  'export const a = import("./types.ts");',
  'export type Clock = import("../adapters/index.ts").Clock;',
  "export const a = process.env;",
  'export const a = fetch("http://127.0.0.1/");',
];

const FINE_IN_PURE_ROOMS = [
  'import type { Pool } from "./types.ts";\nexport type { Pool };',
  'export * from "./deeper/types.ts";',
];

const folder = mkdtempSync(join(tmpdir(), "enid-lint-"));
/** What the house's own rules say of each file written by `place`. */
let messages: ReadonlyMap<string, readonly string[]>;

beforeAll(() => {
  for (const name of ["biome.json", ".gitignore", "lint"])
    cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  place("src/manager", AMBIENT);
  place("src/simulator", FINE);
  place("src/adapters", AMBIENT);
  place("test/manager", AMBIENT);
  for (const room of ["src/pool", "src/planning"]) {
    place(room, FOREIGN_TO_PURE_ROOMS);
    place(`${room}/fine`, FINE_IN_PURE_ROOMS);
  }
  messages = runBiome();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("lint rules of the house", () => {
  it.each(numbered(AMBIENT))("keep to the injected Clock and Random: %s", (_, name) => {
    expect(messages.get(`src/manager/${name}`)?.join()).toMatch(/injected Clock and Random/);
  });

  it("let pass what only looks alike", () => {
    expect(below("src/simulator/")).toEqual([]);
  });

  it("leave the adapters and the tests alone", () => {
    expect([...below("src/adapters/"), ...below("test/")]).toEqual([]);
  });

  it.each(numbered(FOREIGN_TO_PURE_ROOMS))("keep pool and planning pure: %s", (_, name) => {
    for (const room of ["src/pool", "src/planning"]) {
      expect(messages.get(`${room}/${name}`)?.join()).toMatch(/pool and planning are pure/);
    }
  });

  it("let pool and planning import their own files", () => {
    expect([...below("src/pool/fine/"), ...below("src/planning/fine/")]).toEqual([]);
  });
});

function numbered(snippets: readonly string[]): [string, string][] {
  return snippets.map((snippet, index) => [snippet.replace("\n", " "), `${index}.ts`]);
}

function place(room: string, snippets: readonly string[]): void {
  mkdirSync(join(folder, room), { recursive: true });
  for (const [index, snippet] of snippets.entries()) writeFileSync(join(folder, room, `${index}.ts`), `${snippet}\n`);
}

function below(start: string): string[] {
  return [...messages].filter(([path]) => path.startsWith(start)).map(([path, said]) => `${path}: ${said.join()}`);
}

function runBiome(): Map<string, string[]> {
  const args = ["lint", "--max-diagnostics=none", "--reporter=github", "."];
  const { stdout } = spawnSync(join(ROOT, "node_modules", ".bin", "biome"), args, { cwd: folder, encoding: "utf8" });
  const found = new Map<string, string[]>();
  for (const [, path = "", message = ""] of stdout.matchAll(
    /^::error title=plugin,file=(?:\.\/)?([^,]+),.*?::(.*)$/gm,
  )) {
    const relative = path.replace(`${folder}/`, "");
    found.set(relative, [...(found.get(relative) ?? []), message]);
  }
  return found;
}
