import { readFileSync } from "node:fs";
import { callPlugin, type LabPod, labPods } from "../scripts/lab/plugin.ts";
import { type BenchNode, startBenchNode, untilReady } from "./bench-node.ts";
import { median, round } from "./median.ts";

const LEASES = 1_000;
/** More fit on no instance type: 15 interfaces of 49 pod addresses. The rest of the leases reuse released addresses. */
const MOST_AT_ONCE = 700;
const ADDS_AT_ONCE = 8;
const STARTS = 7;

export interface Footprint {
  readonly memoryMb: Memory;
  /** From starting the process with the state of so many leases to the first answer that it is ready. Median. */
  readonly readyMs: number;
}

/** Megabytes of 2^20 bytes, as Linux counts them for the process (smaps_rollup). */
export interface Memory {
  readonly resident: number;
  /** Pages that no other process shares. Code of Node counts here only while no other process of the same Node runs. */
  readonly private: number;
  /** The part of `private` that the process wrote: its own memory whatever else runs on the machine. */
  readonly privateDirty: number;
}

/** Memory of a daemon that has served 1,000 leases and holds 700, and how fast one with its state becomes ready. */
export async function measureFootprint(command: readonly string[]): Promise<Footprint> {
  const node = await startBenchNode(command, MOST_AT_ONCE);
  try {
    const pods = labPods(LEASES);
    await each(pods.slice(0, MOST_AT_ONCE), (pod) => call(node, "ADD", pod));
    await each(pods.slice(0, LEASES - MOST_AT_ONCE), (pod) => call(node, "DEL", pod));
    await each(pods.slice(MOST_AT_ONCE), (pod) => call(node, "ADD", pod));
    const memoryMb = readMemory(node.daemon.pid);
    const starts: number[] = [];
    for (let start = 0; start < STARTS; start++) starts.push(await measureStart(node));
    return { memoryMb, readyMs: round(median(starts), 0) };
  } finally {
    await node.close();
  }
}

async function measureStart({ daemon }: BenchNode): Promise<number> {
  const code = await daemon.stop();
  if (code !== 0) throw new Error(`the daemon ended with ${code}:\n${daemon.logTail()}`);
  const beganMs = performance.now();
  daemon.start();
  await untilReady(daemon, MOST_AT_ONCE);
  const tookMs = performance.now() - beganMs;
  const held = (await daemon.leases()).length;
  if (held !== MOST_AT_ONCE) throw new Error(`${held} of ${MOST_AT_ONCE} leases are there after the start`);
  return tookMs;
}

async function call({ daemon, configuration }: BenchNode, verb: "ADD" | "DEL", pod: LabPod): Promise<void> {
  const environment = daemon.clientEnvironment;
  const answer = await callPlugin({ verb, containerId: pod.containerId, pod, configuration, environment });
  if (answer.exitCode !== 0) throw new Error(`${verb} of ${pod.name}: ${answer.stdout}`);
}

/** So many at once, as a kubelet with a few pods starting; in order. */
async function each(pods: readonly LabPod[], serve: (pod: LabPod) => Promise<void>): Promise<void> {
  const queue = pods.values();
  const worker = async () => {
    for (const pod of queue) await serve(pod);
  };
  await Promise.all(Array.from({ length: ADDS_AT_ONCE }, worker));
}

export function readMemory(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const megabytes = (name: string) => {
    const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1];
    if (kilobytes === undefined) throw new Error(`/proc/${pid}/smaps_rollup does not say ${name}`);
    return Number(kilobytes) / 1024;
  };
  const privateDirty = megabytes("Private_Dirty");
  return {
    resident: round(megabytes("Rss"), 1),
    private: round(privateDirty + megabytes("Private_Clean"), 1),
    privateDirty: round(privateDirty, 1),
  };
}

if (import.meta.main) {
  // `bench/daemon-footprint.ts COMMAND` measures that; without one, a bundle of these sources.
  const [command] = process.argv.slice(2);
  const { join } = await import("node:path");
  const { buildDaemon, ROOT } = await import("../scripts/build.ts");
  console.log(
    await measureFootprint(command === undefined ? await buildDaemon(join(ROOT, ".enid", "bundle")) : [command]),
  );
}
