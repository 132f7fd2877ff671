import type { TestReport } from "./test-report.ts";

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface Expectations {
  /** Why the test of that full name may be skipped; undefined = it may not. */
  readonly leaveToSkip: (fullName: string) => string | undefined;
  /** True: only tests with a certain name were asked for, so that skipped ones mean nothing. */
  readonly isSelection: boolean;
}

/**
 * Counts a run of vitest. A failure is also: what failed outside of a test, a test that was skipped without leave, no
 * test at all, and an exit code that nothing else explains.
 */
export function countResults(
  report: TestReport | undefined,
  exitCode: number,
  { leaveToSkip, isSelection }: Expectations,
): Tally & { readonly problems: readonly string[] } {
  if (report === undefined) return { passed: 0, failed: 1, skipped: 0, problems: ["vitest ended without a report"] };
  const passed = report.tests.filter(({ state }) => state === "passed").length;
  const failedTests = report.tests.filter(({ state }) => state === "failed").length;
  const skipped = isSelection ? [] : report.tests.filter(({ state }) => state !== "passed" && state !== "failed");
  const problems = [
    ...report.otherFailures,
    ...skipped
      .filter(({ fullName }) => leaveToSkip(fullName) === undefined)
      .map(({ fullName }) => `skipped without leave: ${fullName}`),
  ];
  if (passed + failedTests === 0) problems.push("no test ran");
  if (exitCode !== 0 && failedTests + problems.length === 0) problems.push(`vitest ended with exit code ${exitCode}`);
  return { passed, failed: failedTests + problems.length, skipped: skipped.length, problems };
}
