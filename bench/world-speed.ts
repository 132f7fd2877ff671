import { once } from "node:events";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { systemClock } from "../src/adapters/index.ts";
import { readScenario, runScenario, type ScenarioOutcome } from "../src/simulator/scenario/index.ts";
import { enidPolicy, type FaultChoice, runSeed } from "../src/simulator/world/index.ts";
import { round } from "./median.ts";

/**
 * How fast simulated worlds of whole daemons run on this machine. `bin/with-node bench/world-speed.ts` prints it, with
 * `--quick` of shorter runs.
 */

/** Of the seeded worlds, each in its turn in the same process: what comes later meets code that is compiled. */
const SEEDS = [2, 3, 4, 5, 6, 7, 8];
const NODES = 20;
const HOURS = 24;
const FAULTY_SEEDS = 200;
/** As `enid simulate` runs them. */
const FAULTY_NODES = 3;
const FAULTY_HOURS = 2;
const IDLE_NODES = 60;
const IDLE_HOURS = 48;
const STARTING_NODES = 1_000;
const WORKERS = 2;

export interface WorldSpeed {
  /** Simulated node-hours per wall second, each in one process: no pods at all; drawn pods; drawn pods and all faults. */
  readonly nodeHoursPerSecond: { readonly idle: number; readonly pods: number; readonly faults: number };
  /** In so many threads at a time, the sum: no pods at all, and drawn pods, which is what `enid simulate --workers` comes to. */
  readonly inThreads: { readonly threads: number; readonly idle: number; readonly pods: number };
  /** Events of a node-hour with drawn pods, and pods. */
  readonly eventsPerNodeHour: number;
  readonly podsPerNodeHour: number;
  /** Nodes of a fleet that starts at once, from launch to ready. */
  readonly startsPerSecond: number;
}

/** Wall seconds and what was simulated in them. */
interface Run {
  readonly seconds: number;
  readonly nodeHours: number;
  readonly events: number;
  readonly pods: number;
}

/** `share` of the usual length: whole runs take some 10 s each, so that a busy moment is not the figure. */
export async function measureWorldSpeed(share = 1): Promise<WorldSpeed> {
  const pods = await runPods(share);
  const faults = await runSeeds(seedsUpTo(FAULTY_SEEDS * share), FAULTY_NODES, FAULTY_HOURS, "all");
  const idle = await runIdle(share);
  const starting = Math.ceil(STARTING_NODES * share);
  const starts = await timed(() => scenario({ nodes: starting, hours: 2, until: "all-ready" }));
  if (!starts.answer.complete) throw new Error(`${starts.answer.nodes.ready} of ${starting} nodes became ready`);
  const idleThreads = await inThreads("idle", share);
  const podThreads = await inThreads("pods", share);
  return {
    nodeHoursPerSecond: {
      idle: rate(idle.nodeHours, idle.seconds),
      pods: rate(pods.nodeHours, pods.seconds),
      faults: rate(faults.nodeHours, faults.seconds),
    },
    inThreads: {
      threads: WORKERS,
      idle: idleThreads,
      pods: podThreads,
    },
    eventsPerNodeHour: Math.round(pods.events / pods.nodeHours),
    podsPerNodeHour: round(pods.pods / pods.nodeHours, 1),
    startsPerSecond: rate(starting, starts.seconds),
  };
}

async function runIdle(share: number): Promise<Run> {
  const hours = Math.ceil(IDLE_HOURS * share);
  const { seconds, answer } = await timed(() => scenario({ nodes: IDLE_NODES, hours, until: "end" }));
  const { simulatedHours: nodeHours, steps: events } = answer.report;
  return { seconds, nodeHours, events, pods: 0 };
}

function runPods(share: number): Promise<Run> {
  return runSeeds(SEEDS, NODES, Math.ceil(HOURS * share), "none");
}

async function runSeeds(seeds: readonly number[], nodes: number, hours: number, faults: FaultChoice): Promise<Run> {
  const sum = { seconds: 0, nodeHours: 0, events: 0, pods: 0 };
  for (const seed of seeds) {
    const { seconds, answer } = await timed(() => runSeed({ seed, nodes, hours, faults }));
    const [violation] = answer.violations;
    if (violation !== undefined) throw new Error(`seed ${seed} breaks promise ${violation.promise}: ${violation.text}`);
    sum.seconds += seconds;
    sum.nodeHours += answer.simulatedHours;
    sum.events += answer.steps;
    sum.pods += answer.podsServed;
  }
  return sum;
}

function seedsUpTo(last: number): readonly number[] {
  return Array.from({ length: Math.ceil(last) }, (_, index) => index + 1);
}

/** Nodes without pods that grow to their min-allocate. */
function scenario(of: { nodes: number; hours: number; until: "end" | "all-ready" }): Promise<ScenarioOutcome> {
  const text = JSON.stringify({
    name: "world-speed",
    description: "What a simulated node costs.",
    hours: of.hours,
    until: of.until,
    nodes: [{ count: of.nodes, type: "m5.xlarge" }],
    subnets: [{ cidr: "10.64.0.0/17", count: 2 }],
    settings: { eni: { "cluster-name": "bench" }, ipam: { "min-allocate": 14, "pre-allocate": 0 } },
  });
  return runScenario({ scenario: readScenario(text, "world-speed.json"), policy: enidPolicy, clock: systemClock });
}

async function timed<Answer>(work: () => Promise<Answer>): Promise<{ seconds: number; answer: Answer }> {
  const began = performance.now();
  const answer = await work();
  return { seconds: (performance.now() - began) / 1_000, answer };
}

function rate(count: number, seconds: number): number {
  return Math.round(count / seconds);
}

type Kind = "idle" | "pods";

/** Node-hours per second, summed over the threads. */
async function inThreads(kind: Kind, share: number): Promise<number> {
  const runs = await Promise.all(Array.from({ length: WORKERS }, () => inThread(kind, share)));
  return runs.reduce((sum, { nodeHours, seconds }) => sum + rate(nodeHours, seconds), 0);
}

async function inThread(kind: Kind, share: number): Promise<Run> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { kind, share } });
  try {
    const [run] = (await once(worker, "message")) as [Run];
    return run;
  } finally {
    await worker.terminate();
  }
}

if (!isMainThread && parentPort !== null) {
  const { kind, share } = workerData as { kind: Kind; share: number };
  parentPort.postMessage(await (kind === "idle" ? runIdle(share) : runPods(share)));
} else if (import.meta.main) {
  const figures = await measureWorldSpeed(process.argv.includes("--quick") ? 0.25 : 1);
  process.stdout.write(`${JSON.stringify(figures, undefined, 2)}\n`);
}
