import type {
  KubernetesApi,
  KubernetesObject,
  ObjectList,
  ObjectName,
  PatchOptions,
  ResourceKind,
  Selection,
  WatchEvent,
} from "../../../src/handoff/cilium-node/api.ts";
import type { KubernetesModel } from "../../../src/simulator/kubernetes/index.ts";

/** The model's API without any time: of those who write the scene and of those who watch it. */
export class AtOnce implements KubernetesApi {
  readonly #model: KubernetesModel;

  constructor(model: KubernetesModel) {
    this.#model = model;
  }

  async get(kind: ResourceKind, name: ObjectName): Promise<KubernetesObject | undefined> {
    return this.#model.get(kind, name);
  }

  async create(kind: ResourceKind, object: KubernetesObject): Promise<KubernetesObject> {
    return this.#model.create(kind, object);
  }

  async patch(
    kind: ResourceKind,
    name: ObjectName,
    patch: Readonly<Record<string, unknown>>,
    options?: PatchOptions,
  ): Promise<KubernetesObject> {
    return this.#model.patch(kind, name, patch, options);
  }

  async delete(kind: ResourceKind, name: ObjectName): Promise<void> {
    this.#model.delete(kind, name);
  }

  async list(kind: ResourceKind, selection: Selection): Promise<ObjectList> {
    return this.#model.list(kind, selection);
  }

  watch(
    kind: ResourceKind,
    selection: Selection,
    resourceVersion: string,
    tell: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.#model.watch(kind, selection, resourceVersion, { tell, end: () => resolve() });
      signal.addEventListener("abort", () => {
        stop();
        resolve();
      });
    });
  }
}
