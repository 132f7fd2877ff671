import { EnidError } from "../../../src/errors.ts";
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

/** The way of one client to the API: what is away, in conflict or forgotten for it alone. */
export class BadWeather implements KubernetesApi {
  isAway = false;
  /** Patches that somebody else's write comes before. */
  conflicts = 0;
  /** Watches to be answered with 410. */
  gone = 0;
  /** Connections stand, and nothing comes by them. */
  isDeaf = false;
  /** By verb. */
  readonly calls: Record<string, number> = {};
  readonly #api: KubernetesApi;
  #watches = new AbortController();

  constructor(api: KubernetesApi) {
    this.#api = api;
  }

  /** The connections of all watches break. */
  breakWatches(): void {
    this.#watches.abort();
    this.#watches = new AbortController();
  }

  get(kind: ResourceKind, name: ObjectName): Promise<KubernetesObject | undefined> {
    return this.#send("get", () => this.#api.get(kind, name));
  }

  create(kind: ResourceKind, object: KubernetesObject): Promise<KubernetesObject> {
    return this.#send("create", () => this.#api.create(kind, object));
  }

  patch(
    kind: ResourceKind,
    name: ObjectName,
    patch: Readonly<Record<string, unknown>>,
    options?: PatchOptions,
  ): Promise<KubernetesObject> {
    return this.#send("patch", () => {
      if (this.conflicts > 0) {
        this.conflicts -= 1;
        throw new EnidError("ENID_KUBERNETES_CONFLICT", { what: name.name });
      }
      return this.#api.patch(kind, name, patch, options);
    });
  }

  delete(kind: ResourceKind, name: ObjectName): Promise<void> {
    return this.#send("delete", () => this.#api.delete(kind, name));
  }

  list(kind: ResourceKind, selection: Selection): Promise<ObjectList> {
    return this.#send("list", () => this.#api.list(kind, selection));
  }

  watch(
    kind: ResourceKind,
    selection: Selection,
    resourceVersion: string,
    tell: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const broken = this.#watches.signal;
    return this.#send("watch", async () => {
      if (this.gone > 0) {
        this.gone -= 1;
        throw new EnidError("ENID_KUBERNETES_GONE", { what: "the CiliumNode" });
      }
      const either = AbortSignal.any([signal, broken]);
      try {
        const hear = (event: WatchEvent) => {
          if (!this.isDeaf) tell(event);
        };
        await this.#api.watch(kind, selection, resourceVersion, hear, either);
      } catch (thrown) {
        if (!broken.aborted) throw thrown;
        throw away("watch");
      }
      // However the API ends an aborted watch: to this client the connection broke.
      if (broken.aborted) throw away("watch");
    });
  }

  async #send<Value>(verb: string, call: () => Promise<Value>): Promise<Value> {
    this.calls[verb] = (this.calls[verb] ?? 0) + 1;
    if (this.isAway) throw away(verb);
    return call();
  }
}

function away(what: string): EnidError {
  return new EnidError("ENID_KUBERNETES_AWAY", { what, detail: "connection refused" });
}
