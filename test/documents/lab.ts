import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { callDaemon, labPods } from "../../scripts/lab/plugin.ts";
import { systemClock } from "../../src/adapters/index.ts";
import { daemonClient } from "../../src/cli/client.ts";
import type { DaemonStatus } from "../../src/cli/control-routes.ts";
import { loadModel, startSimulator } from "../../src/simulator/index.ts";
import { callEnid, type Ended } from "../cli/run-enid.ts";
import { ROOT } from "../house/source-files.ts";
import { freePort, startRedis } from "../support/redis.ts";

/** A daemon process on a machine with much else to do. */
const READY_LIMIT_MS = 30_000;
const MODEL = "src/simulator/examples/two-pod-subnets.json";
const INSTANCE = "i-0a000000000000001";
/** Files that the documents take as written, below the root of the lab's node. */
const AWS_FILES = ["05-enid.conflist", "05-enid.conf", "05-cilium.conf"];

/**
 * One node for all documents: a daemon over the simulated cloud, as the README configures and starts it, and a store of a
 * fleet. Its files are where a node has them, below a folder.
 */
export interface Lab {
  /** "/" of the node. */
  readonly root: string;
  /** Where its health and metrics are. */
  readonly listen: string;
  /** A command against this node, within this process. */
  enid(args: readonly string[]): Promise<Ended>;
  /** Gives the pod an address unless it has one; answers with the address. */
  podAddress(namespace: string, name: string): Promise<string>;
  /** Variables of a command in a process of its own. */
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** `configuration`: the text of /etc/cni/net.d/05-enid.conflist; `run`: the arguments of enid that start the daemon. */
export async function startLab(configuration: string, run: readonly string[]): Promise<Lab> {
  const root = mkdtempSync(join(tmpdir(), "enid-documents-"));
  const [simulator, redis, port] = await Promise.all([
    startSimulator({ description: loadModel(JSON.parse(readFileSync(join(ROOT, MODEL), "utf8")), MODEL), speed: 100 }),
    startRedis(),
    freePort(),
  ]);
  layDown(root, configuration, redis.port);
  const environment = {
    PATH: process.env.PATH ?? "/usr/bin:/bin",
    ...simulator.environment(INSTANCE),
    ENID_SOCKET: join(root, "run/enid/enid.sock"),
    ENID_STATE_DIR: join(root, "var/lib/enid"),
    ENID_LISTEN: `127.0.0.1:${port}`,
    // The interfaces of a simulated cloud have no devices on this machine.
    ENID_HOST_ROUTES: "off",
  };
  const words = run.map((word) => (word.startsWith("/") ? join(root, word) : word));
  let log = "";
  const daemon = spawn(join(ROOT, "bin/enid"), words, { env: environment, stdio: ["ignore", "ignore", "pipe"] });
  daemon.stderr.on("data", (part: Buffer) => {
    log = `${log}${part}`.slice(-10_000);
  });
  const close = async () => {
    await ended(daemon);
    await Promise.all([simulator.close(), redis.stop()]);
    rmSync(root, { recursive: true, force: true });
  };
  try {
    await ready(environment.ENID_SOCKET, daemon);
  } catch (error) {
    await close();
    throw new Error(`enid ${run.join(" ")}: ${error}\n${log}`);
  }
  return {
    root,
    listen: environment.ENID_LISTEN,
    environment,
    enid: (args) =>
      callEnid(args, {
        ...environment,
        // Commands of the fleet alone read it.
        ENID_CONFIGURATION: join(root, "etc/enid/fleet.conf"),
      }),
    podAddress: (namespace, name) => podAddress(environment.ENID_SOCKET, configuration, { namespace, name }),
    close,
  };
}

function layDown(root: string, configuration: string, redisPort: number): void {
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  for (const name of AWS_FILES) {
    // A single configuration and a list of one say the same.
    const { plugins, ...list } = JSON.parse(configuration);
    const text = name.endsWith(".conflist") ? configuration : JSON.stringify({ ...list, ...plugins?.[0] });
    write(`etc/cni/net.d/${name}`, text);
  }
  cpSync(join(ROOT, "deploy/compose/on-premises/05-enid.conflist"), join(root, "on-premises.conflist"));
  write("etc/enid/fleet.conf", JSON.stringify({ fleet: { redis: [`127.0.0.1:${redisPort}`] } }));
  write("vpc-cni.json", JSON.stringify({ version: "vpc-cni-ipam/1", allocations: [] }));
  write("etc/bird/bird.conf", "");
  // The root folder of an image, mounted.
  mkdirSync(join(root, "mnt/image"), { recursive: true });
}

/** The examples that `*.conf` of a document stands for. */
export const EXAMPLES = readdirSync(join(ROOT, "eni-config"))
  .filter((name) => name.endsWith(".conf"))
  .map((name) => join(ROOT, "eni-config", name));

async function ready(socket: string, daemon: ChildProcess): Promise<void> {
  const deadline = Date.now() + READY_LIMIT_MS;
  for (;;) {
    try {
      const status = await daemonClient(socket, systemClock).request<DaemonStatus>("GET", "/v1/status");
      if (status.ready && status.intents.length === 0) return;
    } catch (error) {
      if (daemon.exitCode !== null) throw new Error(`it ended with ${daemon.exitCode}`);
      if (Date.now() > deadline) throw error;
    }
    if (Date.now() > deadline) throw new Error(`not ready within ${READY_LIMIT_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function podAddress(
  socket: string,
  configuration: string,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): Promise<string> {
  const [pod] = labPods(1);
  if (pod === undefined) throw new Error("no pod");
  const containerId = `${namespace}-${name}`.padEnd(64, "0").slice(0, 64);
  const call = {
    verb: "ADD" as const,
    containerId,
    pod: { namespace, name, uid: `uid-${name}` },
    configuration: pluginConfiguration(configuration),
    environment: {},
  };
  const { address, error } = await callDaemon(call, socket);
  if (address === undefined) throw new Error(`ADD of ${namespace}/${name}: ${error?.msg}`);
  return address;
}

/** What a runtime hands to the plugin of a list. */
function pluginConfiguration(list: string): string {
  const { cniVersion, name, plugins } = JSON.parse(list);
  return JSON.stringify({ cniVersion, name, ...plugins[0] });
}

async function ended(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  const gone = new Promise((resolve) => daemon.once("exit", resolve));
  daemon.kill("SIGKILL");
  await gone;
}
