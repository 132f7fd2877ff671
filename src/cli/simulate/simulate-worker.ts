/** The code of the worker threads of `enid simulate`. */
import { parentPort } from "node:worker_threads";
import { systemClock } from "../../adapters/index.ts";
import { serveJobs } from "./thread-messages.ts";

if (parentPort !== null) {
  serveJobs(parentPort, {
    async seed(options) {
      const { runSeed } = await import("../../simulator/world/index.ts");
      return runSeed(options);
    },
    async shrink({ outcome, runs }, onProgress) {
      const { shrink } = await import("../../simulator/world/index.ts");
      return shrink(outcome, { runs, onRun: onProgress });
    },
    async trace({ options, subject }) {
      const { traceOf } = await import("../../simulator/world/index.ts");
      return traceOf(options, subject);
    },
    async scenario({ text, file, policy }, onProgress) {
      const [{ readScenario, runScenario }, { policyNamed }, { scenarioProgress }] = await Promise.all([
        import("../../simulator/scenario/index.ts"),
        import("./policies.ts"),
        import("../render/scenario.ts"),
      ]);
      return runScenario({
        scenario: readScenario(text, file),
        policy: await policyNamed(policy),
        onProgress: (progress) => onProgress(scenarioProgress(progress)),
        clock: systemClock,
      });
    },
  });
}
