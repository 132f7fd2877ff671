import { jitterMs, type Random } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import { CILIUM_NODES, type KubernetesApi, type KubernetesObject } from "../../handoff/cilium-node/api.ts";
import type { Lifetime } from "./lifetime.ts";

export interface InformerOptions {
  readonly api: KubernetesApi;
  readonly nodeName: string;
  readonly lifetime: Lifetime;
  readonly random: Random;
  /** The newest version; undefined = there is none (any more). */
  readonly tell: (object: KubernetesObject | undefined) => void;
  readonly log: (text: string) => void;
}

/** After a watch that ended, and after the first failure; doubled with each further one. */
const PAUSE_MS = 800;
const LONGEST_PAUSE_MS = 30_000;

/** Follows the agent's own CiliumNode, as client-go's informer does: list, watch, resume; list anew after 410. */
export class Informer {
  readonly #options: InformerOptions;
  /** Where the watch goes on; undefined: to be listed. */
  #version: string | undefined;
  #exists = false;
  #refresh = new AbortController();

  constructor(options: InformerOptions) {
    this.#options = options;
  }

  /** Ends with the process, by Ended. Errors: none other. */
  async follow(): Promise<never> {
    const { lifetime, random, log } = this.#options;
    let pauseMs = PAUSE_MS;
    for (;;) {
      try {
        if (this.#version === undefined) await this.#list();
        await this.#watch();
        pauseMs = PAUSE_MS;
      } catch (thrown) {
        if (lifetime.over || !(thrown instanceof EnidError)) throw thrown;
        if (thrown.code === "ENID_KUBERNETES_GONE") this.#version = undefined;
        else pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
        log(`watch: ${thrown.code}`);
      }
      if (!this.#refresh.signal.aborted) await lifetime.sleep(jitterMs(random, pauseMs));
      if (this.#refresh.signal.aborted) this.#version = undefined;
      this.#refresh = new AbortController();
    }
  }

  /** What is known may be old: it is read anew. */
  refresh(): void {
    this.#refresh.abort();
  }

  async #list(): Promise<void> {
    const { api, nodeName, lifetime, tell } = this.#options;
    const listed = await lifetime.of(api.list(CILIUM_NODES, selectionOf(nodeName), lifetime.signal));
    this.#version = listed.resourceVersion;
    const object = listed.items.find(({ metadata }) => metadata.name === nodeName);
    const wasThere = this.#exists;
    this.#exists = object !== undefined;
    if (object !== undefined || wasThere) tell(object);
  }

  /** Ends without an error when it is to be read anew. */
  async #watch(): Promise<void> {
    const { api, nodeName, lifetime, tell } = this.#options;
    const { signal } = this.#refresh;
    const either = AbortSignal.any([lifetime.signal, signal]);
    const version = this.#version ?? "";
    const watched = api.watch(
      CILIUM_NODES,
      selectionOf(nodeName),
      version,
      (event) => {
        if (either.aborted) return;
        if (event.kind === "bookmark") {
          this.#version = event.resourceVersion;
          return;
        }
        this.#version = event.object.metadata.resourceVersion ?? this.#version;
        if (event.object.metadata.name !== nodeName) return;
        this.#exists = event.kind !== "deleted";
        tell(this.#exists ? event.object : undefined);
      },
      either,
    );
    try {
      await lifetime.of(watched);
    } catch (thrown) {
      if (!signal.aborted || lifetime.over) throw thrown;
    }
  }
}

function selectionOf(nodeName: string): { readonly fieldSelector: string } {
  return { fieldSelector: `metadata.name=${nodeName}` };
}
