import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { DaemonProcess, runCli } from "../../scripts/lab/daemon.ts";
import { callDaemon, callPlugin, type LabPod, type PluginAnswer } from "../../scripts/lab/plugin.ts";
import type { StatusReport } from "../../src/manager/index.ts";
import { type LoggedCall, loadModel, type RunningSimulator, startSimulator } from "../../src/simulator/index.ts";

export const INSTANCE = "i-0ab00000000000001";
export const PRIMARY = "eni-0ab00000000000001";
export const POD_SUBNET = "subnet-0ab00000000000001";
/** A daemon process and a simulated cloud on a machine with much else to do. */
export const LIMIT_MS = 60_000;

export interface NodeOptions {
  readonly instanceType: string;
  readonly eni?: Readonly<Record<string, unknown>>;
  readonly ipam?: Readonly<Record<string, unknown>>;
  readonly fleet?: Readonly<Record<string, unknown>>;
  readonly cniVersion?: string;
  /** How many times faster than a real EC2. */
  readonly speed?: number;
}

/** A node of the simulated cloud with a real daemon process over it, not started yet; gone after the test. */
export interface NodeLab {
  readonly simulator: RunningSimulator;
  readonly daemon: DaemonProcess;
  readonly configuration: string;
  readonly configurationFile: string;
  /** What makes a command without a daemon that node. */
  readonly environment: Readonly<Record<string, string>>;
  /** Starts the daemon and waits until it is ready and nothing is under way. */
  start(): Promise<StatusReport>;
  until(condition: (status: StatusReport) => boolean, limitMs?: number): Promise<StatusReport>;
  /** All at once, over the daemon's socket: they arrive together on a busy machine too. */
  burst(verb: "ADD" | "DEL", pods: readonly LabPod[]): Promise<readonly PluginAnswer[]>;
  /** Through the real plugin executable. */
  plugin(verb: "ADD" | "DEL" | "CHECK", pod: LabPod, configuration?: string): Promise<PluginAnswer>;
  /** A command against the daemon; its standard output. Fails unless it ends with 0. */
  enid(...args: readonly string[]): Promise<string>;
  /** Calls that changed the cloud, or tried to, after the call with that number. */
  mutations(after?: number): readonly LoggedCall[];
  /** The number of the last call. */
  lastCall(): number;
}

export async function nodeLab(options: NodeOptions): Promise<NodeLab> {
  const folder = mkdtempSync(join(tmpdir(), "enid-lab-"));
  const configuration = JSON.stringify({
    cniVersion: options.cniVersion ?? "1.0.0",
    name: "cilium",
    type: "cilium-cni",
    eni: {
      "first-interface-index": 0,
      "subnet-tags": { "enid.io/pods": "true" },
      "start-jitter-seconds": 0,
      ...options.eni,
    },
    ipam: { type: "enid-ipam", "cooling-seconds": 1, ...options.ipam },
    ...(options.fleet === undefined ? {} : { fleet: options.fleet }),
  });
  const configurationFile = join(folder, "enid.conf");
  writeFileSync(configurationFile, configuration);
  const simulator = await startSimulator({
    description: loadModel(modelOf(options.instanceType), "node-lab.ts"),
    speed: options.speed ?? 10,
  });
  const environment = simulator.environment(INSTANCE);
  const daemon = new DaemonProcess({ folder, configurationFile, environment });
  onTestFinished(async () => {
    await daemon.kill();
    await simulator.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const until = (condition: (status: StatusReport) => boolean, limitMs = LIMIT_MS) =>
    daemon.until<StatusReport>("/v1/status", condition, limitMs);
  const callOf = (verb: "ADD" | "DEL" | "CHECK", pod: LabPod, stdin = configuration) => ({
    verb,
    containerId: pod.containerId,
    pod,
    configuration: stdin,
    environment: daemon.clientEnvironment,
  });
  return {
    simulator,
    daemon,
    configuration,
    configurationFile,
    environment: { PATH: process.env.PATH ?? "/usr/bin:/bin", ...environment },
    start: () => {
      daemon.start();
      return until(({ ready, intents, watermarks }) => ready && intents.length === 0 && watermarks.needed === 0);
    },
    until,
    burst: (verb, pods) => Promise.all(pods.map((pod) => callDaemon(callOf(verb, pod), daemon.socket))),
    plugin: (verb, pod, stdin) => callPlugin(callOf(verb, pod, stdin)),
    enid: async (...args) => {
      const { code, stdout, stderr } = await runCli([...args, "--socket", daemon.socket], daemon.clientEnvironment);
      if (code !== 0) throw new Error(`enid ${args.join(" ")} ended with ${code}: ${stdout}${stderr}`);
      return stdout;
    },
    mutations: (after = 0) => simulator.cloud.log.calls({ after }).filter(({ isMutating }) => isMutating),
    lastCall: () => simulator.cloud.log.calls().at(-1)?.sequence ?? 0,
  };
}

function modelOf(instanceType: string) {
  const vpc = "vpc-0ab00000000000001";
  return {
    region: "eu-central-1",
    account: "111122223333",
    vpcs: [{ id: vpc, cidrs: ["10.0.0.0/16"], ipv6Cidrs: ["2001:db8:1::/56"] }],
    subnets: [
      {
        id: POD_SUBNET,
        vpc,
        cidr: "10.0.16.0/22",
        ipv6Cidr: "2001:db8:1:1::/64",
        zone: "eu-central-1a",
        tags: { "enid.io/pods": "true" },
      },
    ],
    instances: [{ id: INSTANCE, type: instanceType, subnet: POD_SUBNET, primaryInterface: PRIMARY }],
  };
}
