/** A clock: the only source of time and of waiting in enid. The seeded world replaces it by a virtual one. */
export interface Clock {
  /** Wall time, milliseconds since the Unix epoch. May jump; used only for what outlives the process. */
  nowMs(): number;
  /** Monotonic time in milliseconds from an arbitrary origin, with fractions; used for durations and deadlines. */
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs`. The answer cancels it; cancelling twice is harmless. */
  after(delayMs: number, callback: () => void): Cancel;
  /** Calls `callback` after the callbacks of the current turn of the loop: the moment of a group commit. */
  nextTurn(callback: () => void): void;
}

export type Cancel = () => void;

/** The real clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.max(0, delayMs));
    return () => clearTimeout(timer);
  },
  nextTurn(callback) {
    setImmediate(callback);
  },
};

/**
 * Resolves after `delayMs` of the given clock; rejects with the signal's reason when aborted first.
 */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const abort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}
