import type { RegistryAnswer, RegistryEntry, RegistryPage, RegistryStore } from "../store/registry.ts";
import { NODES_LIMIT } from "../store/registry.ts";
import type { Script, ScriptRunner } from "./script.ts";

/**
 * A hash of values ("n" or "o" for who says it, the time, ":", the document), a sorted set of when each entry is over, and
 * one of the names alone, which pages are cut from: an order that stays while nodes publish. One hash tag with the profiles,
 * whose revision goes with each answer.
 */
const NODES = "{registry}:nodes";
const EXPIRY = "{registry}:expiry";
const NAMES = "{registry}:names";
const REVISION = "{registry}:profiles-revision";

/** `now`, in ms, and away with what is over: at most 500 a step, the rest does not count. */
const BEGIN = `
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local over = redis.call("ZRANGEBYSCORE", KEYS[2], "-inf", now, "LIMIT", 0, 500)
if #over > 0 then
  redis.call("HDEL", KEYS[1], unpack(over))
  redis.call("ZREM", KEYS[2], unpack(over))
  redis.call("ZREM", KEYS[3], unpack(over))
end
local nodes = redis.call("ZCOUNT", KEYS[2], "(" .. now, "+inf")
`;

/** A fleet of which no node is left leaves nothing behind for longer than a day. */
const PUBLISH: Script = {
  name: "registry-publish",
  lua: `${BEGIN}
local id, document, ttl, by, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local before = redis.call("HGET", KEYS[1], id)
if before then
  local untilMs = tonumber(redis.call("ZSCORE", KEYS[2], id) or 0)
  if untilMs <= now then before = false end
end
local kept = true
if not before and nodes >= most then kept = false end
if before and by == "o" and string.sub(before, 1, 1) == "n" then kept = false end
if kept then
  redis.call("HSET", KEYS[1], id, by .. now .. ":" .. document)
  redis.call("ZADD", KEYS[2], now + ttl, id)
  redis.call("ZADD", KEYS[3], 0, id)
  for at = 1, 3 do redis.call("EXPIRE", KEYS[at], 86400) end
  if not before then nodes = nodes + 1 end
end
local revision = tonumber(redis.call("GET", KEYS[4]) or 0)
return cjson.encode({kept = kept, nodes = nodes, profilesRevision = revision})
`,
};

const REMOVE: Script = {
  name: "registry-remove",
  lua: `
redis.call("HDEL", KEYS[1], ARGV[1])
redis.call("ZREM", KEYS[2], ARGV[1])
redis.call("ZREM", KEYS[3], ARGV[1])
return nil
`,
};

const LIST: Script = {
  name: "registry-list",
  lua: `${BEGIN}
local after, limit = ARGV[1], tonumber(ARGV[2])
local from = "-"
if after ~= "" then from = "(" .. after end
local names = redis.call("ZRANGEBYLEX", KEYS[3], from, "+", "LIMIT", 0, limit + 1)
local following = ""
if #names > limit then
  table.remove(names)
  following = names[limit]
end
local entries = {}
if #names > 0 then
  local values = redis.call("HMGET", KEYS[1], unpack(names))
  local expiry = redis.call("ZMSCORE", KEYS[2], unpack(names))
  for at, name in ipairs(names) do
    if values[at] and expiry[at] and tonumber(expiry[at]) > now then
      entries[#entries + 1] = {name, values[at], tonumber(expiry[at])}
    end
  end
end
return cjson.encode({nowMs = now, nodes = nodes, entries = entries, next = following})
`,
};

const BY = { node: "n", other: "o" } as const;

export function redisRegistryStore(runner: ScriptRunner): RegistryStore {
  const keys = [NODES, EXPIRY, NAMES];
  return {
    publish: async ({ nodeId, document, ttlMs, by }) =>
      (await runner.run(
        PUBLISH,
        [...keys, REVISION],
        [nodeId, document, Math.round(ttlMs), BY[by], NODES_LIMIT],
      )) as RegistryAnswer,
    async remove(nodeId) {
      await runner.run(REMOVE, keys, [nodeId]);
    },
    async list(after, limit) {
      const answer = (await runner.run(LIST, keys, [after, limit])) as ListAnswer;
      return { ...answer, entries: Array.isArray(answer.entries) ? answer.entries.map(entryOf) : [] };
    },
  };
}

interface ListAnswer extends Omit<RegistryPage, "entries"> {
  /** cjson writes an empty list as an object. */
  readonly entries: readonly (readonly [string, string, number])[] | object;
}

function entryOf([nodeId, value, expiresAtMs]: readonly [string, string, number]): RegistryEntry {
  const end = value.indexOf(":");
  return {
    nodeId,
    by: value.startsWith(BY.node) ? "node" : "other",
    publishedAtMs: Number(value.slice(1, end)),
    document: value.slice(end + 1),
    expiresAtMs,
  };
}
