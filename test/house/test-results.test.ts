import { describe, expect, it } from "vitest";
import type { TestReport } from "../../scripts/test-report.ts";
import { countResults } from "../../scripts/test-results.ts";

const STRICT = { leaveToSkip: () => undefined, isSelection: false };

function report(...states: string[]): TestReport {
  return { tests: states.map((state, index) => ({ fullName: `test ${index}`, state })), otherFailures: [] };
}

describe("the count of npm test", () => {
  it("adds up what passed and failed", () => {
    const results = countResults(report("passed", "passed", "failed"), 1, STRICT);
    expect(results).toEqual({ passed: 2, failed: 1, skipped: 0, problems: [] });
  });

  it("takes a test skipped without leave as a failure", () => {
    const results = countResults(report("passed", "skipped", "pending"), 0, STRICT);
    expect(results).toMatchObject({ passed: 1, failed: 2, skipped: 2 });
    expect(results.problems[0]).toBe("skipped without leave: test 1");
  });

  it("takes a skip with leave as one", () => {
    const leaveToSkip = (name: string) => (name === "test 1" ? "needs a second network card" : undefined);
    const allowed = { ...STRICT, leaveToSkip };
    expect(countResults(report("passed", "skipped"), 0, allowed)).toMatchObject({ passed: 1, failed: 0, skipped: 1 });
  });

  it("leaves out what a selection by name leaves out", () => {
    const selected = countResults(report("passed", "skipped"), 0, { ...STRICT, isSelection: true });
    expect(selected).toMatchObject({ passed: 1, failed: 0, skipped: 0 });
  });

  it("takes what failed outside of a test as a failure", () => {
    const otherFailures = ["b.test.ts: no such module"];
    const results = countResults({ ...report("passed"), otherFailures }, 1, STRICT);
    expect(results).toMatchObject({ passed: 1, failed: 1, problems: otherFailures });
  });

  it("never passes without a report, without a test, or against the exit code", () => {
    expect(countResults(undefined, 0, STRICT).failed).toBe(1);
    expect(countResults(report(), 0, STRICT).failed).toBe(1);
    expect(countResults(report("passed"), 1, STRICT)).toMatchObject({ passed: 1, failed: 1 });
  });
});
