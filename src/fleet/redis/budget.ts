import {
  BUCKET_KEEP_MS,
  BUCKETS_LISTED,
  type BudgetAnswer,
  type BudgetBucket,
  type BudgetLevel,
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
import type { Script, ScriptRunner } from "./script.ts";

/** Places in the queue are urgency * STEP + arrival: exact as doubles for more arrivals than there will ever be. */
const STEP = "1e12";

/**
 * What each step begins with: the bucket as it is now, with the size in ARGV[1] (tokens) and ARGV[2] (a second).
 * KEYS: the bucket (hash), who waits by place, and the same by the time until which they are waited for (sorted sets).
 */
const COUNT = `
local function text(number) return string.format("%.17g", number) end
local function short(number) return string.format("%.3f", number) end
local clock = redis.call("TIME")
local now = tonumber(clock[1]) * 1000 + tonumber(clock[2]) / 1000
local kept = redis.call("HMGET", KEYS[1], "tokens", "atMs", "share", "sinceMs", "era", "arrivals", "granted", "throttled")
local capacity, full = tonumber(ARGV[1]), tonumber(ARGV[2])
local atMs = tonumber(kept[2] or now)
local share, sinceMs = tonumber(kept[3] or 1), math.min(now, tonumber(kept[4] or now))
local era, arrivals = tonumber(kept[5] or 0), tonumber(kept[6] or 0)
local granted, throttled = tonumber(kept[7] or 0), tonumber(kept[8] or 0)
local function shareNow() return math.min(1, share + (now - sinceMs) / ${REGROWTH_MS}) end
local rate = full * shareNow()
local tokens = math.min(capacity, tonumber(kept[1] or capacity) + math.max(0, now - atMs) / 1000 * rate)
local function save()
  redis.call("HSET", KEYS[1], "tokens", text(tokens), "atMs", text(now), "share", text(share), "sinceMs", text(sinceMs),
    "era", text(era), "arrivals", text(arrivals), "granted", text(granted), "throttled", text(throttled),
    "capacity", text(capacity), "full", text(full))
  for _, key in ipairs(KEYS) do redis.call("PEXPIRE", key, ${BUCKET_KEEP_MS}) end
end
`;

/** ARGV[3] ticket, ARGV[4] urgency, ARGV[5] ms that it waits at most. */
const ASK: Script = {
  name: "budget-ask",
  lua: `${COUNT}
local function leave(ticket)
  redis.call("ZREM", KEYS[2], ticket)
  redis.call("ZREM", KEYS[3], ticket)
end
local ticket, urgency, limitMs = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
-- Who did not come at their time is gone; times beyond all that is told are of a clock that went back.
for _, bounds in ipairs({ { "-inf", "(" .. short(now) }, { "(" .. short(now + ${LONGEST_PAUSE_MS + GRACE_MS}), "+inf" } }) do
  for _, gone in ipairs(redis.call("ZRANGEBYSCORE", KEYS[3], bounds[1], bounds[2])) do
    if gone ~= ticket then leave(gone) end
  end
end
local before = redis.call("ZSCORE", KEYS[2], ticket)
local arrival
if before then
  arrival = tonumber(before) % ${STEP}
else
  arrivals = arrivals + 1
  arrival = arrivals
end
redis.call("ZADD", KEYS[2], text(urgency * ${STEP} + arrival), ticket)
local ahead = redis.call("ZRANK", KEYS[2], ticket)
local expectedMs = math.max(0, ahead + 1 - tokens) / rate * 1000
local answer
if tokens >= ahead + 1 - ${ROUNDING} then
  leave(ticket)
  tokens = tokens - 1
  granted = granted + 1
  answer = { kind = "granted", era = era }
elseif expectedMs > limitMs or redis.call("ZCARD", KEYS[2]) > ${WAITING_LIMIT} then
  leave(ticket)
  answer = { kind = "late", expectedMs = expectedMs, ahead = ahead, ratePerSecond = rate }
else
  local askAgainMs = math.min(${LONGEST_PAUSE_MS}, math.ceil(expectedMs))
  redis.call("ZADD", KEYS[3], short(now + askAgainMs + ${GRACE_MS}), ticket)
  answer = { kind = "wait", askAgainMs = askAgainMs, expectedMs = expectedMs, ahead = ahead, ratePerSecond = rate }
end
save()
return cjson.encode(answer)
`,
};

/** ARGV[1] ticket. */
const WITHDRAW: Script = {
  name: "budget-withdraw",
  lua: `
redis.call("ZREM", KEYS[2], ARGV[1])
redis.call("ZREM", KEYS[3], ARGV[1])
return false
`,
};

const GIVE_BACK: Script = {
  name: "budget-give-back",
  lua: `${COUNT}
tokens = math.min(capacity, tokens + 1)
save()
return false
`,
};

/** ARGV[3] era in which the call was granted. */
const THROTTLED: Script = {
  name: "budget-throttled",
  lua: `${COUNT}
throttled = throttled + 1
if tonumber(ARGV[3]) == era then
  era = era + 1
  tokens = math.min(0, tokens)
  share = math.max(${LEAST_SHARE}, shareNow() * ${DECREASE})
  sinceMs = now
end
save()
return false
`,
};

/** Changes nothing; nil for a bucket that is not there. */
const LOOK: Script = {
  name: "budget-look",
  lua: `
local size = redis.call("HMGET", KEYS[1], "capacity", "full")
if not size[1] then return false end
local ARGV = size
${COUNT}
local waiting = {}
for urgency = 0, ${URGENCY_COUNT - 1} do
  waiting[urgency + 1] = redis.call("ZCOUNT", KEYS[2], text(urgency * ${STEP}), "(" .. text((urgency + 1) * ${STEP}))
end
return cjson.encode({
  capacity = capacity, tokens = tokens, ratePerSecond = rate, fullRatePerSecond = full,
  waiting = waiting, granted = granted, throttled = throttled,
})
`,
};

/** KEYS[1] buckets by the time at which they were asked; ARGV[1] a bucket. */
const LIST: Script = {
  name: "budget-list",
  lua: `
local clock = redis.call("TIME")
local now = tonumber(clock[1]) * 1000
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", string.format("%.0f", now - ${LISTED_MS}))
if redis.call("ZSCORE", KEYS[1], ARGV[1]) or redis.call("ZCARD", KEYS[1]) < ${BUCKETS_LISTED} then
  redis.call("ZADD", KEYS[1], string.format("%.0f", now), ARGV[1])
  redis.call("PEXPIRE", KEYS[1], ${LISTED_MS})
end
return false
`,
};

const LISTED: Script = {
  name: "budget-listed",
  lua: `
local listed = redis.call("ZRANGE", KEYS[1], 0, -1)
if #listed == 0 then return false end
return cjson.encode(listed)
`,
};

const LIST_KEY = "{budget}:buckets";

/** So many asks of a bucket by one process, and it is listed anew: a store that lost its data hears of it again. */
const LIST_EVERY = 20;

export function redisBudgetStore(runner: ScriptRunner): BudgetStore {
  /** How often each bucket was asked since it was listed. */
  const asked = new Map<string, number>();
  const list = (bucket: BudgetBucket) => {
    const name = bucketName(bucket);
    const times = asked.get(name) ?? 0;
    asked.set(name, (times + 1) % LIST_EVERY);
    // Its answer is waited for by nobody: the list is for people.
    if (times === 0) void runner.run(LIST, [LIST_KEY], [name]).catch(() => asked.delete(name));
  };
  return {
    async ask({ bucket, size, ticket, urgency, limitMs }) {
      list(bucket);
      const args = [size.capacity, size.refillPerSecond, ticket, urgency, limitMs];
      return (await runner.run(ASK, keysOf(bucket), args)) as BudgetAnswer;
    },
    async withdraw(bucket, ticket) {
      await runner.run(WITHDRAW, keysOf(bucket), [ticket]);
    },
    async giveBack(bucket, size) {
      await runner.run(GIVE_BACK, keysOf(bucket), [size.capacity, size.refillPerSecond]);
    },
    async throttled(bucket, size, era) {
      await runner.run(THROTTLED, keysOf(bucket), [size.capacity, size.refillPerSecond, era]);
    },
    async levels() {
      const names = ((await runner.run(LISTED, [LIST_KEY], [])) ?? []) as string[];
      const levels = await Promise.all(
        names.sort().map(async (name): Promise<BudgetLevel[]> => {
          const bucket = bucketNamed(name);
          const level = (await runner.run(LOOK, keysOf(bucket), [])) as Omit<BudgetLevel, "bucket"> | undefined;
          return level === undefined ? [] : [{ bucket, ...level }];
        }),
      );
      return levels.flat();
    },
  };
}

function keysOf(bucket: BudgetBucket): readonly string[] {
  const tag = `{budget:${bucketName(bucket)}}`;
  return [`${tag}:bucket`, `${tag}:queue`, `${tag}:until`];
}
