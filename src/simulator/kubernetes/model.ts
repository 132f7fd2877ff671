import { EnidError } from "../../errors.ts";
import type {
  KubernetesObject,
  ObjectList,
  ObjectName,
  PatchOptions,
  ResourceKind,
  Selection,
  WatchEvent,
} from "../../handoff/cilium-node/api.ts";
import { isObject, mergePatch, sameJson } from "./merge-patch.ts";

export interface ModelOptions {
  /** Wall ms, for creation times. */
  readonly nowMs: () => number;
  /** Changes that a watch can begin after; older ones are compacted away. 1,000 if absent. */
  readonly historyLimit?: number;
}

interface Entry {
  readonly kind: ResourceKind;
  readonly version: number;
  readonly event: "added" | "modified" | "deleted";
  readonly object: KubernetesObject;
  /** As it was before, for selections that it has left. */
  readonly before: KubernetesObject | undefined;
}

/** Somebody who watches. */
export interface Watcher {
  tell(event: WatchEvent): void;
  /** The server ends the watch; `gone`: with 410, for its version is compacted. */
  end(gone: boolean): void;
}

interface Watch {
  readonly kind: ResourceKind;
  readonly selection: Selection;
  readonly watcher: Watcher;
}

const HISTORY_LIMIT = 1_000;
/** Versions of a real server do not begin at 1. */
const FIRST_VERSION = 1_000;

/** Kinds whose status is no subresource. */
const WHOLE: readonly string[] = ["Lease"];

/**
 * The API server as a model, for as many kinds as are asked for: objects with versions, merge patches with preconditions, the
 * status as a subresource, lists, and watches over a history that is compacted. Pure but for the time of creation; its rules
 * are those of Kubernetes' API concepts (kubernetes.io/docs/reference/using-api/api-concepts/), and one contract suite holds it
 * and a real server to the same.
 */
export class KubernetesModel {
  readonly #options: ModelOptions;
  readonly #objects = new Map<string, KubernetesObject>();
  readonly #watches = new Set<Watch>();
  #history: Entry[] = [];
  #version = FIRST_VERSION;
  /** A watch from this version on misses nothing. */
  #oldest = FIRST_VERSION;
  #uids = 0;

  constructor(options: ModelOptions) {
    this.#options = options;
  }

