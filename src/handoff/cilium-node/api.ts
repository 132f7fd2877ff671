/**
 * What the hand-off needs of the Kubernetes API. Implementations: kubernetes/ (over @kubernetes/client-node) and
 * simulator/kubernetes/ (a model of the API, within the process); test/contracts/kubernetes-api.ts is the suite that each
 * passes. Every method rejects with an EnidError of ENID_KUBERNETES_* only, and ends within a limit of its own.
 */
export interface KubernetesApi {
  /** Undefined: there is none of that name. */
  get(kind: ResourceKind, name: ObjectName, signal?: AbortSignal): Promise<KubernetesObject | undefined>;

  /** @throws EnidError ENID_KUBERNETES_EXISTS: there is one of that name. */
  create(kind: ResourceKind, object: KubernetesObject, signal?: AbortSignal): Promise<KubernetesObject>;

  /**
   * JSON merge patch (RFC 7386) of the object, or of its status alone (`subresource`). With `metadata.resourceVersion` in it,
   * only while the object is of that version: otherwise ENID_KUBERNETES_CONFLICT, and nothing is changed.
   *
   * @throws EnidError ENID_KUBERNETES_NOT_FOUND, ENID_KUBERNETES_CONFLICT, ENID_KUBERNETES_REFUSED.
   */
  patch(
    kind: ResourceKind,
    name: ObjectName,
    patch: Readonly<Record<string, unknown>>,
    options?: PatchOptions,
    signal?: AbortSignal,
  ): Promise<KubernetesObject>;

  /** Succeeds when there is none. */
  delete(kind: ResourceKind, name: ObjectName, signal?: AbortSignal): Promise<void>;

  list(kind: ResourceKind, selection: Selection, signal?: AbortSignal): Promise<ObjectList>;

  /**
   * What changes after `resourceVersion` (of a list, of an event or of a bookmark), in order. Resolves when the server ended
   * the watch, which it does after some minutes; to be resumed from the last version seen.
   *
   * @throws EnidError ENID_KUBERNETES_GONE: the version is too old, list anew. ENID_KUBERNETES_AWAY: the connection broke.
   */
  watch(
    kind: ResourceKind,
    selection: Selection,
    resourceVersion: string,
    tell: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void>;
}

/** A kind of object, as the API's paths name it. */
export interface ResourceKind {
  /** "" is the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

export const CILIUM_NODES: ResourceKind = {
  group: "cilium.io",
  version: "v2",
  plural: "ciliumnodes",
  kind: "CiliumNode",
  namespaced: false,
};
export const NODES: ResourceKind = { group: "", version: "v1", plural: "nodes", kind: "Node", namespaced: false };
export const PODS: ResourceKind = { group: "", version: "v1", plural: "pods", kind: "Pod", namespaced: true };
export const LEASES: ResourceKind = {
  group: "coordination.k8s.io",
  version: "v1",
  plural: "leases",
  kind: "Lease",
  namespaced: true,
};

export interface ObjectName {
  readonly name: string;
  /** Of namespaced kinds, and of none other. */
  readonly namespace?: string;
}

export interface Selection {
  /** Absent = all namespaces, or the kind has none. */
  readonly namespace?: string;
  /** "metadata.name=n" or "spec.nodeName=n". Absent = all. */
  readonly fieldSelector?: string;
}

export interface PatchOptions {
  /** Absent = the object without its status, where that is a subresource. */
  readonly subresource?: "status";
}

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec?: unknown;
  readonly status?: unknown;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  /** Of what exists. Another one of the same name has another uid. */
  readonly uid?: string;
  /** Of what exists. Opaque. */
  readonly resourceVersion?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  /** RFC 3339. */
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

export interface ObjectList {
  readonly items: readonly KubernetesObject[];
  /** Where a watch of the same selection goes on. */
  readonly resourceVersion: string;
}

export type WatchEvent =
  | { readonly kind: "added" | "modified" | "deleted"; readonly object: KubernetesObject }
  | { readonly kind: "bookmark"; readonly resourceVersion: string };
