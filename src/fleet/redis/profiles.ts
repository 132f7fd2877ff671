import type { FleetProfile } from "../../manager/ports/index.ts";
import { PROFILES_LIMIT, type ProfileAnswer, type ProfileList, type ProfileStore } from "../store/profiles.ts";
import type { Script, ScriptRunner } from "./script.ts";

/** A hash of profiles by name, and their revision; the hash tag is the registry's, whose answers carry the revision. */
const PROFILES = "{registry}:profiles";
const REVISION = "{registry}:profiles-revision";

const BEGIN = `
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local revision = tonumber(redis.call("GET", KEYS[2]) or 0)
`;

/** The next revision: later than any before, also than one that a loss of data took away. */
const CHANGED = `
revision = math.max(revision + 1, now)
redis.call("SET", KEYS[2], string.format("%.0f", revision))
`;

const LIST: Script = {
  name: "profiles-list",
  lua: `${BEGIN}
local values = redis.call("HVALS", KEYS[1])
return cjson.encode({revision = revision, profiles = values})
`,
};

/** ARGV: name, profile as JSON without its time, the revision it builds on, the most profiles. */
const PUT: Script = {
  name: "profiles-put",
  lua: `${BEGIN}
if revision ~= tonumber(ARGV[3]) then return cjson.encode({kind = "changed", revision = revision}) end
if redis.call("HEXISTS", KEYS[1], ARGV[1]) == 0 and redis.call("HLEN", KEYS[1]) >= tonumber(ARGV[4]) then
  return cjson.encode({kind = "full", revision = revision})
end
${CHANGED}
redis.call("HSET", KEYS[1], ARGV[1], string.format("%.0f", now) .. ":" .. ARGV[2])
return cjson.encode({kind = "done", revision = revision})
`,
};

const REMOVE: Script = {
  name: "profiles-remove",
  lua: `${BEGIN}
if revision ~= tonumber(ARGV[2]) then return cjson.encode({kind = "changed", revision = revision}) end
redis.call("HDEL", KEYS[1], ARGV[1])
${CHANGED}
return cjson.encode({kind = "done", revision = revision})
`,
};

/** ARGV: the revision, then names and values in turn. */
const RESTORE: Script = {
  name: "profiles-restore",
  lua: `${BEGIN}
if revision < tonumber(ARGV[1]) then
  redis.call("DEL", KEYS[1])
  for at = 2, #ARGV, 2 do redis.call("HSET", KEYS[1], ARGV[at], ARGV[at + 1]) end
  revision = tonumber(ARGV[1])
  redis.call("SET", KEYS[2], ARGV[1])
end
return cjson.encode({revision = revision})
`,
};

export function redisProfileStore(runner: ScriptRunner): ProfileStore {
  const keys = [PROFILES, REVISION];
  return {
    async list() {
      const { revision, profiles } = (await runner.run(LIST, keys, [])) as { revision: number; profiles: unknown };
      const values = Array.isArray(profiles) ? (profiles as string[]).map(profileOf) : [];
      return { revision, profiles: values.sort((one, other) => (one.name < other.name ? -1 : 1)) };
    },
    put: async (profile, revision) =>
      (await runner.run(PUT, keys, [profile.name, JSON.stringify(profile), revision, PROFILES_LIMIT])) as ProfileAnswer,
    remove: async (name, revision) => (await runner.run(REMOVE, keys, [name, revision])) as ProfileAnswer,
    restore: async ({ revision, profiles }: ProfileList) =>
      (await runner.run(RESTORE, keys, [
        revision,
        ...profiles.flatMap((profile) => [profile.name, storedText(profile)]),
      ])) as { revision: number },
  };
}

/** "SETATMS:JSON": the store's time goes before the text, which no script needs to read. */
function storedText({ setAtMs, ...profile }: FleetProfile): string {
  return `${setAtMs}:${JSON.stringify(profile)}`;
}

function profileOf(value: string): FleetProfile {
  const end = value.indexOf(":");
  const profile = JSON.parse(value.slice(end + 1)) as Omit<FleetProfile, "setAtMs">;
  return { ...profile, setAtMs: Number(value.slice(0, end)) };
}
