import type { KubernetesObject } from "./api.ts";
import { fieldsOf, textOf } from "./merge-patch.ts";

/** Pods that are gone; as many come and go on a node between two looks at most. */
const REMEMBERED = 2_000;
const OVER: readonly string[] = ["Succeeded", "Failed"];

/** The pods that are bound to the node, as the API has them. */
export class NodePods {
  readonly #pods = new Map<string, KubernetesObject>();
  /** Seen to be on the node, and seen to be gone: who was never seen may be there and not be told of yet. */
  readonly #gone = new Set<string>();

  listed(pods: readonly KubernetesObject[]): void {
    const before = [...this.#pods.keys()];
    this.#pods.clear();
    for (const pod of pods) this.changed(pod, false);
    for (const name of before) if (!this.#pods.has(name)) this.#leave(name);
  }

  changed(pod: KubernetesObject, isGone: boolean): void {
    const name = nameOf(pod);
    if (isGone) {
      this.#pods.delete(name);
      this.#leave(name);
    } else {
      this.#gone.delete(name);
      this.#pods.set(name, pod);
    }
  }

  /** Whether the pod "namespace/name" was on the node, and is no more. */
  isGone(name: string): boolean {
    return this.#gone.has(name);
  }

  #leave(name: string): void {
    this.#gone.delete(name);
    this.#gone.add(name);
    if (this.#gone.size <= REMEMBERED) return;
    for (const oldest of this.#gone) {
      this.#gone.delete(oldest);
      return;
    }
  }

  /** Pods that need an address and have none. Those of the host's network, those that ended and those that end need none. */
  waiting(used: ReadonlyMap<string, string>): number {
    const served = new Set(used.values());
    return [...this.#pods].filter(([name, pod]) => needsAddress(pod) && !served.has(name)).length;
  }
}

function needsAddress({ metadata, spec, status }: KubernetesObject): boolean {
  if (metadata.deletionTimestamp !== undefined || fieldsOf(spec).hostNetwork === true) return false;
  const { phase, podIP } = fieldsOf(status);
  return !OVER.includes(textOf(phase)) && textOf(podIP) === "";
}

function nameOf({ metadata: { namespace = "", name } }: KubernetesObject): string {
  return `${namespace}/${name}`;
}
