import { type SingletonAnswer, type SingletonStore, TASK_KEEP_MS } from "../store/singletons.ts";
import type { Script, ScriptRunner } from "./script.ts";

/** KEYS: the task. ARGV: asker, token, highest token seen, time to live, how long it is known. */
const HOLD: Script = {
  name: "singletons-hold",
  lua: `
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local asker, token, seen, ttl = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local known = redis.call("HMGET", KEYS[1], "asker", "token", "until")
local holder, held, ends = known[1] or "", tonumber(known[2] or "0"), tonumber(known[3] or "0")
local late = ends > now + ttl
if late then ends = now + ttl end
if ends > now and holder ~= asker then
  if late then redis.call("HSET", KEYS[1], "until", string.format("%.0f", ends)) end
  return cjson.encode({ kind = "taken", token = held, endsInMs = ends - now })
end
local granted = token
if ends <= now or held ~= token then granted = math.max(held + 1, seen + 1, now) end
redis.call("HSET", KEYS[1], "asker", asker, "token", string.format("%.0f", granted), "until", string.format("%.0f", now + ttl))
redis.call("PEXPIRE", KEYS[1], ARGV[5])
return cjson.encode({ kind = "held", token = granted })
`,
};

/** KEYS: the task. ARGV: asker, token. */
const RELEASE: Script = {
  name: "singletons-release",
  lua: `
local known = redis.call("HMGET", KEYS[1], "asker", "token")
if known[1] == ARGV[1] and tonumber(known[2]) == tonumber(ARGV[2]) then
  redis.call("HSET", KEYS[1], "until", "0")
end
return nil
`,
};

export const SINGLETON_SCRIPTS: readonly Script[] = [HOLD, RELEASE];

export function redisSingletonStore(runner: ScriptRunner): SingletonStore {
  const keys = (task: string) => [`{singletons}:${task}`];
  return {
    hold: async ({ task, asker, token, seen, ttlMs }) =>
      (await runner.run(HOLD, keys(task), [asker, token, seen, ttlMs, TASK_KEEP_MS])) as SingletonAnswer,
    release: async (task, asker, token) => {
      await runner.run(RELEASE, keys(task), [asker, token]);
    },
  };
}
