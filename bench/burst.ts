/**
 * `bin/with-node bench/burst.ts [--pods N] [--rounds N] [--json]`: N pods ADDed at once on a node of EC2 with host routes
 * (network namespaces; needs root). Each round ADDs all of them and DELs them. Two ways: as requests over the daemon's
 * socket, and as plugin processes that a shell starts without waiting, which compete with the daemon for the processors.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { PLUGIN, ROOT } from "../scripts/lab/daemon.ts";
import { callDaemon, type LabPod, labPods } from "../scripts/lab/plugin.ts";
import { LARGE_NODE, makeAwsEnvironment } from "../test/environments/aws-environment.ts";
import { run } from "../test/environments/commands.ts";
import { type CountedIp, countedIp } from "../test/environments/counted-ip.ts";
import type { TestNode } from "../test/environments/node.ts";
import { NETWORK } from "../test/environments/pod.ts";
import { round } from "./median.ts";

export interface BurstFigures {
  /** Milliseconds of one ADD, from its call or the start of its process to its end. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Processes of `ip` that changed something, in a round that is not timed: what counts them slows them down. */
  readonly ipProcesses: number;
}

type Way = "requests" | "processes";

const CONFIGURATION = JSON.stringify({
  cniVersion: "1.0.0",
  name: NETWORK,
  type: "cilium-cni",
  ipam: { type: "enid-ipam" },
});

/** Of `pods` ADDs at once, over so many rounds after one that warms up. */
export async function measureBurst(pods: number, rounds: number): Promise<Readonly<Record<Way, BurstFigures>>> {
  const folder = mkdtempSync(join(tmpdir(), "enid-burst-"));
  // Without cooling each round finds all addresses free.
  const ipam = { ...LARGE_NODE.ipam, "cooling-seconds": 0 };
  const environment = await makeAwsEnvironment({ ...LARGE_NODE, ipam });
  try {
    const [node] = environment.nodes;
    if (node === undefined) throw new Error("there is no node");
    const burst = new Burst(node, labPods(pods), folder);
    const ip = countedIp(join(folder, "counted"));
    await relaunch(node, { PATH: ip.path });
    const counts = { requests: await burst.count("requests", ip), processes: await burst.count("processes", ip) };
    await relaunch(node, {});
    const figuresOf = async (way: Way) => ({ ...(await burst.time(way, rounds)), ipProcesses: counts[way] });
    return { requests: await figuresOf("requests"), processes: await figuresOf("processes") };
  } finally {
    await environment.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function relaunch(node: TestNode, environment: Readonly<Record<string, string>>): Promise<void> {
  await node.daemon.stop();
  node.launch(environment);
  await node.settled();
}

class Burst {
  readonly #node: TestNode;
  readonly #pods: readonly LabPod[];
  readonly #folder: string;
  readonly #timer: string;

  constructor(node: TestNode, pods: readonly LabPod[], folder: string) {
    this.#node = node;
    this.#pods = pods;
    this.#folder = folder;
    this.#timer = join(folder, "spawn-timer");
    const { status, stderr } = spawnSync(
      process.env.CC || "cc",
      ["-O2", "-o", this.#timer, join(ROOT, "bench", "spawn-timer.c")],
      { encoding: "utf8" },
    );
    if (status !== 0) throw new Error(`bench/spawn-timer.c could not be built: ${stderr}`);
  }

  async count(way: Way, ip: CountedIp): Promise<number> {
    ip.forget();
    await this.#add(way);
    const count = ip.changes().length;
    await this.#remove();
    return count;
  }

  async time(way: Way, rounds: number): Promise<Omit<BurstFigures, "ipProcesses">> {
    const times: number[] = [];
    for (let n = 0; n <= rounds; n++) {
      const took = await this.#add(way);
      await this.#remove();
      if (n > 0) times.push(...took);
    }
    const sorted = times.toSorted((a, b) => a - b);
    const at = (share: number) => round(sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN, 1);
    return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
  }

  /** Milliseconds of each. */
  #add(way: Way): Promise<readonly number[]> {
    return way === "requests" ? this.#requests("ADD") : this.#processes();
  }

  async #remove(): Promise<void> {
    const addresses = (await this.#node.daemon.leases()).map(({ address }) => address);
    await this.#requests("DEL");
    await this.#node.untilNothingIsLeft(addresses);
  }

  async #requests(verb: "ADD" | "DEL"): Promise<readonly number[]> {
    const answers = await Promise.all(
      this.#pods.map((pod) => {
        const call = { verb, containerId: pod.containerId, pod, configuration: CONFIGURATION, environment: {} };
        return callDaemon(call, this.#node.daemon.socket);
      }),
    );
    const failed = answers.find(({ exitCode }) => exitCode !== 0);
    if (failed !== undefined) throw new Error(`${verb} failed: ${failed.stdout}`);
    return answers.map(({ durationMs }) => durationMs);
  }

  async #processes(): Promise<readonly number[]> {
    const input = join(this.#folder, "enid.conf");
    const times = join(this.#folder, "times");
    writeFileSync(input, CONFIGURATION);
    writeFileSync(times, "");
    const lines = this.#pods.map(({ containerId, namespace, name, uid }) => {
      const args = `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${name};K8S_POD_UID=${uid}`;
      return `CNI_CONTAINERID=${containerId} CNI_ARGS='${args}' '${this.#timer}' '${input}' '${PLUGIN}' >&2 3>>'${times}' &`;
    });
    const environment = {
      PATH: process.env.PATH ?? "/usr/bin:/bin",
      ENID_SOCKET: this.#node.daemon.socket,
      CNI_COMMAND: "ADD",
      CNI_NETNS: "/var/run/netns/none",
      CNI_IFNAME: "eth0",
      CNI_PATH: "/opt/cni/bin",
    };
    await run("sh", ["-s"], { input: `${lines.join("\n")}\nwait\n`, environment, limitMs: 60_000 });
    const took = readFileSync(times, "utf8").trim().split("\n").map(Number);
    const leases = (await this.#node.daemon.leases()).length;
    if (took.length !== this.#pods.length || leases !== this.#pods.length) {
      throw new Error(`${took.length} processes ended with ${leases} leases; ${this.#pods.length} were to`);
    }
    return took;
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      pods: { type: "string", default: "110" },
      rounds: { type: "string", default: "10" },
      json: { type: "boolean", default: false },
    },
  });
  const figures = await measureBurst(Number(values.pods), Number(values.rounds));
  if (values.json) process.stdout.write(`${JSON.stringify({ pods: Number(values.pods), ...figures })}\n`);
  else {
    for (const [way, { p50Ms, p99Ms, maxMs, ipProcesses }] of Object.entries(figures)) {
      const times = `median ${p50Ms} ms, p99 ${p99Ms} ms, most ${maxMs} ms`;
      process.stdout.write(`${values.pods} ADDs at once, ${way}: ${times}; ${ipProcesses} processes of ip\n`);
    }
  }
}
