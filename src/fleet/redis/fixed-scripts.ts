import { BECAUSE, SWEEP_LIMIT } from "../store/fixed.ts";
import { FIXED_LIBRARY, FIXED_OPENING } from "./fixed-script.ts";
import type { Script } from "./script.ts";

/** ARGV[1] pod. */
export const FIND: Script = {
  name: "fixed-find",
  lua: `${FIXED_LIBRARY}
local stored = record_of(ARGV[1])
return stored and cjson.encode(entry_of(stored)) or false
`,
};

/** ARGV addresses. */
export const AMONG: Script = {
  name: "fixed-among",
  lua: `${FIXED_LIBRARY}
local found = {}
for _, address in ipairs(ARGV) do
  local pod = redis.call("HGET", KEYS[2], address)
  local stored = pod and record_of(pod)
  if stored then found[#found + 1] = stored.record end
end
return #found > 0 and cjson.encode(found) or false
`,
};

/** ARGV[1] caller, [2] pod. */
export const CLAIM: Script = {
  name: "fixed-claim",
  acks: true,
  lua: `${FIXED_LIBRARY}${FIXED_OPENING}
local stored = record_of(ARGV[2])
if not stored then
  if not settling() then return told({kind = "none"}) end
  return told({kind = "young", retryMs = math.min(times.retryMs, marker.settlesAtMs - now)})
end
local record = stored.record
local function held(because)
  return told({kind = "held", record = record, retryMs = times.retryMs, because = because})
end
local function take(is_fenced)
  local from = record.holder
  record.expiresAtMs = nil
  record.epoch = epoch_after(record.epoch, is_fenced or stored.run ~= run)
  record.holder = caller.nodeId
  record.holderName = caller.nodeName
  record.state = "moving"
  put({record = record, from = from})
  return told({kind = "claimed", record = record, from = from})
end
if record.holder == caller.nodeId then
  if stored.ending then return held("${BECAUSE.ending}") end
  return told({kind = "claimed", record = record, from = stored.from or ""})
end
if record.state == "parked" and not stored.ending then
  if settling() then return held("${BECAUSE.settling}") end
  return take(false)
end
local want = stored.want
local since = now
if want and now - want.atMs <= times.gapMs then since = want.sinceMs end
stored.want = {by = caller.nodeId, sinceMs = since, atMs = now}
put(stored, stored.run)
if is_alive(record.holder, times.ttlMs) then
  return held(stored.ending and "${BECAUSE.ending}" or "${BECAUSE.alive}")
end
if settling() then return held("${BECAUSE.settling}") end
if now - since < times.graceMs then return held("${BECAUSE.grace}") end
if stored.ending then
  drop(record)
  return told({kind = "none"})
end
return take(true)
`,
};

/** ARGV[1] caller, [2] start. */
export const CREATE: Script = {
  name: "fixed-create",
  acks: true,
  lua: `${FIXED_LIBRARY}${FIXED_OPENING}
local start = cjson.decode(ARGV[2])
local stored = record_of(start.pod)
if stored then
  local before = stored.record
  if before.state == "bound" and before.holder == caller.nodeId and before.address == start.address then
    return told(done(before))
  end
end
local refusal = is_taken(start)
if refusal then return told(refusal) end
if settling() then return told(taken()) end
return told(begin(start, caller.nodeId, caller.nodeName, "bound", marker.torn))
`,
};

/** ARGV[1] what, [2] node, [3] pod, [4] epoch. */
export const CHANGE: Script = {
  name: "fixed-change",
  acks: true,
  lua: `${FIXED_LIBRARY}
local what, node, pod, epoch = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local stored = record_of(pod)
if not stored then
  local gone = gone_of(pod)
  if what == "forget" and gone and gone.record.epoch == epoch and gone.record.holder == node then
    return cjson.encode(done(gone.record))
  end
  return cjson.encode(taken())
end
local record = stored.record
local is_in = record.epoch == epoch and record.holder == node
local is_next = stored.before == epoch
local function expiry()
  if record.keepMs > 0 then return now + record.keepMs end
  return nil
end
local is_there = record.holder == node and (is_in or is_next)
if what == "bind" then
  if is_there and record.state == "bound" then return cjson.encode(done(record)) end
  if not is_in or stored.ending then return cjson.encode(taken(stored)) end
  record.state = "bound"
  record.expiresAtMs = nil
elseif what == "park" then
  if is_there and record.state == "parked" then return cjson.encode(done(record)) end
  if not is_in then return cjson.encode(taken(stored)) end
  record.state = "parked"
  record.expiresAtMs = expiry()
elseif what == "yield" then
  if is_next and record.holder == "" and record.state == "parked" then return cjson.encode(done(record)) end
  if not is_in then return cjson.encode(taken(stored)) end
  record.state = "parked"
  record.holder = ""
  record.holderName = ""
  record.expiresAtMs = record.expiresAtMs or expiry()
elseif what == "forget" then
  if not is_in then return cjson.encode(taken(stored)) end
  drop(record)
  return cjson.encode(done(record))
else
  return redis.error_reply("unknown change " .. what)
end
record.epoch = epoch_after(epoch, stored.run ~= run)
put({record = record, before = epoch, want = what == "park" and stored.want or nil})
return cjson.encode(done(record))
`,
};

