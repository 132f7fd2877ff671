/** Moments at which something becomes due by itself, as numbers alone: they are asked for in every round. */

/** The moment of what does not become due by itself. */
export const NEVER = Number.POSITIVE_INFINITY;

export interface Timed {
  /** When something becomes due by itself after `nowMs`; Infinity = nothing does. */
  nextMs(nowMs: number): number;
}

/**
 * The earlier of two moments, of which only those after `nowMs` count: one that has passed and still stands waits for
 * an activity, whose end wakes the loop.
 */
export function soonest(knownMs: number, atMs: number | undefined, nowMs: number): number {
  return atMs !== undefined && atMs > nowMs && atMs < knownMs ? atMs : knownMs;
}
