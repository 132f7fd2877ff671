import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../../src/adapters/index.ts";
import { type Configuration, readConfiguration } from "../../src/configuration/index.ts";
import { EnidError } from "../../src/errors.ts";

export const FILE = "/etc/cni/net.d/05-enid.conf";

/** Reads a configuration given as text or as the value that the text stands for. */
export function read(content: unknown, file = FILE): Configuration {
  const text = typeof content === "string" ? content : JSON.stringify(content, undefined, 2);
  return readConfiguration(Buffer.from(text), file);
}

/** The EnidError that the call ends with. */
export function failureOf(call: () => unknown): EnidError {
  try {
    call();
  } catch (error) {
    if (error instanceof EnidError) return error;
    throw error;
  }
  throw new Error("the call did not fail");
}

export interface VirtualClock extends Clock {
  /** Moves time on by that many milliseconds, running what falls due in order, and lets promises settle in between. */
  advance(durationMs: number): Promise<void>;
  /** Timers that wait. */
  pending(): number;
}

export function virtualClock(): VirtualClock {
  let now = 0;
  let serial = 0;
  const timers = new Map<number, { dueMs: number; callback: () => void }>();
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn += 1) await nextTurn();
  };
  return {
    nowMs: () => now,
    monotonicMs: () => now,
    after(delayMs, callback) {
      const id = serial++;
      timers.set(id, { dueMs: now + delayMs, callback });
      return () => timers.delete(id);
    },
    nextTurn: (callback) => void setImmediate(callback),
    async advance(durationMs) {
      const until = now + durationMs;
      await settle();
      for (;;) {
        const next = [...timers].toSorted(([a, x], [b, y]) => x.dueMs - y.dueMs || a - b)[0];
        if (next === undefined || next[1].dueMs > until) break;
        timers.delete(next[0]);
        now = next[1].dueMs;
        next[1].callback();
        await settle();
      }
      now = until;
    },
    pending: () => timers.size,
  };
}
