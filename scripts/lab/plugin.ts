import { spawn } from "node:child_process";
import { request } from "node:http";
import { PLUGIN } from "./daemon.ts";

export interface PluginCall {
  readonly verb: "ADD" | "DEL" | "CHECK" | "STATUS" | "VERSION";
  readonly containerId: string;
  readonly pod?: { readonly namespace: string; readonly name: string; readonly uid: string };
  /** The network configuration on standard input. */
  readonly configuration: string;
  readonly environment: Readonly<Record<string, string>>;
}

export interface PluginAnswer {
  readonly exitCode: number | null;
  readonly stdout: string;
  /** Whole process, spawn to exit. */
  readonly durationMs: number;
  /** The first address of an ADD that succeeded, without prefix length. */
  readonly address: string | undefined;
  /** All of them, IPv4 first; none of a call that failed. */
  readonly addresses: readonly string[];
  /** The CNI error of a call that failed. */
  readonly error: { readonly code: number; readonly msg: string; readonly details?: string } | undefined;
}

/** What a container runtime sets for the plugin. */
function cniEnvironment({ verb, containerId, pod }: PluginCall): Record<string, string> {
  const podArguments =
    pod === undefined
      ? ""
      : `IgnoreUnknown=1;K8S_POD_NAMESPACE=${pod.namespace};K8S_POD_NAME=${pod.name};K8S_POD_INFRA_CONTAINER_ID=${containerId};K8S_POD_UID=${pod.uid}`;
  return {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: `/var/run/netns/${containerId}`,
    CNI_IFNAME: "eth0",
    CNI_PATH: "/opt/cni/bin",
    CNI_ARGS: podArguments,
  };
}

/** Runs the real plugin executable as the container runtime does. */
export function callPlugin(call: PluginCall): Promise<PluginAnswer> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(PLUGIN, [], {
      stdio: ["pipe", "pipe", "ignore"],
      env: { ...call.environment, ...cniEnvironment(call) },
    });
    let stdout = "";
    child.stdout.on("data", (part: Buffer) => {
      stdout += part.toString();
    });
    child.stdin.on("error", () => {}); // The plugin may end without reading all of it.
    child.stdin.end(call.configuration);
    child.once("error", reject);
    child.once("close", (exitCode) => resolve(answerOf(exitCode, stdout, performance.now() - began)));
  });
}

/**
 * The same request without the process: for bursts whose calls must arrive together on a busy machine. `sentAll` is called
 * when the daemon, or the kernel in its place, has the request.
 */
export function callDaemon(call: PluginCall, socket: string, sentAll: () => void = () => {}): Promise<PluginAnswer> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const body = JSON.stringify({ environment: cniEnvironment(call), stdin: call.configuration });
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const sent = request({ socketPath: socket, path: "/cni", method: "POST", agent: false, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        text += part;
      });
      response.on("end", () => {
        resolve(answerOf(Number(response.headers["x-enid-exit"]), text, performance.now() - began));
      });
    });
    sent.on("error", reject);
    sent.once("finish", sentAll);
    sent.end(body);
  });
}

function answerOf(exitCode: number | null, stdout: string, durationMs: number): PluginAnswer {
  const parsed = stdout.trim() === "" ? undefined : (JSON.parse(stdout) as Record<string, unknown>);
  const ips = (exitCode === 0 ? parsed?.ips : undefined) as { address: string }[] | undefined;
  const addresses = (ips ?? []).map(({ address }) => address.split("/")[0] ?? "");
  return {
    exitCode,
    stdout,
    durationMs,
    address: addresses[0],
    addresses,
    error: exitCode === 0 ? undefined : (parsed as PluginAnswer["error"]),
  };
}

export interface LabPod {
  readonly containerId: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export function labPods(count: number, first = 0): LabPod[] {
  return Array.from({ length: count }, (_, n) => {
    const number = String(first + n).padStart(4, "0");
    return {
      containerId: `c${number}`.padEnd(64, "0"),
      namespace: "shop",
      name: `web-${number}`,
      uid: `uid-${number}`,
    };
  });
}
