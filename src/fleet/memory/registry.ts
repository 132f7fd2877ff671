import { NODES_LIMIT, type RegistryEntry, type RegistryStore } from "../store/registry.ts";
import { PROFILES_KEY } from "./profiles.ts";
import type { MemoryClient } from "./server.ts";

/** Each entry under a key of its own, with its time to live. */
const NODES = "{registry}:node:";

type Stored = Omit<RegistryEntry, "nodeId">;

export function memoryRegistryStore(client: MemoryClient): RegistryStore {
  return {
    publish: ({ nodeId, document, ttlMs, by }) =>
      client.run((database) => {
        const { nowMs } = database;
        const before = database.get<Stored>(NODES + nodeId);
        const nodes = database.count(NODES);
        const kept = before === undefined ? nodes < NODES_LIMIT : by === "node" || before.by === "other";
        if (kept) {
          const expiresAtMs = nowMs + Math.round(ttlMs);
          const entry: Stored = { document, by, publishedAtMs: nowMs, expiresAtMs };
          database.put(NODES + nodeId, entry, Math.round(ttlMs));
        }
        const profilesRevision = database.get<{ revision: number }>(PROFILES_KEY)?.revision ?? 0;
        return { kept, nodes: nodes + (kept && before === undefined ? 1 : 0), profilesRevision };
      }),
    remove: (nodeId) => client.run((database) => database.remove(NODES + nodeId)),
    list: (after, limit) =>
      client.run((database) => {
        const all = database.entries<Stored>(NODES);
        const following = all.filter(([key]) => key.slice(NODES.length) > after);
        const entries = following
          .slice(0, limit)
          .map(([key, stored]): RegistryEntry => ({ nodeId: key.slice(NODES.length), ...stored }));
        const next = following.length > limit ? (entries.at(-1)?.nodeId ?? "") : "";
        return { nowMs: database.nowMs, nodes: all.length, entries, next };
      }),
  };
}
