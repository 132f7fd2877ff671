import type { CniCall } from "../../handoff/cni/index.ts";
import type { Sandbox } from "./types.ts";

/** What cilium-cni has on its standard input, and passes on unchanged. */
export const NETWORK_CONFIGURATION =
  '{"cniVersion":"1.1.0","name":"cilium","type":"cilium-cni","ipam":{"type":"enid-ipam"}}';

const INTERFACE_NAME = "eth0";
const PLUGIN_PATH = "/opt/cni/bin";

/** The call of a verb for a sandbox, as containerd makes it: its arguments, in its order. */
export function sandboxCall(verb: "ADD" | "DEL" | "CHECK", sandbox: Sandbox, stdin: string): CniCall {
  const { pod, containerId, netns } = sandbox;
  const environment: Record<string, string> = {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: containerId,
    CNI_IFNAME: INTERFACE_NAME,
    CNI_ARGS:
      `K8S_POD_NAMESPACE=${pod.namespace};K8S_POD_NAME=${pod.name};K8S_POD_INFRA_CONTAINER_ID=${containerId};` +
      `K8S_POD_UID=${pod.uid};IgnoreUnknown=1`,
    CNI_PATH: PLUGIN_PATH,
  };
  // Of a namespace that is gone (the machine was booted) the runtime says nothing.
  if (netns !== "") environment.CNI_NETNS = netns;
  return { environment, stdin };
}

/** CHECK brings along what the last ADD answered. */
export function checkCall(sandbox: Sandbox, stdin: string): CniCall {
  const configuration = JSON.parse(stdin) as Record<string, unknown>;
  const ips = sandbox.addresses.map((address) => ({ address: `${address}/${address.includes(":") ? 128 : 32}` }));
  const prevResult = { cniVersion: configuration.cniVersion, ips };
  return sandboxCall("CHECK", sandbox, JSON.stringify({ ...configuration, prevResult }));
}

/** GC names the sandboxes that the runtime knows; the verb came with version 1.1.0. */
export function collectCall(containerIds: readonly string[], stdin: string): CniCall {
  const configuration = JSON.parse(stdin) as Record<string, unknown>;
  const attachments = containerIds.map((containerID) => ({ containerID, ifname: INTERFACE_NAME }));
  const asked = { ...configuration, cniVersion: "1.1.0", "cni.dev/valid-attachments": attachments };
  return { environment: { CNI_COMMAND: "GC", CNI_PATH: PLUGIN_PATH }, stdin: JSON.stringify(asked) };
}

export function statusCall(stdin: string): CniCall {
  return { environment: { CNI_COMMAND: "STATUS", CNI_PATH: PLUGIN_PATH }, stdin };
}

/** The addresses in the result of an ADD, without their prefix lengths. */
export function addressesIn(body: string): readonly string[] {
  const { ips } = JSON.parse(body) as { ips: readonly { address: string }[] };
  return ips.map(({ address }) => address.slice(0, address.indexOf("/")));
}
