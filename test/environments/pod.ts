import { dirname } from "node:path";
import { PLUGIN } from "../../scripts/lab/daemon.ts";
import { Host } from "./host.ts";
import { Namespace } from "./namespace.ts";
import { programOnPath, referencePlugin } from "./programs.ts";

/** The name of the network in the file of the node. */
export const NETWORK = "cilium";

/** A pod: a namespace with what a CNI plugin put into it. */
export interface Pod {
  readonly name: string;
  /** As Kubernetes knows it. */
  readonly podName: string;
  readonly containerId: string;
  readonly host: Host;
  /** When the ADD was answered, by `performance.now()`. */
  readonly addedAtMs: number;
}

/** What Kubernetes knows of a pod. */
export interface KnownAs {
  /** Absent = one that no other node has. */
  readonly podName?: string;
  /** Passed on as runtimes do, by the capability. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** What a container runtime knows of the node that it runs on. */
export interface RuntimePlace {
  readonly label: string;
  readonly namespace: Namespace;
  /** The daemon's. */
  readonly socket: string;
}

/** The CNI error of a call that failed. */
export class CniFailure extends Error {
  readonly code: number;

  constructor(verb: string, code: number, text: string) {
    super(`${verb} failed with code ${code}: ${text}`);
    this.code = code;
  }
}

/**
 * Makes a pod as a container runtime does: a namespace, and ADD of the main plugin, which asks enid-ipam.
 *
 * The main plugin is the reference plugin ptp, because cilium-cni cannot run without an agent and the kernel's eBPF. Both
 * make a veth pair per pod, take nothing but address (ptp: and gateway) from enid-ipam, and call it again on DEL. What
 * differs: ptp leads the pod's packets through the node's routing (rules and tables) in all cases and makes a route of the
 * node to the pod's veth; cilium's programs on the veth do the same by looking into the kernel's tables (BPF host routing
 * off, or endpoint routes), so that both depend on the same rules and routes.
 */
export async function makePod(place: RuntimePlace, name: string, as: KnownAs = {}): Promise<Pod> {
  const { podName = `${place.label}-${name}`, annotations } = as;
  const namespace = await Namespace.create(`${place.label}-${name}`);
  const containerId = `${namespace.name}-${Date.now().toString(36)}`;
  try {
    const answer = await callPtp(place, "ADD", { podName, annotations, containerId, path: namespace.path });
    const addedAtMs = performance.now();
    const { ips } = JSON.parse(answer) as { ips: { address: string }[] };
    const addresses = ips.map(({ address }) => address.split("/")[0] ?? "");
    const host = await Host.start(`pod ${place.label}/${name}`, namespace, addresses);
    return { name, podName, containerId, host, addedAtMs };
  } catch (error) {
    await namespace.remove();
    throw error;
  }
}

/** DEL, and the namespace goes. */
export async function removePod(place: RuntimePlace, { podName, containerId, host }: Pod): Promise<void> {
  await callPtp(place, "DEL", { podName, containerId, path: host.namespace.path });
  await host.namespace.remove();
}

async function callPtp(
  { namespace, socket }: RuntimePlace,
  verb: "ADD" | "DEL",
  pod: Required<Pick<KnownAs, "podName">> & KnownAs & { readonly containerId: string; readonly path: string },
): Promise<string> {
  const runtimeConfig = { "io.kubernetes.cri.pod-annotations": pod.annotations };
  const ptp = { type: "ptp", ipMasq: false, ipam: { type: "enid-ipam" } };
  const configuration = { cniVersion: "1.0.0", name: NETWORK, ...ptp, ...(pod.annotations && { runtimeConfig }) };
  const { code, stdout, stderr } = await namespace.runToEnd(referencePlugin("ptp"), [], {
    input: JSON.stringify(configuration),
    environment: {
      PATH: `${dirname(programOnPath("ip"))}:${process.env.PATH ?? "/usr/bin:/bin"}`,
      ENID_SOCKET: socket,
      CNI_COMMAND: verb,
      CNI_CONTAINERID: pod.containerId,
      CNI_NETNS: pod.path,
      CNI_IFNAME: "eth0",
      CNI_PATH: `${dirname(PLUGIN)}:${dirname(referencePlugin("ptp"))}`,
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${pod.podName};K8S_POD_INFRA_CONTAINER_ID=${pod.containerId};K8S_POD_UID=uid-${pod.containerId}`,
    },
    limitMs: 90_000,
  });
  if (code === 0) return stdout;
  throw new CniFailure(verb, (JSON.parse(stdout || "{}") as { code?: number }).code ?? -1, `${stdout}${stderr}`);
}
