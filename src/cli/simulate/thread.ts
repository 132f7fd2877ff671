import { getAsset, isSea } from "node:sea";
import { Worker } from "node:worker_threads";
import type { Clock } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import type { Answer, Ask, JobKind, Progress } from "./jobs.ts";
import { fromFailure, type ReplyMessage } from "./thread-messages.ts";

/**
 * What a thread runs: a file beside this one in the checkout, and beside its chunk in the bundle, where scripts/build.ts puts
 * it. The one executable has no files: there it is code, the executable's loader, which in a thread begins with the worker.
 */
export type WorkerCode = URL | string;

const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
export const WORKER_CODE: WorkerCode = isSea()
  ? getAsset("loader", "utf8")
  : new URL(`./simulate-worker${extension}`, import.meta.url);

/** Wall time until a thread has loaded its code; a busy machine takes seconds. */
const START_LIMIT_MS = 120_000;

interface Pending {
  resolve(answer: unknown): void;
  reject(error: EnidError): void;
  onProgress(progress: Progress): void;
}

/** A worker thread that carries out one job at a time. */
export class Thread {
  readonly #worker: Worker;
  readonly #ready = Promise.withResolvers<void>();
  #pending: Pending | undefined;
  #isGone = false;

  constructor(code: WorkerCode) {
    this.#worker = new Worker(code, {
      eval: typeof code === "string",
      execArgv: ["--disable-warning=ExperimentalWarning"],
      env: {},
      argv: [],
    });
    this.#worker.on("message", (message: ReplyMessage) => this.#receive(message));
    this.#worker.on("error", (error) => this.#lost(String(error instanceof Error ? error.message : error)));
    this.#worker.on("exit", (code) => this.#lost(`its thread ended with ${code}`));
  }

  /** True: the thread ended; the next job needs another. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** @throws EnidError the job's own, ENID_SIMULATION_LOST when the thread ended or `limitMs` of wall time were over. */
  async ask<Kind extends JobKind>(
    kind: Kind,
    ask: Ask<Kind>,
    { clock, limitMs, onProgress }: { clock: Clock; limitMs: number; onProgress: (progress: Progress) => void },
  ): Promise<Answer<Kind>> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending = { resolve, reject, onProgress };
    const started = Promise.race([this.#ready.promise, promise]);
    await this.#within(START_LIMIT_MS, "its thread did not start", started, clock);
    this.#worker.postMessage({ kind, ask });
    return (await this.#within(limitMs, "no result", promise, clock)) as Answer<Kind>;
  }

  /** The same promise, but the thread is given up when it takes longer. */
  async #within<Value>(limitMs: number, what: string, promise: Promise<Value>, clock: Clock): Promise<Value> {
    const cancel = clock.after(limitMs, () => {
      this.#lost(`${what} within ${Math.round(limitMs / 1000)} s`);
      void this.close();
    });
    try {
      return await promise;
    } finally {
      cancel();
    }
  }

  async close(): Promise<void> {
    this.#lost("it was stopped");
    await this.#worker.terminate();
  }

  #receive(message: ReplyMessage): void {
    if (message.kind === "ready") {
      this.#ready.resolve();
      return;
    }
    if (message.kind === "progress") {
      this.#pending?.onProgress(message.progress);
      return;
    }
    const pending = this.#pending;
    this.#pending = undefined;
    if (message.kind === "answer") pending?.resolve(message.answer);
    else pending?.reject(fromFailure(message.failure));
  }

  #lost(detail: string): void {
    this.#isGone = true;
    this.#pending?.reject(new EnidError("ENID_SIMULATION_LOST", { detail }));
    this.#pending = undefined;
  }
}