/** ARGV[1] caller, from [2] on the records that it holds, or that are nobody's. */
export const SYNC: Script = {
  name: "fixed-sync",
  lua: `${FIXED_LIBRARY}${FIXED_OPENING}
seen(caller.nodeId)
local function verdict(stored, pod)
  local record = stored.record
  if record.holder ~= caller.nodeId then return {kind = "lost", pod = pod, record = record} end
  if record.state ~= "parked" or not record.expiresAtMs or record.expiresAtMs > now then
    return {kind = "yours", record = record, wantedBy = stored.want and stored.want.by or ""}
  end
  if not stored.ending then
    stored.ending = true
    put(stored, stored.run)
  end
  return {kind = "expired", record = record}
end
local function sync(mine)
  local pod = mine.pod
  local stored = record_of(pod)
  if mine.holder ~= caller.nodeId and mine.holder ~= "" then
    return stored and verdict(stored, pod) or {kind = "gone", pod = pod}
  end
  local known = stored or gone_of(pod)
  if known and known.record.epoch >= mine.epoch then
    return stored and verdict(stored, pod) or {kind = "gone", pod = pod}
  end
  lost()
  local other = redis.call("HGET", KEYS[2], mine.address)
  local rival = other and other ~= pod and record_of(other)
  if rival then
    if mine.holder == "" then return {kind = "gone", pod = pod} end
    local theirs = rival.record
    local stronger = mine.epoch > theirs.epoch
    if mine.epoch == theirs.epoch then stronger = mine.state == "bound" and theirs.state ~= "bound" end
    if not stronger then
      drop(mine)
      return {kind = "gone", pod = pod}
    end
    drop(theirs)
  end
  local back = {record = mine, want = stored and stored.want or nil}
  put(back, "")
  return verdict(back, pod)
end
local verdicts = {}
for at = 2, #ARGV do verdicts[at - 1] = sync(cjson.decode(ARGV[at])) end
return told({verdicts = verdicts})
`,
};

/** ARGV[1] node, [2] after, [3] limit. */
export const HELD_BY: Script = {
  name: "fixed-held-by",
  lua: `${FIXED_LIBRARY}
local node, after, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local names = redis.call("ZRANGEBYLEX", KEYS[4], "(" .. node .. " " .. after, "(" .. node .. "!", "LIMIT", 0, limit + 1)
local more = #names > limit
if more then table.remove(names) end
local entries = {}
for at, name in ipairs(names) do entries[at] = entry_of(record_of(string.sub(name, #node + 2))) end
local following = more and entries[limit].record.pod or ""
return cjson.encode({entries = entries, nowMs = now, next = following})
`,
};

/** ARGV[1] after, [2] limit. */
export const LIST: Script = {
  name: "fixed-list",
  lua: `${FIXED_LIBRARY}
local after, limit = ARGV[1], tonumber(ARGV[2])
local from = after == "" and "-" or "(" .. after
local names = redis.call("ZRANGEBYLEX", KEYS[3], from, "+", "LIMIT", 0, limit + 1)
local more = #names > limit
if more then table.remove(names) end
local entries = {}
for at, name in ipairs(names) do entries[at] = entry_of(record_of(name)) end
return cjson.encode({entries = entries, nowMs = now, next = more and names[limit] or ""})
`,
};

/** ARGV[1] pod, [2] "forced" or "". */
export const RELEASE: Script = {
  name: "fixed-release",
  lua: `${FIXED_LIBRARY}
local stored = record_of(ARGV[1])
if not stored then return cjson.encode({kind = "unknown"}) end
local record = stored.record
if record.state ~= "parked" and ARGV[2] ~= "forced" then return cjson.encode({kind = "bound", record = record}) end
if record.state ~= "parked" or record.holder == "" then
  record.epoch = record.epoch + 1
  drop(record)
  return cjson.encode({kind = "dropped", record = record})
end
record.expiresAtMs = now
put(stored, stored.run)
return cjson.encode({kind = "expires", record = record})
`,
};

/** ARGV[1] start. */
export const PIN: Script = {
  name: "fixed-pin",
  lua: `${FIXED_LIBRARY}
local start = cjson.decode(ARGV[1])
return cjson.encode(is_taken(start) or begin(start, "", "", "parked"))
`,
};

/** ARGV[1] overdueMs, [2] ttlMs. At most 1,000 records are looked at. */
export const SWEEP: Script = {
  name: "fixed-sweep",
  lua: `${FIXED_LIBRARY}
local over = redis.call("ZRANGEBYSCORE", KEYS[9], "-inf", text(now - tonumber(ARGV[1])), "LIMIT", 0, 1000)
local dropped = 0
for _, pod in ipairs(over) do
  local record = record_of(pod).record
  if dropped < ${SWEEP_LIMIT} and not is_alive(record.holder, tonumber(ARGV[2])) then
    drop(record)
    dropped = dropped + 1
  end
end
return cjson.encode({dropped = dropped})
`,
};
