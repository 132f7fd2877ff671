import { SIGN_OF_LIFE_MS, TOMBSTONE_MS, TOMBSTONES_LIMIT } from "../store/fixed.ts";

/**
 * 1 records: hash of pod → JSON of StoredFixed. 2 addresses: hash of address → pod. 3 names: sorted set of pods, by name.
 * 4 held: sorted set of "node pod", by name. 5 alive: sorted set of nodes by last sign of life. 6 gone: hash of pod → JSON of
 * FixedTombstone. 7 gone-at: sorted set of these pods by time. 8 store: JSON of StoreMarker. 9 expiry: sorted set of parked
 * pods by the time at which they are over.
 */
export const FIXED_KEYS = ["records", "addresses", "names", "held", "alive", "gone", "gone-at", "store", "expiry"].map(
  (name) => `{fixed}:${name}`,
);

/**
 * What the steps share: `src/fleet/memory/fixed-data.ts` in Lua. The server's process is known by its run_id, where the user
 * of the store may ask for INFO; where not, only data that is gone altogether is noticed.
 */
export const FIXED_LIBRARY = `
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local info = redis.pcall("INFO", "server")
local run = type(info) == "string" and string.match(info, "run_id:(%w+)") or "unknown"
local function text(number) return string.format("%.0f", number) end
local function load(key, field)
  local json = redis.call("HGET", key, field)
  return json and cjson.decode(json) or nil
end
local function record_of(pod) return load(KEYS[1], pod) end
local function gone_of(pod)
  local at = redis.call("ZSCORE", KEYS[7], pod)
  if not at or tonumber(at) + ${TOMBSTONE_MS} <= now then return nil end
  return load(KEYS[6], pod)
end
local function unlist(record)
  redis.call("ZREM", KEYS[4], record.holder .. " " .. record.pod)
  redis.call("ZREM", KEYS[9], record.pod)
  if redis.call("HGET", KEYS[2], record.address) == record.pod then redis.call("HDEL", KEYS[2], record.address) end
end
local function put(stored, by)
  local record = stored.record
  local before = record_of(record.pod)
  if before then unlist(before.record) end
  stored.run = by or run
  redis.call("HSET", KEYS[1], record.pod, cjson.encode(stored))
  redis.call("HSET", KEYS[2], record.address, record.pod)
  redis.call("ZADD", KEYS[3], 0, record.pod)
  if record.holder ~= "" then redis.call("ZADD", KEYS[4], 0, record.holder .. " " .. record.pod) end
  if record.state == "parked" and record.expiresAtMs then
    redis.call("ZADD", KEYS[9], text(record.expiresAtMs), record.pod)
  end
  redis.call("HDEL", KEYS[6], record.pod)
  redis.call("ZREM", KEYS[7], record.pod)
end
local function bury(record)
  redis.call("HSET", KEYS[6], record.pod, cjson.encode({record = record, atMs = now}))
  redis.call("ZADD", KEYS[7], text(now), record.pod)
  local old = redis.call("ZRANGEBYSCORE", KEYS[7], "-inf", text(now - ${TOMBSTONE_MS}), "LIMIT", 0, 100)
  local beyond = redis.call("ZCARD", KEYS[7]) - #old - ${TOMBSTONES_LIMIT}
  if beyond > 0 then old = redis.call("ZRANGE", KEYS[7], 0, #old + math.min(beyond, 100) - 1) end
  for _, pod in ipairs(old) do
    redis.call("HDEL", KEYS[6], pod)
    redis.call("ZREM", KEYS[7], pod)
  end
end
local function drop(record)
  local kept = record_of(record.pod)
  if kept then unlist(kept.record) end
  redis.call("HDEL", KEYS[1], record.pod)
  redis.call("ZREM", KEYS[3], record.pod)
  bury(record)
end
local function seen_at(node) return tonumber(redis.call("ZSCORE", KEYS[5], node) or nil) end
local function is_alive(node, ttl)
  local at = seen_at(node)
  return at ~= nil and now - at <= ttl
end
local function seen(node)
  redis.call("ZADD", KEYS[5], text(now), node)
  redis.call("ZREMRANGEBYSCORE", KEYS[5], "-inf", text(now - ${SIGN_OF_LIFE_MS}))
end
local function done(record) return {kind = "done", record = record} end
local function taken(stored) return {kind = "taken", record = stored and stored.record or nil} end
local function entry_of(stored)
  local record = stored.record
  return {
    record = record,
    wantedBy = stored.want and stored.want.by or "",
    ending = stored.ending or false,
    holderSeenAtMs = record.holder ~= "" and seen_at(record.holder) or nil,
  }
end
local function epoch_after(epoch, jumps)
  if jumps then return math.max(epoch + 1, math.floor(now / 1000)) end
  return epoch + 1
end
local function begin(start, holder, holder_name, state, torn)
  local gone = gone_of(start.pod)
  local record = {
    pod = start.pod, address = start.address, subnetId = start.subnetId, zone = start.zone, keepMs = start.keepMs,
    epoch = epoch_after(gone and gone.record.epoch or 0, torn), holder = holder, holderName = holder_name, state = state,
  }
  put({record = record})
  return done(record)
end
local function is_taken(start)
  local other = record_of(start.pod)
  if not other then
    local pod = redis.call("HGET", KEYS[2], start.address)
    other = pod and record_of(pod)
  end
  return other and taken(other) or nil
end
`;

/**
 * Looks at what the data is. ARGV[1] is JSON of the caller.
 */
export const FIXED_OPENING = `
local caller = cjson.decode(ARGV[1])
local times = caller.times
local json = redis.call("GET", KEYS[8])
local marker = json and cjson.decode(json) or {id = caller.freshStore, run = "", settlesAtMs = 0, lost = false, torn = false}
local function keep() redis.call("SET", KEYS[8], cjson.encode(marker)) end
if marker.run ~= run then
  marker.torn = marker.run ~= ""
  marker.run = run
  marker.lost = false
  marker.settlesAtMs = math.max(marker.settlesAtMs, now + times.settleMs)
  keep()
end
local function lost()
  if marker.lost then return end
  marker.lost = true
  marker.torn = true
  marker.settlesAtMs = math.max(marker.settlesAtMs, now + times.youngMs)
  keep()
end
if caller.knownStore ~= "" and caller.knownStore ~= marker.id then lost() end
local function settling() return marker.settlesAtMs > now end
local function told(answer)
  answer.store = marker.id
  return cjson.encode(answer)
end
`;
