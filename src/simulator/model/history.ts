/**
 * The versions of one interface. EC2 is eventually consistent: a change is in force at once, but Describe calls (each
 * replica by itself) and instance metadata show it later, one after the other.
 */
import type { NetworkInterface } from "./records.ts";

export interface Version {
  /** Undefined: the interface was deleted. */
  readonly record: NetworkInterface | undefined;
  /** From when Describe calls show it, by replica. */
  readonly describeFromMs: readonly number[];
  readonly metadataFromMs: number;
}

/** Oldest first; the last one is the truth. Never empty. */
export type History = readonly Version[];

export function truth(history: History | undefined): NetworkInterface | undefined {
  return history?.at(-1)?.record;
}

export function describedAt(history: History, nowMs: number, replica: number): NetworkInterface | undefined {
  return history.findLast((version) => (version.describeFromMs[replica] ?? 0) <= nowMs)?.record;
}

export function inMetadataAt(history: History, nowMs: number): NetworkInterface | undefined {
  return history.findLast((version) => version.metadataFromMs <= nowMs)?.record;
}

/**
 * The history with one more version, which reaches no view before the version ahead of it; versions that no view can
 * show any more are dropped.
 */
export function append(history: History, version: Version, nowMs: number): History {
  const ahead = history.at(-1) ?? version;
  const queued: Version = {
    record: version.record,
    describeFromMs: version.describeFromMs.map((fromMs, replica) =>
      Math.max(fromMs, ahead.describeFromMs[replica] ?? 0),
    ),
    metadataFromMs: Math.max(version.metadataFromMs, ahead.metadataFromMs),
  };
  return prune([...history, queued], nowMs);
}

/** Drops what precedes the newest version that every view shows. */
function prune(history: History, nowMs: number): History {
  const shown = history.findLastIndex((version) => isSettled(version, nowMs));
  return shown <= 0 ? history : history.slice(shown);
}

/** True: deleted, and no view shows it any more. */
export function isForgotten(history: History, nowMs: number): boolean {
  const last = history.at(-1);
  return last !== undefined && last.record === undefined && isSettled(last, nowMs);
}

/** From when every view shows the last version. */
export function settledAtMs(history: History): number {
  const last = history.at(-1);
  return last === undefined ? 0 : Math.max(last.metadataFromMs, ...last.describeFromMs);
}

function isSettled(version: Version, nowMs: number): boolean {
  return version.metadataFromMs <= nowMs && version.describeFromMs.every((fromMs) => fromMs <= nowMs);
}
