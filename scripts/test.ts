/**
 * What `npm test` runs: lint, typecheck, tests. All three run even when one fails; the last line on standard output is
 * "N passed, N failed, N skipped", where lint and each typecheck count as one. Arguments go to vitest, so that
 * `npm test -- test/pool` runs the tests of one folder.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { REPORT_VARIABLE, type TestReport } from "./test-report.ts";
import { countResults, type Tally } from "./test-results.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const BIN = join(ROOT, "node_modules", ".bin");

const IS_ROOT = process.getuid?.() === 0;

/** Why a test may be skipped (test/support/root.ts); one that is skipped without leave is a failure. */
function leaveToSkip(fullName: string): string | undefined {
  return !IS_ROOT && fullName.includes("(as root)") ? "network namespaces: only root can make them" : undefined;
}

const folder = mkdtempSync(join(tmpdir(), "enid-test-"));
try {
  const tally = add(
    await check("lint", "biome", ["check", "--error-on-warnings", "."]),
    await check("typecheck", "tsc", ["--noEmit"]),
    await check("typecheck of cdk", "tsc", ["--noEmit", "-p", "cdk"]),
  );
  const total = add(tally, await runTests(process.argv.slice(2)));
  process.stdout.write(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
  process.exitCode = total.failed === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** One passed or failed check. */
async function check(title: string, program: string, args: readonly string[]): Promise<Tally> {
  const code = await run(title, program, args);
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
}

async function runTests(args: readonly string[]): Promise<Tally> {
  const report = join(folder, "report.json");
  const reporters = ["--reporter=default", "--reporter=./scripts/test-report.ts"];
  const code = await run("tests", "vitest", ["run", ...reporters, ...args], { [REPORT_VARIABLE]: report });
  const results = countResults(readReport(report), code, {
    leaveToSkip,
    // What `-t NAME` leaves out is reported as skipped.
    isSelection: args.some((argument) => /^(-t|--testNamePattern)/.test(argument)),
  });
  if (results.skipped > 0 && !IS_ROOT) {
    process.stdout.write(`${results.skipped} tests were left out: they need network namespaces, run them as root\n`);
  }
  for (const problem of results.problems) process.stdout.write(`FAILED ${problem}\n`);
  return results;
}

/** Undefined when vitest ended before it could write one. */
function readReport(file: string): TestReport | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

function add(...tallies: readonly Tally[]): Tally {
  const sum = (kind: keyof Tally) => tallies.reduce((total, tally) => total + tally[kind], 0);
  return { passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped") };
}

/** Runs a program of node_modules on this terminal; answers its exit code, 1 when a signal ended it. */
function run(
  title: string,
  program: string,
  args: readonly string[],
  variables: Record<string, string> = {},
): Promise<number> {
  const began = performance.now();
  process.stdout.write(`== ${title}\n`);
  return new Promise((resolve, reject) => {
    const child = spawn(join(BIN, program), args, {
      cwd: ROOT,
      env: { ...process.env, ...variables },
      stdio: ["ignore", "inherit", "inherit"],
    });
    child.once("error", reject);
    child.once("exit", (code) => {
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      process.stdout.write(`== ${title} ${code === 0 ? "passed" : "FAILED"} in ${seconds} s\n`);
      resolve(code ?? 1);
    });
  });
}
