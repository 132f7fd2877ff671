import { beforeEach, describe, expect, it } from "vitest";
import { PAGE_LIMIT, type RegistryEntry, type RegistryStore } from "../../../src/fleet/store/registry.ts";
import type { StoreBench } from "./store-bench.ts";

/** What every engine of the registry does. `bench` answers an empty store each time. */
export function describeRegistryContract(name: string, bench: () => Promise<StoreBench>): void {
  describe(`the registry (${name})`, () => {
    let store: RegistryStore;
    let pass: StoreBench["pass"];
    let ttlMs: number;

    beforeEach(async () => {
      const opened = await bench();
      store = opened.store.registry;
      ({ pass, shortMs: ttlMs } = opened);
    });

    const put = (nodeId: string, more: { by?: "node" | "other"; ttlMs?: number; document?: string } = {}) =>
      store.publish({
        nodeId,
        document: more.document ?? JSON.stringify({ nodeId }),
        ttlMs: more.ttlMs ?? 60_000,
        by: more.by ?? "node",
      });

    async function all(limit: number): Promise<RegistryEntry[]> {
      const entries: RegistryEntry[] = [];
      let after = "";
      do {
        const page = await store.list(after, limit);
        expect(page.entries.length).toBeLessThanOrEqual(limit);
        entries.push(...page.entries);
        after = page.next;
      } while (after !== "");
      return entries;
    }

    it("is empty at first, and says so", async () => {
      expect(await store.list("", 10)).toMatchObject({ nodes: 0, entries: [], next: "" });
    });

    it("keeps what a node says, with the store's time, and counts the nodes", async () => {
      const document = JSON.stringify({ name: 'ä/"\\\u0001', n: 1.5, none: [], deep: { a: [1] } });
      expect(await put("i-1", { document })).toEqual({ kept: true, nodes: 1, profilesRevision: 0 });
      expect(await put("i-2")).toMatchObject({ kept: true, nodes: 2 });
      expect(await put("i-1", { document })).toMatchObject({ kept: true, nodes: 2 });
      const { entries, nodes, nowMs } = await store.list("", 10);
      expect(nodes).toBe(2);
      expect(entries.map(({ nodeId }) => nodeId)).toEqual(["i-1", "i-2"]);
      expect(entries[0]).toMatchObject({ document, by: "node" });
      expect(entries[0]?.publishedAtMs).toBeLessThanOrEqual(nowMs);
      expect((entries[0]?.expiresAtMs ?? 0) - (entries[0]?.publishedAtMs ?? 0)).toBe(60_000);
    });

    it("forgets who does not renew in time, and whoever leaves at once", async () => {
      await put("i-1", { ttlMs });
      await put("i-2");
      await put("i-3");
      await store.remove("i-3");
      await store.remove("i-unknown");
      expect(await store.list("", 10)).toMatchObject({ nodes: 2 });
      await pass(ttlMs * 1.5);
      const { entries, nodes } = await store.list("", 10);
      expect([nodes, entries.map(({ nodeId }) => nodeId)]).toEqual([1, ["i-2"]]);
      expect(await put("i-1")).toMatchObject({ kept: true, nodes: 2 });
    });

    it("goes on with who renews", async () => {
      for (let times = 0; times < 4; times++) {
        await put("i-1", { ttlMs });
        await pass(ttlMs * 0.4);
      }
      expect(await store.list("", 10)).toMatchObject({ nodes: 1 });
    });

    it("gives pages that hold each node once, in order, whatever the size of the page", async () => {
      const ids = Array.from({ length: 45 }, (_, n) => `node-${String((n * 17) % 45).padStart(2, "0")}`);
      for (const id of ids) await put(id);
      for (const limit of [1, 7, 44, 45, 46, PAGE_LIMIT]) {
        expect((await all(limit)).map(({ nodeId }) => nodeId)).toEqual(ids.toSorted());
      }
      expect((await store.list("node-43", 10)).entries.map(({ nodeId }) => nodeId)).toEqual(["node-44"]);
      expect(await store.list("node-44", 10)).toMatchObject({ entries: [], next: "" });
    });

    it("never lets what others say of a node take the place of what it says itself", async () => {
      expect(await put("old-1", { by: "other", document: '{"v":1}' })).toMatchObject({ kept: true, nodes: 1 });
      expect(await put("old-1", { by: "other", document: '{"v":2}' })).toMatchObject({ kept: true, nodes: 1 });
      expect(await put("old-1", { by: "node", document: '{"v":3}', ttlMs })).toMatchObject({ kept: true, nodes: 1 });
      expect(await put("old-1", { by: "other", document: '{"v":4}' })).toMatchObject({ kept: false, nodes: 1 });
      expect((await store.list("", 10)).entries[0]).toMatchObject({ by: "node", document: '{"v":3}' });
      await pass(ttlMs * 1.5);
      expect(await put("old-1", { by: "other", document: '{"v":5}' })).toMatchObject({ kept: true, nodes: 1 });
    });
  });
}
