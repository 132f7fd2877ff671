import { writeFileSync } from "node:fs";
import { relative } from "node:path";
import type { Reporter, TestModule } from "vitest/node";

/** What became of a run of vitest, as far as `npm test` counts it. */
export interface TestReport {
  readonly tests: readonly { readonly fullName: string; readonly state: string }[];
  /** What failed outside of a test: a file that cannot be loaded, a hook, an unhandled rejection. */
  readonly otherFailures: readonly string[];
}

/** The variable that says where the report goes. */
export const REPORT_VARIABLE = "ENID_TEST_REPORT";

/** A reporter for vitest that writes a TestReport. */
export default class TestReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly { readonly message: string }[]): void {
    const report: TestReport = {
      tests: modules.flatMap(({ children, moduleId }) =>
        [...children.allTests()].map((test) => ({
          fullName: `${relative(process.cwd(), moduleId)}: ${test.fullName}`,
          state: test.result().state,
        })),
      ),
      otherFailures: [...modules.flatMap(failuresOf), ...unhandled.map(({ message }) => `unhandled: ${message}`)],
    };
    const file = process.env[REPORT_VARIABLE];
    if (file !== undefined) writeFileSync(file, JSON.stringify(report));
  }
}

function failuresOf(module: TestModule): string[] {
  const suites = [module, ...module.children.allSuites()];
  return suites.flatMap((suite) =>
    suite.errors().map(({ message }) => `${relative(process.cwd(), module.moduleId)}: ${message}`),
  );
}
