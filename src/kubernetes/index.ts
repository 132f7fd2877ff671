import type { Clock } from "../adapters/index.ts";
import type { KubernetesApi } from "../handoff/cilium-node/api.ts";

export interface KubernetesOptions {
  /** File; empty = the service account of the pod that this process runs in. */
  readonly kubeconfig: string;
  readonly clock: Clock;
  /** Of one call; a watch may last longer. 10 s if absent. */
  readonly callLimitMs?: number;
}

/**
 * The way to the Kubernetes API, over @kubernetes/client-node: its kubeconfig, credentials and TLS. The library is loaded here and
 * only here.
 *
 * @throws EnidError ENID_KUBERNETES_CONFIGURATION.
 */
export async function connectKubernetes(options: KubernetesOptions): Promise<KubernetesApi> {
  const { HttpKubernetesApi } = await import("./http-api.ts");
  const { readKubeconfig } = await import("./kubeconfig.ts");
  const { kubeconfig, clock, callLimitMs = 10_000 } = options;
  return new HttpKubernetesApi({ cluster: await readKubeconfig(kubeconfig), clock, callLimitMs });
}
