import { PROFILES_LIMIT, type ProfileAnswer, type ProfileList, type ProfileStore } from "../store/profiles.ts";
import type { Database, MemoryClient } from "./server.ts";

/** All of them, with their revision. */
export const PROFILES_KEY = "{registry}:profiles";

export function memoryProfileStore(client: MemoryClient): ProfileStore {
  return {
    list: () => client.run(listOf),
    put: (profile, revision) =>
      client.run((database) =>
        change(database, revision, ({ profiles }) => {
          const others = profiles.filter(({ name }) => name !== profile.name);
          if (others.length === profiles.length && profiles.length >= PROFILES_LIMIT) return undefined;
          return [...others, { ...profile, setAtMs: database.nowMs }];
        }),
      ),
    remove: (name, revision) =>
      client.run((database) =>
        change(database, revision, ({ profiles }) => profiles.filter((profile) => profile.name !== name)),
      ),
    restore: ({ revision, profiles }) =>
      client.run((database) => {
        const now = listOf(database).revision;
        if (now >= revision) return { revision: now };
        database.put(PROFILES_KEY, { revision, profiles });
        return { revision };
      }),
  };
}

function listOf(database: Database): ProfileList {
  return database.get<ProfileList>(PROFILES_KEY) ?? { revision: 0, profiles: [] };
}

/** `changed` answers the profiles that follow; undefined = there is no room. */
function change(
  database: Database,
  revision: number,
  changed: (list: ProfileList) => ProfileList["profiles"] | undefined,
): ProfileAnswer {
  const list = listOf(database);
  if (list.revision !== revision) return { kind: "changed", revision: list.revision };
  const profiles = changed(list);
  if (profiles === undefined) return { kind: "full", revision };
  const next = Math.max(revision + 1, database.nowMs);
  const sorted = profiles.toSorted((one, other) => (one.name < other.name ? -1 : 1));
  database.put(PROFILES_KEY, { revision: next, profiles: sorted });
  return { kind: "done", revision: next };
}
