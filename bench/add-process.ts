import { type StdioOptions, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PLUGIN, ROOT } from "../scripts/lab/daemon.ts";
import { startBenchNode } from "./bench-node.ts";
import { median, round } from "./median.ts";

/** Where Debian, Fedora and the CNI project put the plugin. */
const HOST_LOCAL = ["/usr/lib/cni", "/usr/libexec/cni", "/opt/cni/bin"].map((folder) => join(folder, "host-local"));

/** Pods that hold an address all the time, as on a node in use: host-local looks through its files at each ADD. */
const PODS = 25;
const WARM_UP = 10;
const ROUNDS = 200;
const ADDRESSES = 300;

export interface AddTimes {
  /** Medians of the whole process, from spawn to exit, in milliseconds. */
  readonly enidMs: number;
  readonly hostLocalMs: number;
  readonly nodeScriptMs: number;
  /** enidMs / hostLocalMs. */
  readonly ratio: number;
}

/** A program that serves CNI verbs, and what it is called with. */
interface Contender {
  /** Also tells its containers from those of the others. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly inputFile: string;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * ADD as the container runtime runs it: through enid-ipam, through host-local with its files on the same disk, and
 * through a Node script that sends enid-ipam's request. The first two take turns, so that a busy machine treats them
 * alike. Each answer of enid is durable; host-local does not sync its files.
 */
export async function measureAdd(command: readonly string[]): Promise<AddTimes> {
  const node = await startBenchNode(command, ADDRESSES);
  try {
    const daemon = {
      inputFile: write(node.folder, "enid.json", node.configuration),
      environment: { ENID_SOCKET: node.daemon.socket },
    };
    const hostLocal = {
      inputFile: write(node.folder, "host-local.json", hostLocalConfiguration(join(node.folder, "host-local"))),
      environment: {},
    };
    const timer = buildTimer(node.folder);
    const enid: Contender = { name: "enid", program: PLUGIN, args: [], ...daemon };
    const goPlugin: Contender = { name: "host-local", program: findHostLocal(), args: [], ...hostLocal };
    for (const one of [enid, goPlugin]) for (let pod = 0; pod < PODS; pod++) run(timer, one, "ADD", `pod${pod}`);
    const [enidMs = 0, hostLocalMs = 0] = sample(timer, [enid, goPlugin], ROUNDS).map(median);
    // Apart from the two: what it leaves in the processor's caches would burden whoever comes next.
    const script = join(ROOT, "bench", "add-request.mjs");
    const nodeScript: Contender = { name: "node", program: process.execPath, args: [script], ...daemon };
    const [nodeScriptMs = 0] = sample(timer, [nodeScript], ROUNDS / 5).map(median);
    return {
      enidMs: round(enidMs, 3),
      hostLocalMs: round(hostLocalMs, 3),
      nodeScriptMs: round(nodeScriptMs, 3),
      ratio: round(enidMs / hostLocalMs, 3),
    };
  } finally {
    await node.close();
  }
}

/** Milliseconds of each ADD by contender. They take turns, and another one begins each round; DEL is not counted. */
function sample(timer: string, contenders: readonly Contender[], rounds: number): number[][] {
  const samples: number[][] = contenders.map(() => []);
  for (let round = 0; round < WARM_UP + rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const index = (turn + round) % contenders.length;
      const contender = contenders[index];
      if (contender === undefined) continue;
      const tookMs = run(timer, contender, "ADD", `round${round}`);
      run(timer, contender, "DEL", `round${round}`);
      if (round >= WARM_UP) samples[index]?.push(tookMs);
    }
  }
  return samples;
}

function run(timer: string, contender: Contender, verb: "ADD" | "DEL", container: string): number {
  const { inputFile, program, args, environment, name } = contender;
  const containerId = `${name}-${container}-`.padEnd(64, "x");
  const env = {
    ...environment,
    CNI_COMMAND: verb,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: `/var/run/netns/${containerId}`,
    CNI_IFNAME: "eth0",
    CNI_PATH: "/opt/cni/bin",
    CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=bench;K8S_POD_NAME=${container};K8S_POD_INFRA_CONTAINER_ID=${containerId}`,
  };
  const stdio: StdioOptions = ["ignore", "pipe", "pipe", "pipe"];
  const result = spawnSync(timer, [inputFile, program, ...args], { env, stdio, encoding: "utf8", timeout: 60_000 });
  const tookMs = Number(result.output?.[3] || Number.NaN);
  if (result.status !== 0 || !(tookMs > 0)) {
    throw new Error(`${verb} through ${program}: ${result.error?.message ?? `${result.stdout}${result.stderr}`}`);
  }
  if (verb === "ADD" && !result.stdout.includes('"address"')) throw new Error(`${program} answered ${result.stdout}`);
  return tookMs;
}

function buildTimer(folder: string): string {
  const timer = join(folder, "spawn-timer");
  const cc = process.env.CC || "cc";
  const { status, stderr, error } = spawnSync(cc, ["-O2", "-o", timer, join(ROOT, "bench", "spawn-timer.c")], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`bench/spawn-timer.c could not be built: ${error?.message ?? stderr}`);
  return timer;
}

function findHostLocal(): string {
  const found = HOST_LOCAL.find((file) => existsSync(file));
  if (found === undefined) throw new Error("host-local is not installed; run: npm run bench");
  return found;
}

function hostLocalConfiguration(dataDir: string): string {
  const ipam = { type: "host-local", ranges: [[{ subnet: "10.9.0.0/16" }]], dataDir };
  return JSON.stringify({ cniVersion: "1.0.0", name: "bench", type: "ptp", ipam });
}

function write(folder: string, name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

if (import.meta.main) {
  const { buildDaemon } = await import("../scripts/build.ts");
  console.log(await measureAdd(await buildDaemon(join(ROOT, ".enid", "bundle"))));
}
