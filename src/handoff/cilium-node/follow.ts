import { type Clock, jitterMs, type Random, sleep } from "../../adapters/index.ts";
import { coerceError, type EnidError } from "../../errors.ts";
import type { KubernetesApi, KubernetesObject, ResourceKind, Selection } from "./api.ts";

export interface FollowOptions {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly kind: ResourceKind;
  readonly selection: Selection;
  /** All objects, after each list. */
  readonly listed: (objects: readonly KubernetesObject[]) => void;
  /** One changed; `isGone`: it is no more. */
  readonly changed: (object: KubernetesObject, isGone: boolean) => void;
  /** The API does not answer, or denies; undefined: it does again. */
  readonly trouble: (error: EnidError | undefined) => void;
}

const PAUSE_MS = { first: 1_000, longest: 60_000 };

/**
 * Lists and watches, until it is aborted: resumes from the last version when a watch ends, lists anew when the server has
 * forgotten that version (410 Gone), and tries again with pauses that double up to a minute when there is no answer.
 */
export async function follow(options: FollowOptions, signal: AbortSignal): Promise<void> {
  const { api, clock, random, kind, selection, trouble } = options;
  let version: string | undefined;
  let failures = 0;
  while (!signal.aborted) {
    try {
      if (version === undefined) {
        const { items, resourceVersion } = await api.list(kind, selection, signal);
        version = resourceVersion;
        options.listed(items);
      }
      failures = 0;
      trouble(undefined);
      await api.watch(
        kind,
        selection,
        version,
        (event) => {
          if (event.kind === "bookmark") version = event.resourceVersion;
          else {
            version = event.object.metadata.resourceVersion ?? version;
            options.changed(event.object, event.kind === "deleted");
          }
        },
        signal,
      );
      // Servers end watches all at once when they are restarted.
      await pause(clock, jitterMs(random, 200, 0.5), signal);
    } catch (thrown) {
      if (signal.aborted) return;
      const error = coerceError(thrown);
      if (error.code === "ENID_KUBERNETES_GONE") {
        version = undefined;
        await pause(clock, jitterMs(random, 200, 0.5), signal);
        continue;
      }
      failures += 1;
      trouble(error);
      // What changed meanwhile comes by the watch; only who was denied may have been told nothing at all.
      if (error.code !== "ENID_KUBERNETES_AWAY") version = undefined;
      const doubled = Math.min(PAUSE_MS.longest, PAUSE_MS.first * 2 ** Math.min(failures - 1, 10));
      await pause(clock, jitterMs(random, doubled, 0.5), signal);
    }
  }
}

/** Ends early, and does not reject, when it is aborted. */
export async function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  await sleep(clock, delayMs, signal).catch(() => undefined);
}
