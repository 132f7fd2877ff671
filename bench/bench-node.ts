import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DaemonProcess, ROOT } from "../scripts/lab/daemon.ts";
import type { StatusReport } from "../src/manager/index.ts";
import { loadModel, type RunningSimulator, startSimulator } from "../src/simulator/index.ts";

const INSTANCE = "i-0be00000000000001";

export interface BenchNode {
  /** On the disk of the repository, not in os.tmpdir(): that may be memory, where nothing durable costs anything. */
  readonly folder: string;
  readonly daemon: DaemonProcess;
  readonly simulator: RunningSimulator;
  /** What the container runtime passes on standard input. */
  readonly configuration: string;
  close(): Promise<void>;
}

/**
 * A node with its daemon over the simulated cloud, which answers fast and never throttles; resolves once the node holds
 * `addresses`, the most of any instance type being 735. `command` runs the daemon.
 */
export async function startBenchNode(command: readonly string[], addresses: number): Promise<BenchNode> {
  const folder = makeFolder();
  const configuration = JSON.stringify({
    cniVersion: "1.0.0",
    name: "bench",
    type: "cilium-cni",
    eni: { "first-interface-index": 0, "subnet-tags": { "enid.io/pods": "true" } },
    ipam: { type: "enid-ipam", "min-allocate": addresses, "pre-allocate": 0, "cooling-seconds": 1 },
  });
  const configurationFile = join(folder, "enid.conf");
  writeFileSync(configurationFile, configuration);
  const simulator = await startSimulator({ description: loadModel(MODEL, "bench/bench-node.ts"), speed: 50 });
  simulator.cloud.changeSettings({ throttling: false });
  const environment = simulator.environment(INSTANCE);
  const daemon = new DaemonProcess({ folder, configurationFile, environment, command, listen: "127.0.0.1:0" });
  const close = async () => {
    await daemon.kill();
    await simulator.close();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    daemon.start();
    await untilReady(daemon, addresses);
  } catch (error) {
    await close();
    throw error;
  }
  return { folder, daemon, simulator, configuration, close };
}

/** Resolves once the daemon is ready with so many addresses. */
export async function untilReady(daemon: DaemonProcess, addresses: number): Promise<void> {
  const isReady = (status: StatusReport) => status.ready && status.pool.total >= addresses;
  await daemon.until<StatusReport>("/v1/status", isReady, 120_000);
}

function makeFolder(): string {
  const parent = join(ROOT, ".enid");
  mkdirSync(parent, { recursive: true });
  return mkdtempSync(join(parent, "bench-"));
}

const MODEL = {
  region: "eu-central-1",
  account: "111122223333",
  vpcs: [{ id: "vpc-0be00000000000001", cidrs: ["10.0.0.0/16"] }],
  subnets: [
    {
      id: "subnet-0be00000000000001",
      vpc: "vpc-0be00000000000001",
      cidr: "10.0.16.0/20",
      zone: "eu-central-1a",
      tags: { "enid.io/pods": "true" },
    },
  ],
  instances: [{ id: INSTANCE, type: "c5.18xlarge", subnet: "subnet-0be00000000000001" }],
};
