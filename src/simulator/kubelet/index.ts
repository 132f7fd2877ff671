/** The container runtime, the CNI plugin and the kubelet of a simulated machine: whom the IPAM daemon answers. */
export { type DaemonLink, DaemonSocket } from "./daemon-link.ts";
export type { RuntimeFaults } from "./faults.ts";
export { Kubelet, type KubeletOptions } from "./kubelet.ts";
export { PLUGIN_LIMIT_MS } from "./plugin.ts";
export type { Habits, Namespaces } from "./runtime.ts";
export type {
  AddressTime,
  CallAnswer,
  KubeletCounts,
  KubeletHooks,
  Sandbox,
  Verb,
  WaitingPod,
} from "./types.ts";
