import type { Clock, Random } from "../../adapters/index.ts";
import { coerceError, EnidError } from "../../errors.ts";
import type {
  KubernetesApi,
  KubernetesObject,
  ObjectList,
  ObjectName,
  PatchOptions,
  ResourceKind,
  Selection,
  WatchEvent,
} from "../../handoff/cilium-node/api.ts";
import { type KubernetesModel, said } from "./model.ts";

/** What becomes of one call: its request arrives, and its answer does. */
export interface Way {
  readonly request: boolean;
  readonly answer: boolean;
}

export interface DirectOptions {
  readonly model: KubernetesModel;
  /** Of the caller's machine. */
  readonly clock: Clock;
  readonly random: Random;
  /** A step there or back, least and most. [1, 5] if absent. */
  readonly latencyMs?: readonly [number, number];
  /** Asked for each call when it is sent, for each watch when it begins, and for each of its events. All arrive if absent. */
  readonly way?: () => Way;
}

/** A call whose answer does not come ends by itself. */
const CALL_LIMIT_MS = 10_000;
/** From one bookmark to the next. */
const BOOKMARK_MS = 60_000;
/** The server ends a watch after this time, least and most (--min-request-timeout, 30 min; here less, so that it happens). */
const WATCH_MS: readonly [number, number] = [300_000, 600_000];
const OPEN: Way = { request: true, answer: true };

/** The port to the Kubernetes API over the model: within the process, in the time of the clock. */
export class DirectKubernetesApi implements KubernetesApi {
  readonly #options: DirectOptions;

  constructor(options: DirectOptions) {
    this.#options = options;
  }

  get(kind: ResourceKind, name: ObjectName, signal?: AbortSignal): Promise<KubernetesObject | undefined> {
    return this.#call(`get ${said(kind, name)}`, signal, (model) => model.get(kind, name));
  }

  create(kind: ResourceKind, object: KubernetesObject, signal?: AbortSignal): Promise<KubernetesObject> {
    return this.#call(`create ${said(kind, object.metadata)}`, signal, (model) => model.create(kind, object));
  }

  patch(
    kind: ResourceKind,
    name: ObjectName,
    patch: Readonly<Record<string, unknown>>,
    options?: PatchOptions,
    signal?: AbortSignal,
  ): Promise<KubernetesObject> {
    return this.#call(`patch ${said(kind, name)}`, signal, (model) => model.patch(kind, name, patch, options));
  }

  async delete(kind: ResourceKind, name: ObjectName, signal?: AbortSignal): Promise<void> {
    await this.#call(`delete ${said(kind, name)}`, signal, (model) => model.delete(kind, name));
  }

  list(kind: ResourceKind, selection: Selection, signal?: AbortSignal): Promise<ObjectList> {
    return this.#call(`list ${kind.plural}`, signal, (model) => model.list(kind, selection));
  }

  async watch(
    kind: ResourceKind,
    selection: Selection,
    resourceVersion: string,
    tell: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, model } = this.#options;
    const what = `watch ${kind.plural}`;
    await this.#call(what, signal, () => undefined);
    const ended = Promise.withResolvers<void>();
    const cancels: (() => void)[] = [];
    /** Events come in order: none overtakes the one before. */
    let lastMs = clock.monotonicMs();
    const later = (run: () => void) => {
      lastMs = Math.max(lastMs, clock.monotonicMs() + this.#latencyMs());
      cancels.push(clock.after(lastMs - clock.monotonicMs(), run));
    };
    const broken = () => ended.reject(new EnidError("ENID_KUBERNETES_AWAY", { what, detail: "the connection broke" }));
    const watcher = {
      tell: (event: WatchEvent) => {
        if (this.#way().answer) later(() => tell(structuredClone(event)));
        else later(broken);
      },
      end: (gone: boolean) => {
        later(() => (gone ? ended.reject(new EnidError("ENID_KUBERNETES_GONE", { what })) : ended.resolve()));
      },
    };
    try {
      const stop = model.watch(kind, selection, resourceVersion, watcher);
      cancels.push(stop);
    } catch (thrown) {
      throw coerceError(thrown);
    }
    const bookmark = () => {
      watcher.tell({ kind: "bookmark", resourceVersion: model.version });
      cancels.push(clock.after(BOOKMARK_MS, bookmark));
    };
    cancels.push(clock.after(BOOKMARK_MS, bookmark));
    const [leastMs, mostMs] = WATCH_MS;
    cancels.push(clock.after(leastMs + this.#options.random.fraction() * (mostMs - leastMs), () => watcher.end(false)));
    const abort = () => ended.reject(aborted(what, signal));
    signal.addEventListener("abort", abort, { once: true });
    try {
      if (signal.aborted) abort();
      await ended.promise;
    } finally {
      signal.removeEventListener("abort", abort);
      for (const cancel of cancels) cancel();
    }
  }

  /** The request takes its time, has its effect, and its answer takes its time; what is lost on the way ends by the limit. */
  #call<Answer>(
    what: string,
    signal: AbortSignal | undefined,
    run: (model: KubernetesModel) => Answer,
  ): Promise<Answer> {
    const { clock, model } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const abort = () => reject(aborted(what, signal));
    if (signal?.aborted) {
      abort();
      return promise;
    }
    signal?.addEventListener("abort", abort, { once: true });
    const limit = clock.after(CALL_LIMIT_MS, () => {
      reject(new EnidError("ENID_KUBERNETES_AWAY", { what, detail: `no answer within ${CALL_LIMIT_MS / 1_000} s` }));
    });
    const { request, answer } = this.#way();
    if (request) {
      // What was sent has its effect also when the caller is gone by then.
      clock.after(this.#latencyMs(), () => {
        let answered: () => void;
        try {
          const result = run(model);
          // Nobody shares an object with the server.
          answered = () => resolve(structuredClone(result));
        } catch (thrown) {
          answered = () => reject(coerceError(thrown));
        }
        if (answer) clock.after(this.#latencyMs(), answered);
      });
    }
    const done = () => {
      limit();
      signal?.removeEventListener("abort", abort);
    };
    promise.then(done, done);
    return promise;
  }

  #way(): Way {
    return this.#options.way?.() ?? OPEN;
  }

  #latencyMs(): number {
    const [leastMs, mostMs] = this.#options.latencyMs ?? [1, 5];
    return leastMs + this.#options.random.fraction() * (mostMs - leastMs);
  }
}

function aborted(what: string, signal: AbortSignal | undefined): EnidError {
  return new EnidError("ENID_KUBERNETES_AWAY", { what, detail: `given up: ${coerceError(signal?.reason).message}` });
}