  get version(): string {
    return String(this.#version);
  }

  get(kind: ResourceKind, name: ObjectName): KubernetesObject | undefined {
    return this.#objects.get(keyOf(kind, name));
  }

  /** Errors: ENID_KUBERNETES_EXISTS, ENID_KUBERNETES_REFUSED. */
  create(kind: ResourceKind, object: KubernetesObject): KubernetesObject {
    const { name, namespace } = object.metadata;
    const what = said(kind, { name, ...(namespace === undefined ? {} : { namespace }) });
    if (object.kind !== kind.kind || object.apiVersion !== apiVersionOf(kind)) {
      throw new EnidError("ENID_KUBERNETES_REFUSED", { what, detail: "apiVersion and kind are of another resource" });
    }
    if ((namespace !== undefined) !== kind.namespaced) {
      throw new EnidError("ENID_KUBERNETES_REFUSED", { what, detail: "the namespace does not fit the resource" });
    }
    const key = keyOf(kind, object.metadata);
    if (this.#objects.has(key)) throw new EnidError("ENID_KUBERNETES_EXISTS", { what });
    const { status, ...rest } = object;
    this.#uids += 1;
    const made: KubernetesObject = {
      ...rest,
      ...(WHOLE.includes(kind.kind) && status !== undefined ? { status } : {}),
      metadata: {
        ...object.metadata,
        uid: `00000000-0000-4000-8000-${String(this.#uids).padStart(12, "0")}`,
        resourceVersion: this.#next(),
        creationTimestamp: `${new Date(this.#options.nowMs()).toISOString().slice(0, 19)}Z`,
      },
    };
    this.#objects.set(key, made);
    this.#note({ kind, event: "added", object: made, before: undefined });
    return made;
  }

  /** Errors: ENID_KUBERNETES_NOT_FOUND, ENID_KUBERNETES_CONFLICT. */
  patch(
    kind: ResourceKind,
    name: ObjectName,
    patch: Readonly<Record<string, unknown>>,
    { subresource }: PatchOptions = {},
  ): KubernetesObject {
    const before = this.get(kind, name);
    const what = said(kind, name);
    if (before === undefined) throw new EnidError("ENID_KUBERNETES_NOT_FOUND", { what });
    const wanted = isObject(patch.metadata) ? patch.metadata.resourceVersion : undefined;
    if (wanted !== undefined && wanted !== before.metadata.resourceVersion) {
      throw new EnidError("ENID_KUBERNETES_CONFLICT", { what });
    }
    const merged = mergePatch(before, patch) as unknown as KubernetesObject;
    const after = this.#kept(kind, before, merged, subresource === "status");
    if (sameJson(before, after)) return before;
    const changed = { ...after, metadata: { ...after.metadata, resourceVersion: this.#next() } };
    this.#objects.set(keyOf(kind, name), changed);
    this.#note({ kind, event: "modified", object: changed, before });
    return changed;
  }

  /** Whether there was one. */
  delete(kind: ResourceKind, name: ObjectName): boolean {
    const key = keyOf(kind, name);
    const before = this.#objects.get(key);
    if (before === undefined) return false;
    this.#objects.delete(key);
    const object = { ...before, metadata: { ...before.metadata, resourceVersion: this.#next() } };
    this.#note({ kind, event: "deleted", object, before });
    return true;
  }

  list(kind: ResourceKind, selection: Selection): ObjectList {
    const prefix = `${kind.group}/${kind.plural}/`;
    const items = [...this.#objects]
      .filter(([key, object]) => key.startsWith(prefix) && isSelected(selection, object))
      .map(([, object]) => object);
    return { items, resourceVersion: this.version };
  }

  /**
   * What came after `resourceVersion` is told in this turn, and what comes then when it comes. The answer ends the watch.
   * Errors: ENID_KUBERNETES_GONE.
   */
  watch(kind: ResourceKind, selection: Selection, resourceVersion: string, watcher: Watcher): () => void {
    const from = Number(resourceVersion);
    if (!Number.isInteger(from) || from < this.#oldest || from > this.#version) {
      throw new EnidError("ENID_KUBERNETES_GONE", { what: kind.plural });
    }
    const watch: Watch = { kind, selection, watcher };
    for (const entry of this.#history) if (entry.version > from) tellOf(watch, entry);
    this.#watches.add(watch);
    return () => void this.#watches.delete(watch);
  }

  /** Every watch hears of the present version. */
  bookmark(): void {
    for (const { watcher } of [...this.#watches]) watcher.tell({ kind: "bookmark", resourceVersion: this.version });
  }

  /** The server ends all watches; `gone`: it has forgotten what was before as well. */
  endWatches(gone: boolean): void {
    if (gone) this.compact();
    const ended = [...this.#watches];
    this.#watches.clear();
    for (const { watcher } of ended) watcher.end(gone);
  }

  /** What was before now is forgotten: a watch from an older version is refused. */
  compact(): void {
    // A version of its own, as etcd's compaction leaves none before it.
    this.#next();
    this.#oldest = this.#version;
    this.#history = [];
  }

  #next(): string {
    this.#version += 1;
    return String(this.#version);
  }

  #note(entry: Omit<Entry, "version">): void {
    const noted = { ...entry, version: this.#version };
    this.#history.push(noted);
    const surplus = this.#history.length - (this.#options.historyLimit ?? HISTORY_LIMIT);
    if (surplus > 0) {
      const dropped = this.#history.splice(0, surplus);
      this.#oldest = dropped.at(-1)?.version ?? this.#oldest;
    }
    for (const watch of [...this.#watches]) tellOf(watch, noted);
  }

  /** Of a patch, what the resource or its subresource takes. */
  #kept(kind: ResourceKind, before: KubernetesObject, merged: KubernetesObject, isStatus: boolean): KubernetesObject {
    const { name, namespace, uid, resourceVersion, creationTimestamp } = before.metadata;
    const own = { name, ...(namespace === undefined ? {} : { namespace }), uid, resourceVersion, creationTimestamp };
    const metadata = { ...merged.metadata, ...own } as KubernetesObject["metadata"];
    const { apiVersion } = before;
    if (WHOLE.includes(kind.kind)) return { ...merged, apiVersion, kind: kind.kind, metadata };
    const { status: _, ...withoutStatus } = isStatus ? before : { ...merged, apiVersion, kind: kind.kind, metadata };
    const status = isStatus ? merged.status : before.status;
    return { ...withoutStatus, ...(status === undefined ? {} : { status }) };
  }
}

function tellOf({ kind, selection, watcher }: Watch, entry: Entry): void {
  if (entry.kind.plural !== kind.plural || entry.kind.group !== kind.group) return;
  const isIn = isSelected(selection, entry.object);
  const wasIn = entry.before !== undefined && isSelected(selection, entry.before);
  if (entry.event === "deleted") {
    if (wasIn) watcher.tell({ kind: "deleted", object: entry.object });
  } else if (isIn) watcher.tell({ kind: wasIn ? "modified" : "added", object: entry.object });
  else if (wasIn) watcher.tell({ kind: "deleted", object: entry.object });
}

function isSelected({ namespace, fieldSelector }: Selection, object: KubernetesObject): boolean {
  if (namespace !== undefined && object.metadata.namespace !== namespace) return false;
  if (fieldSelector === undefined || fieldSelector === "") return true;
  const [field = "", value = ""] = fieldSelector.split("=");
  if (field === "metadata.name") return object.metadata.name === value;
  if (field === "spec.nodeName") return isObject(object.spec) && object.spec.nodeName === value;
  throw new EnidError("ENID_KUBERNETES_REFUSED", { what: "a list", detail: `no field selector ${fieldSelector}` });
}

function keyOf({ group, plural }: ResourceKind, { name, namespace = "" }: ObjectName): string {
  return `${group}/${plural}/${namespace}/${name}`;
}

export function apiVersionOf({ group, version }: ResourceKind): string {
  return group === "" ? version : `${group}/${version}`;
}

/** "CiliumNode node-1", "Lease kube-system/enid-node-1". */
export function said({ kind }: ResourceKind, { name, namespace }: ObjectName): string {
  return `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
}
