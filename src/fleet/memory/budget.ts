import {
  BUCKET_KEEP_MS,
  BUCKETS_LISTED,
  type BudgetAnswer,
  type BudgetAsk,
  type BudgetBucket,
  type BudgetLevel,
  type BudgetSize,
  type BudgetStore,
  bucketName,
  bucketNamed,
  DECREASE,
  GRACE_MS,
  LEAST_SHARE,
  LISTED_MS,
  LONGEST_PAUSE_MS,
  REGROWTH_MS,
  ROUNDING,
  URGENCY_COUNT,
  WAITING_LIMIT,
} from "../store/budget.ts";
import type { Database, MemoryClient } from "./server.ts";

/** Urgency, arrival, ticket, and until when it is waited for (server's ms). Kept in order. */
type Waiter = readonly [urgency: number, arrival: number, ticket: string, untilMs: number];

interface Bucket {
  capacity: number;
  full: number;
  tokens: number;
  atMs: number;
  /** Of the full rate, at `sinceMs`. */
  share: number;
  sinceMs: number;
  era: number;
  arrivals: number;
  granted: number;
  throttled: number;
  queue: Waiter[];
}

const LIST = "{budget}:buckets";

export function memoryBudgetStore(client: MemoryClient): BudgetStore {
  return {
    ask: (ask) => client.run((database) => answered(database, ask)),
    async withdraw(bucket, ticket) {
      await client.run((database) => {
        const known = database.get<Bucket>(keyOf(bucket));
        if (known === undefined) return;
        const queue = known.queue.filter((waiter) => waiter[2] !== ticket);
        if (queue.length < known.queue.length) save(database, bucket, { ...known, queue });
      });
    },
    async giveBack(bucket, size) {
      await client.run((database) => {
        const now = counted(database, bucket, size);
        now.tokens = Math.min(now.capacity, now.tokens + 1);
        save(database, bucket, now);
      });
    },
    async throttled(bucket, size, era) {
      await client.run((database) => {
        const now = counted(database, bucket, size);
        now.throttled += 1;
        if (era === now.era) {
          now.era += 1;
          now.tokens = Math.min(0, now.tokens);
          now.share = Math.max(LEAST_SHARE, shareAt(now, database.nowMs) * DECREASE);
          now.sinceMs = database.nowMs;
        }
        save(database, bucket, now);
      });
    },
    levels: () => client.run(levelsOf),
  };
}

function answered(database: Database, { bucket, size, ticket, urgency, limitMs }: BudgetAsk): BudgetAnswer {
  const { nowMs } = database;
  const now = counted(database, bucket, size);
  // Who did not come at their time is gone; times beyond all that is told are of a clock that went back.
  const latestMs = nowMs + LONGEST_PAUSE_MS + GRACE_MS;
  const isHere = (waiter: Waiter) => waiter[2] === ticket || (waiter[3] >= nowMs && waiter[3] <= latestMs);
  const others = now.queue.filter(isHere);
  const at = others.findIndex((waiter) => waiter[2] === ticket);
  const [before] = at < 0 ? [] : others.splice(at, 1);
  const arrival = before?.[1] ?? ++now.arrivals;
  const ratePerSecond = now.full * shareAt(now, nowMs);
  const ahead = others.filter((one) => one[0] < urgency || (one[0] === urgency && one[1] < arrival)).length;
  const expectedMs = (Math.max(0, ahead + 1 - now.tokens) / ratePerSecond) * 1_000;
  now.queue = others;
  let answer: BudgetAnswer;
  if (now.tokens >= ahead + 1 - ROUNDING) {
    now.tokens -= 1;
    now.granted += 1;
    answer = { kind: "granted", era: now.era };
  } else if (expectedMs > limitMs || others.length >= WAITING_LIMIT) {
    answer = { kind: "late", expectedMs, ahead, ratePerSecond };
  } else {
    const askAgainMs = Math.min(LONGEST_PAUSE_MS, Math.ceil(expectedMs));
    others.splice(ahead, 0, [urgency, arrival, ticket, nowMs + askAgainMs + GRACE_MS]);
    answer = { kind: "wait", askAgainMs, expectedMs, ahead, ratePerSecond };
  }
  save(database, bucket, now);
  return answer;
}

function levelsOf(database: Database): readonly BudgetLevel[] {
  const listed = Object.entries(database.get<Record<string, number>>(LIST) ?? {});
  return listed
    .filter(([, atMs]) => atMs > database.nowMs - LISTED_MS)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([name]): BudgetLevel[] => {
      const bucket = bucketNamed(name);
      const known = database.get<Bucket>(keyOf(bucket));
      if (known === undefined) return [];
      const now = counted(database, bucket, { capacity: known.capacity, refillPerSecond: known.full });
      return [
        {
          bucket,
          capacity: now.capacity,
          tokens: now.tokens,
          ratePerSecond: now.full * shareAt(now, database.nowMs),
          fullRatePerSecond: now.full,
          waiting: Array.from({ length: URGENCY_COUNT }, (_, at) => now.queue.filter(([one]) => one === at).length),
          granted: now.granted,
          throttled: now.throttled,
        },
      ];
    });
}

/** The bucket as it is now. */
function counted(database: Database, bucket: BudgetBucket, { capacity, refillPerSecond: full }: BudgetSize): Bucket {
  const { nowMs } = database;
  const known = database.get<Bucket>(keyOf(bucket));
  const empty = { share: 1, sinceMs: nowMs, era: 0, arrivals: 0, granted: 0, throttled: 0, queue: [] };
  if (known === undefined) return { ...empty, capacity, full, tokens: capacity, atMs: nowMs };
  // A clock that went back must not hold up the bucket until it is where it was.
  const sinceMs = Math.min(known.sinceMs, nowMs);
  const came = (Math.max(0, nowMs - known.atMs) / 1_000) * full * shareAt({ ...known, sinceMs }, nowMs);
  return { ...known, capacity, full, sinceMs, tokens: Math.min(capacity, known.tokens + came), atMs: nowMs };
}

function shareAt({ share, sinceMs }: Pick<Bucket, "share" | "sinceMs">, nowMs: number): number {
  return Math.min(1, share + Math.max(0, nowMs - sinceMs) / REGROWTH_MS);
}

function save(database: Database, bucket: BudgetBucket, now: Bucket): void {
  database.put(keyOf(bucket), now, BUCKET_KEEP_MS);
  const name = bucketName(bucket);
  const listed = database.get<Record<string, number>>(LIST) ?? {};
  const seenMs = listed[name] ?? 0;
  if (Math.abs(database.nowMs - seenMs) < LISTED_MS / 4) return;
  if (seenMs === 0 && Object.keys(listed).length >= BUCKETS_LISTED) return;
  database.put(LIST, { ...listed, [name]: database.nowMs }, LISTED_MS);
}

function keyOf(bucket: BudgetBucket): string {
  return `{budget:${bucketName(bucket)}}`;
}
