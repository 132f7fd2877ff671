import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Minutes each: begun first, they run beside all the others instead of after them. */
const LONGEST = [
  "test/faults/kill.test.ts",
  "test/environments/faults.test.ts",
  "test/daemon/lost-address.test.ts",
  "test/environments/fixed.test.ts",
  "test/world/seeds-1.test.ts",
  "test/world/seeds-2.test.ts",
  "test/world/weaknesses.test.ts",
  "test/manager/world.test.ts",
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) => LONGEST.some((path) => moduleId.endsWith(path));
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Processes, not threads: tests open state files, signal daemons and change the environment.
    pool: "forks",
    // One more than two processors: the tests of real daemons wait for minutes in all. Many more only make waits longer.
    maxWorkers: Math.min(4, Math.max(3, availableParallelism())),
    sequence: { sequencer: LongestFirst },
    execArgv: ["--disable-warning=ExperimentalWarning"],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // A forgotten `.only` fails everywhere, not just where CI is set.
    allowOnly: false,
    reporters: ["default"],
  },
});
