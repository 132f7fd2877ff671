import { type SingletonAnswer, type SingletonStore, TASK_KEEP_MS } from "../store/singletons.ts";
import type { MemoryClient } from "./server.ts";

interface Holding {
  readonly asker: string;
  readonly token: number;
  /** 0 = nobody has it. */
  readonly untilMs: number;
}

/** As src/fleet/redis/singletons.ts does it. */
export function memorySingletonStore(client: MemoryClient): SingletonStore {
  return {
    hold: ({ task, asker, token, seen, ttlMs }) =>
      client.run((database): SingletonAnswer => {
        const { nowMs } = database;
        const key = `singletons/${task}`;
        const known = database.get<Holding>(key) ?? { asker: "", token: 0, untilMs: 0 };
        // Later than any lease can end: the store's clock was set back, and what it said then would last for too long.
        const isTooLate = known.untilMs > nowMs + ttlMs;
        const untilMs = isTooLate ? nowMs + ttlMs : known.untilMs;
        if (untilMs > nowMs && known.asker !== asker) {
          if (isTooLate) database.put(key, { ...known, untilMs }, TASK_KEEP_MS);
          return { kind: "taken", token: known.token, endsInMs: untilMs - nowMs };
        }
        const goesOn = untilMs > nowMs && known.token === token;
        const next = goesOn ? token : Math.max(known.token + 1, seen + 1, nowMs);
        database.put(key, { asker, token: next, untilMs: nowMs + ttlMs }, TASK_KEEP_MS);
        return { kind: "held", token: next };
      }),

    release: (task, asker, token) =>
      client.run((database) => {
        const key = `singletons/${task}`;
        const known = database.get<Holding>(key);
        if (known?.asker === asker && known.token === token) {
          database.put(key, { ...known, untilMs: 0 }, TASK_KEEP_MS);
        }
      }),
  };
}
