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
 * (the disk is full) they become rarer, up to one a minute.
 */
export function watchDeletions(options: DeletionOptions & { readonly intervalMs?: number }): DeletionWatch {
  const { clock, telemetry } = options;
  const intervalMs = options.intervalMs ?? INTERVAL_MS;
  let delayMs = intervalMs;
  let stopped = false;
  let underWay: Promise<void> = Promise.resolve();
  let cancel: Cancel = clock.after(delayMs, pass);

  function pass(): void {
    underWay = run().then(() => {
      if (!stopped) cancel = clock.after(delayMs, pass);
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
        fields: { folder: options.folder },
      });
    }
  }

  return {
    stop() {
      stopped = true;
      cancel();
      return underWay;
    },
  };
}
