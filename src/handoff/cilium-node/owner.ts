import { coerceError } from "../../errors.ts";
import { type KubernetesApi, NODES, type ObjectMeta } from "./api.ts";

/**
 * The Node as the owner of what enid makes for it: it goes when the Node goes, so that another machine of that name finds
 * nothing of this one. Empty without the right to read Nodes, or without a Node.
 *
 * @throws EnidError ENID_KUBERNETES_*.
 */
export async function ownedByNode(
  api: KubernetesApi,
  nodeName: string,
  signal: AbortSignal,
): Promise<Pick<ObjectMeta, "ownerReferences">> {
  const node = await api.get(NODES, { name: nodeName }, signal).catch((thrown: unknown) => {
    if (coerceError(thrown).code !== "ENID_KUBERNETES_DENIED") throw thrown;
    return undefined;
  });
  const uid = node?.metadata.uid;
  return uid === undefined ? {} : { ownerReferences: [{ apiVersion: "v1", kind: "Node", name: nodeName, uid }] };
}
