import PQueue from "p-queue";

/**
 * The turns of mutating calls: one at a time per interface, so that no two changes of one interface overlap, and a few
 * over all, so that a node in a hurry does not empty the account's buckets alone.
 */
export class MutationQueues {
  readonly #all: PQueue;
  readonly #byKey = new Map<string, PQueue>();

  constructor(atOnce: number) {
    this.#all = new PQueue({ concurrency: atOnce });
  }

  /**
   * Runs `call` in its turn. Rejects with the signal's reason when aborted before that; then it never runs. Once it runs,
   * it ends by itself: only the call knows what became of it.
   */
  async run<Output>(key: string, call: () => Promise<Output>, signal?: AbortSignal): Promise<Output> {
    const waiting = new AbortController();
    const leave = () => waiting.abort(signal?.reason);
    if (signal?.aborted) leave();
    signal?.addEventListener("abort", leave, { once: true });
    const begin = () => {
      signal?.removeEventListener("abort", leave);
      return call();
    };
    const options = { signal: waiting.signal };
    const queue = this.#queueOf(key);
    try {
      return await queue.add(() => this.#all.add(begin, options), options);
    } finally {
      signal?.removeEventListener("abort", leave);
      if (queue.size === 0 && queue.pending === 0 && this.#byKey.get(key) === queue) this.#byKey.delete(key);
    }
  }

  /** Interfaces with calls waiting or under way. */
  get busy(): number {
    return this.#byKey.size;
  }

  #queueOf(key: string): PQueue {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const queue = new PQueue({ concurrency: 1 });
    this.#byKey.set(key, queue);
    return queue;
  }
}
