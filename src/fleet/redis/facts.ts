import {
  FACT_FORGOTTEN_MS,
  FACTS_BYTES_MOST,
  FACTS_MOST,
  type FactAnswer,
  type FactStore,
  FETCH_GUESS_MS,
  RETRY_LEAST_MS,
  RETRY_MOST_MS,
} from "../store/facts.ts";
import type { Script, ScriptRunner } from "./script.ts";

/**
 * Hashes by name of the fact: what is known of it, and its text; a sorted set of the names by when all that is known of them
 * ends; the bytes of all texts. One slot of a cluster: what makes room must see all of them.
 */
const KEYS = ["{facts}:about", "{facts}:values", "{facts}:order", "{facts}:bytes"];

/** The longest that a fact is kept: an abandoned fleet leaves nothing for longer. */
const KEEP_MOST_MS = 25 * 3_600_000;

const SHARED = `
local about, values, order, total = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local name, asker = ARGV[1], ARGV[2]

local function drop(other)
  local raw = redis.call("HGET", about, other)
  if raw then
    local bytes = cjson.decode(raw).bytes
    if bytes > 0 then redis.call("DECRBY", total, bytes) end
  end
  redis.call("HDEL", about, other)
  redis.call("HDEL", values, other)
  redis.call("ZREM", order, other)
end

local function look()
  local raw = redis.call("HGET", about, name)
  if not raw then return nil end
  local forgotten = redis.call("ZSCORE", order, name)
  if forgotten and tonumber(forgotten) > now then return cjson.decode(raw) end
  drop(name)
  return nil
end

local function keep(known)
  local ends = math.max(known.turnUntilMs, known.keptUntilMs, known.unsharedUntilMs, now) + ${FACT_FORGOTTEN_MS}
  redis.call("HSET", about, name, cjson.encode(known))
  redis.call("ZADD", order, string.format("%.0f", ends), name)
  for _, other in ipairs(redis.call("ZRANGEBYSCORE", order, "-inf", string.format("%.0f", now), "LIMIT", 0, 50)) do drop(other) end
  while redis.call("ZCARD", order) > ${FACTS_MOST} or tonumber(redis.call("GET", total) or "0") > ${FACTS_BYTES_MOST} do
    local first = redis.call("ZRANGE", order, 0, 1)
    local other = first[1] == name and first[2] or first[1]
    if not other or other == name then break end
    drop(other)
  end
  for _, key in ipairs(KEYS) do redis.call("PEXPIRE", key, ${KEEP_MOST_MS}) end
end
`;

/** ARGV: name, asker, greatest age, length of a turn, "1" = takes over. */
const READ: Script = {
  name: "facts-read",
  lua: `${SHARED}
local age, turn, over = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == "1"
local known = look() or { token = 0, asker = "", begunAtMs = 0, turnUntilMs = 0, bornAtMs = 0, tookMs = 0, keptUntilMs = 0, unsharedUntilMs = 0, bytes = 0 }
if not over then
  if known.unsharedUntilMs > now then return cjson.encode({ kind = "unshared" }) end
  local old = now - known.bornAtMs
  if known.keptUntilMs > now and old >= 0 and old <= age then
    local json = redis.call("HGET", values, name)
    if json then return cjson.encode({ kind = "fact", json = json, ageMs = old }) end
  end
  if known.turnUntilMs > now and known.begunAtMs <= now and known.asker ~= asker then
    local elapsed = now - known.begunAtMs
    local expected = known.tookMs > 0 and known.tookMs or ${FETCH_GUESS_MS}
    local pause = elapsed < expected and expected - elapsed or elapsed / 2
    pause = math.max(${RETRY_LEAST_MS}, math.min(${RETRY_MOST_MS}, pause))
    pause = math.ceil(math.min(pause, known.turnUntilMs - now + 1))
    return cjson.encode({ kind = "wait", token = known.token, retryMs = pause })
  end
end
known.token = math.max(known.token + 1, now)
known.asker = asker
known.begunAtMs = now
known.turnUntilMs = now + turn
keep(known)
return cjson.encode({ kind = "turn", token = known.token })
`,
};

/** ARGV: name, asker, token, text, how long it is kept. */
const WRITE: Script = {
  name: "facts-write",
  lua: `${SHARED}
local known = look()
if not known or known.token ~= tonumber(ARGV[3]) or known.asker ~= asker then return "false" end
local bytes = #ARGV[4]
redis.call("HSET", values, name, ARGV[4])
redis.call("INCRBY", total, bytes - known.bytes)
known.turnUntilMs = 0
known.bornAtMs = known.begunAtMs
known.tookMs = math.max(0, now - known.begunAtMs)
known.keptUntilMs = now + tonumber(ARGV[5])
known.unsharedUntilMs = 0
known.bytes = bytes
keep(known)
return "true"
`,
};

/** ARGV: name, asker, token, for how long nobody shares it. */
const GIVE_BACK: Script = {
  name: "facts-give-back",
  lua: `${SHARED}
local known = look()
if not known or known.token ~= tonumber(ARGV[3]) or known.asker ~= asker then return nil end
local unshared = tonumber(ARGV[4])
known.turnUntilMs = 0
known.unsharedUntilMs = unshared > 0 and now + unshared or 0
keep(known)
return nil
`,
};

export const FACT_SCRIPTS: readonly Script[] = [READ, WRITE, GIVE_BACK];

export function redisFactStore(runner: ScriptRunner): FactStore {
  return {
    read: async ({ name, asker, maxAgeMs, turnMs, takesOver }) =>
      (await runner.run(READ, KEYS, [name, asker, maxAgeMs, turnMs, takesOver ? "1" : "0"])) as FactAnswer,
    write: async ({ name, asker, token, json, keepMs }) =>
      (await runner.run(WRITE, KEYS, [name, asker, token, json, Math.min(keepMs, KEEP_MOST_MS)])) === true,
    giveBack: async ({ name, asker, token }, unsharedMs) => {
      await runner.run(GIVE_BACK, KEYS, [name, asker, token, unsharedMs]);
    },
  };
}
