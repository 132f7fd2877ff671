/** A worker as that of `enid simulate`, with worlds made up here: what a seed brings is told by its number. */
import { parentPort } from "node:worker_threads";
import { serveJobs } from "../../src/cli/simulate/thread-messages.ts";
import { EnidError } from "../../src/errors.ts";
import { PROBLEM_SEEDS, seedOutcome } from "./simulate-outcomes.ts";

if (parentPort === null) throw new Error("this file is the code of a worker thread");

serveJobs(parentPort, {
  async seed(options) {
    const { seed } = options;
    if (seed === PROBLEM_SEEDS.exits) process.exit(3);
    if (seed === PROBLEM_SEEDS.throwsLater) setTimeout(() => Promise.reject(new Error("nobody caught this")), 0);
    if (seed === PROBLEM_SEEDS.usage)
      throw new EnidError("ENID_USAGE", { detail: "no such world", command: "simulate" });
    if (seed === PROBLEM_SEEDS.hangs || seed === PROBLEM_SEEDS.throwsLater) return new Promise(() => {});
    // The later seed is often done first.
    await new Promise((resolve) => setTimeout(resolve, (seed * 7919) % 13));
    return seedOutcome(options);
  },
  async shrink({ outcome, runs }, onProgress) {
    onProgress(runs);
    const options = { ...outcome.options, onlyFaults: [2], untilMs: 1_234_500 };
    return { options, outcome: { ...outcome, options }, runs: 17 };
  },
  async trace({ options, subject }) {
    const entries = [
      { atMs: 61_250, machine: "machine-1", kind: "pod", text: `${subject} asks in world ${options.seed}` },
      { atMs: 3_600_000, machine: "", kind: "ec2", text: `${subject} is gone` },
    ];
    return { subject, entries: subject === "nobody" ? [] : entries };
  },
});
