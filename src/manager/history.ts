import type { Pod } from "../pool/index.ts";
import type { HistoryEntry } from "./reports.ts";

interface Entry extends HistoryEntry {
  readonly pod: string;
  readonly address: string;
}

/** What happened to pods and addresses lately, bounded; `enid explain` reads it. Gone with the process. */
export class History {
  readonly #limit: number;
  readonly #entries: Entry[] = [];
  #next = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** `pod` or `address` may be empty when the entry is not about one. */
  add(atMs: number, pod: string, address: string, what: string): void {
    this.#entries[this.#next] = { atMs, pod, address, what };
    this.#next = (this.#next + 1) % this.#limit;
  }

  /** Entries about a pod ("namespace/name" or a bare name) or an address, oldest first. */
  about(subject: string): readonly HistoryEntry[] {
    return this.#ordered()
      .filter((entry) => entry.address === subject || namesPod(subject, entry.pod))
      .map(({ atMs, what }) => ({ atMs, what }));
  }

  #ordered(): Entry[] {
    return [...this.#entries.slice(this.#next), ...this.#entries.slice(0, this.#next)];
  }
}

export function podName(pod: Pod): string {
  return pod.namespace === "" ? pod.name : `${pod.namespace}/${pod.name}`;
}

/** True when the subject an operator typed means this pod: "namespace/name", or the name alone. */
export function namesPod(subject: string, pod: string): boolean {
  return pod !== "" && (pod === subject || pod.slice(pod.indexOf("/") + 1) === subject);
}
