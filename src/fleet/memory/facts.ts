import {
  FACT_FORGOTTEN_MS,
  FACTS_BYTES_MOST,
  FACTS_MOST,
  type FactAnswer,
  type FactRecord,
  type FactStore,
  FETCH_GUESS_MS,
  RETRY_LEAST_MS,
  RETRY_MOST_MS,
} from "../store/facts.ts";
import type { Database, MemoryClient } from "./server.ts";

const ABOUT = "facts/about/";
const VALUE = "facts/value/";

const NOTHING: FactRecord = {
  token: 0,
  asker: "",
  begunAtMs: 0,
  turnUntilMs: 0,
  bornAtMs: 0,
  tookMs: 0,
  keptUntilMs: 0,
  unsharedUntilMs: 0,
  bytes: 0,
};

/** As src/fleet/redis/facts.ts does it. */
export function memoryFactStore(client: MemoryClient): FactStore {
  return {
    read: ({ name, asker, maxAgeMs, turnMs, takesOver }) =>
      client.run((database): FactAnswer => {
        const { nowMs } = database;
        const known = database.get<FactRecord>(ABOUT + name) ?? NOTHING;
        if (!takesOver) {
          if (known.unsharedUntilMs > nowMs) return { kind: "unshared" };
          const ageMs = nowMs - known.bornAtMs;
          if (known.keptUntilMs > nowMs && ageMs >= 0 && ageMs <= maxAgeMs) {
            const json = database.get<string>(VALUE + name);
            if (json !== undefined) return { kind: "fact", json, ageMs };
          }
          const isUnderWay = known.turnUntilMs > nowMs && known.begunAtMs <= nowMs;
          if (isUnderWay && known.asker !== asker) {
            return { kind: "wait", token: known.token, retryMs: retryMs(known, nowMs) };
          }
        }
        const token = Math.max(known.token + 1, nowMs);
        keep(database, name, { ...known, token, asker, begunAtMs: nowMs, turnUntilMs: nowMs + turnMs });
        return { kind: "turn", token };
      }),

    write: ({ name, asker, token, json, keepMs }) =>
      client.run((database) => {
        const { nowMs } = database;
        const known = database.get<FactRecord>(ABOUT + name);
        if (known === undefined || known.token !== token || known.asker !== asker) return false;
        database.put(VALUE + name, json, keepMs);
        keep(database, name, {
          ...known,
          turnUntilMs: 0,
          bornAtMs: known.begunAtMs,
          tookMs: Math.max(0, nowMs - known.begunAtMs),
          keptUntilMs: nowMs + keepMs,
          unsharedUntilMs: 0,
          bytes: Buffer.byteLength(json),
        });
        return true;
      }),

    giveBack: ({ name, asker, token }, unsharedMs) =>
      client.run((database) => {
        const known = database.get<FactRecord>(ABOUT + name);
        if (known === undefined || known.token !== token || known.asker !== asker) return;
        const unsharedUntilMs = unsharedMs > 0 ? database.nowMs + unsharedMs : 0;
        keep(database, name, { ...known, turnUntilMs: 0, unsharedUntilMs });
      }),
  };
}

/** When the fetch is expected to end; once that is past, ever more rarely until the turn is over. */
function retryMs({ begunAtMs, turnUntilMs, tookMs }: FactRecord, nowMs: number): number {
  const elapsedMs = nowMs - begunAtMs;
  const expectedMs = tookMs > 0 ? tookMs : FETCH_GUESS_MS;
  const pauseMs = elapsedMs < expectedMs ? expectedMs - elapsedMs : elapsedMs / 2;
  const leastMs = Math.max(RETRY_LEAST_MS, Math.min(RETRY_MOST_MS, pauseMs));
  return Math.ceil(Math.min(leastMs, turnUntilMs - nowMs + 1));
}

function keep(database: Database, name: string, record: FactRecord): void {
  const { nowMs } = database;
  const isNew = database.get(ABOUT + name) === undefined;
  database.put(ABOUT + name, record, Math.max(nowMs, untilMs(record)) + FACT_FORGOTTEN_MS - nowMs);
  if (isNew || record.keptUntilMs > nowMs) makeRoom(database, name);
}

function untilMs({ turnUntilMs, keptUntilMs, unsharedUntilMs }: FactRecord): number {
  return Math.max(turnUntilMs, keptUntilMs, unsharedUntilMs);
}

/** Those that end soonest make room for this one. */
function makeRoom(database: Database, but: string): void {
  const all = database.entries<FactRecord>(ABOUT).map(([key, record]) => ({ name: key.slice(ABOUT.length), record }));
  let bytes = all.reduce((sum, { record }) => sum + record.bytes, 0);
  let count = all.length;
  if (count <= FACTS_MOST && bytes <= FACTS_BYTES_MOST) return;
  all.sort((a, b) => untilMs(a.record) - untilMs(b.record) || (a.name < b.name ? -1 : 1));
  for (const { name, record } of all) {
    if (count <= FACTS_MOST && bytes <= FACTS_BYTES_MOST) return;
    if (name === but) continue;
    database.remove(ABOUT + name);
    database.remove(VALUE + name);
    bytes -= record.bytes;
    count--;
  }
}
