import type { Cancel } from "../../adapters/index.ts";
import { coerceError } from "../../errors.ts";
import { type DeletionOptions, replayDeletions } from "./deletions.ts";

export interface DeletionWatch {
  /** No pass begins any more; resolves when the one under way has ended. */
  stop(): Promise<void>;
}

const INTERVAL_MS = 5_000;
const LONGEST_INTERVAL_MS = 60_000;

/**
 * Replays the queue again and again: a plugin that found no daemon may write its file after the daemon's first pass.
 * Polling is enough, since nobody waits for these releases, and costs one readdir of an empty folder. While passes fail
 * (the disk is full) they become rarer, up to one a minute. A queue that tells when it is filled is left alone while it is
 * empty.
 */
export function watchDeletions(options: DeletionOptions & { readonly intervalMs?: number }): DeletionWatch {
  const { queue, clock, telemetry } = options;
  const intervalMs = options.intervalMs ?? INTERVAL_MS;
  let delayMs = intervalMs;
  let stopped = false;
  let underWay: Promise<void> = Promise.resolve();
  let cancelTimer: Cancel = () => {};
  let cancelFilled: Cancel = () => {};
  waitForNext();

  function waitForNext(): void {
    const wait = () => {
      cancelTimer = clock.after(delayMs, pass);
    };
    if (queue.whenFilled === undefined) wait();
    else cancelFilled = queue.whenFilled(wait);
  }

  function pass(): void {
    underWay = run().then(() => {
      if (!stopped) waitForNext();
    });
  }

  async function run(): Promise<void> {
    try {
      const { failed } = await replayDeletions(options);
      delayMs = failed > 0 ? Math.min(2 * delayMs, LONGEST_INTERVAL_MS) : intervalMs;
    } catch (thrown) {
      const error = coerceError(thrown);
      delayMs = Math.min(2 * delayMs, LONGEST_INTERVAL_MS);
      telemetry.event({
        name: "deletion-queue-unreadable",
        level: "error",
        message: `${error.code}: ${error.message}`,
        fields: { folder: queue.folder },
      });
    }
  }

  return {
    stop() {
      stopped = true;
      cancelFilled();
      cancelTimer();
      return underWay;
    },
  };
}
