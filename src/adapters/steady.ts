import type { Clock } from "./clock.ts";

/**
 * The same clock with a wall time that never jumps while the process runs: it is read once and then follows the
 * monotonic time. Deadlines that are kept as wall times (cooling, back-off) hold through a stepped system clock.
 */
export function steady(clock: Clock): Clock {
  const wallAtStartMs = clock.nowMs();
  const monotonicAtStartMs = clock.monotonicMs();
  return {
    nowMs: () => Math.round(wallAtStartMs + clock.monotonicMs() - monotonicAtStartMs),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, callback) => clock.after(delayMs, callback),
    nextTurn: (callback) => clock.nextTurn(callback),
  };
}
