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

/**
 * Files that get a process of their own: what they test are processes, or they replace modules. All others follow each
 * other in one process for each worker and share its modules, run by Node itself as enid is; that halves their time.
 */
const APART = [
  ...["bootstrap", "daemon", "deploy", "documents", "environments", "faults", "installation", "migrate", "release"].map(
    (folder) => `test/${folder}/**/*.test.ts`,
  ),
  "cdk/test/**/*.test.ts",
  // Replaces a module.
  "test/manager/promises.test.ts",
  // Worker threads that end in the middle of something.
  "test/cli/simulate-hunt.test.ts",
  // The process's umask.
  "test/handoff/cni/socket.test.ts",
];

export default defineConfig({
  test: {
    projects: [
      { extends: true, test: { name: "apart", include: APART } },
      {
        extends: true,
        test: {
          name: "shared",
          include: ["test/**/*.test.ts"],
          exclude: APART,
          isolate: false,
          experimental: { viteModuleRunner: false },
        },
      },
    ],
    // Processes, not threads: tests open state files, signal daemons and change the environment.
    pool: "forks",
    // One more than two processors: the tests of real daemons wait for minutes in all. Many more only make waits longer.
    maxWorkers: Math.min(4, Math.max(3, availableParallelism())),
    sequence: { sequencer: LongestFirst },
    execArgv: ["--disable-warning=ExperimentalWarning"],
    // Against what hangs. Not a measure of speed: a busy machine takes several times as long.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A forgotten `.only` fails everywhere, not just where CI is set.
    allowOnly: false,
    reporters: ["default"],
  },
});
