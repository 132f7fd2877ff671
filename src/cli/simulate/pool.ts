import type { Clock } from "../../adapters/index.ts";
import { coerceError, type EnidError } from "../../errors.ts";
import type { Answer, Ask, JobKind, Progress } from "./jobs.ts";
import { Thread, WORKER_CODE, type WorkerCode } from "./thread.ts";

export interface PoolOptions {
  /** Threads at the same time; a free one takes the next job. */
  readonly workers: number;
  readonly clock: Clock;
  /** Wall time that one job may take. */
  readonly limitMs: number;
  /** A job ended, in whatever order. */
  readonly onEnd?: () => void;
  readonly onProgress?: (index: number, progress: Progress) => void;
  /** The worker's code; another one in tests. */
  readonly code?: WorkerCode;
}

export type Ended<Kind extends JobKind> =
  | { readonly ask: Ask<Kind>; readonly answer: Answer<Kind>; readonly error?: undefined }
  | { readonly ask: Ask<Kind>; readonly answer?: undefined; readonly error: EnidError };

/**
 * Carries out jobs in worker threads and yields how each ended, in the order of the jobs, so that what is made of it does
 * not depend on the number of threads. To stop taking stops the rest.
 */
export async function* runInThreads<Kind extends JobKind>(
  kind: Kind,
  asks: Iterable<Ask<Kind>>,
  { workers, clock, limitMs, onEnd, onProgress, code = WORKER_CODE }: PoolOptions,
): AsyncGenerator<Ended<Kind>, void> {
  const ended = new Map<number, Ended<Kind>>();
  const queue = asks[Symbol.iterator]();
  const threads = new Set<Thread>();
  let begun = 0;
  let lanesLeft = workers;
  let stopped = false;
  let somethingEnded = Promise.withResolvers<void>();
  const wake = () => {
    somethingEnded.resolve();
    somethingEnded = Promise.withResolvers();
  };

  async function carryOut(thread: Thread, ask: Ask<Kind>, index: number): Promise<Ended<Kind>> {
    const report = (progress: Progress) => onProgress?.(index, progress);
    try {
      return { ask, answer: await thread.ask(kind, ask, { clock, limitMs, onProgress: report }) };
    } catch (thrown) {
      return { ask, error: coerceError(thrown) };
    }
  }

  async function lane(): Promise<void> {
    let thread: Thread | undefined;
    for (let next = queue.next(); !stopped && next.done !== true; next = queue.next()) {
      const index = begun;
      begun += 1;
      if (thread === undefined || thread.isGone) {
        if (thread !== undefined) threads.delete(thread);
        thread = new Thread(code);
        threads.add(thread);
      }
      ended.set(index, await carryOut(thread, next.value, index));
      if (!stopped) onEnd?.();
      wake();
    }
    lanesLeft -= 1;
    wake();
  }

  const lanes = Promise.all(Array.from({ length: workers }, lane));
  try {
    for (let index = 0; ; index += 1) {
      while (!ended.has(index) && lanesLeft > 0) await somethingEnded.promise;
      const one = ended.get(index);
      if (one === undefined) return;
      ended.delete(index);
      yield one;
    }
  } finally {
    stopped = true;
    await Promise.all([...threads].map((thread) => thread.close()));
    await lanes;
  }
}

/** One job in a thread of its own. */
export async function runInThread<Kind extends JobKind>(
  kind: Kind,
  ask: Ask<Kind>,
  options: Omit<PoolOptions, "workers">,
): Promise<Answer<Kind>> {
  for await (const { answer, error } of runInThreads(kind, [ask], { ...options, workers: 1 })) {
    if (error !== undefined) throw error;
    return answer as Answer<Kind>;
  }
  throw new Error("the job was not begun");
}
