import { beforeEach, describe, expect, it } from "vitest";
import { PROFILES_LIMIT, type ProfileStore } from "../../../src/fleet/store/profiles.ts";
import type { RegistryStore } from "../../../src/fleet/store/registry.ts";
import type { StoreBench } from "./store-bench.ts";

/** What every engine of the profiles does. `bench` answers an empty store each time. */
export function describeProfileContract(name: string, bench: () => Promise<StoreBench>): void {
  describe(`the profiles (${name})`, () => {
    let store: ProfileStore;
    let registry: RegistryStore;
    let pass: StoreBench["pass"];

    beforeEach(async () => {
      const opened = await bench();
      ({ profiles: store, registry } = opened.store);
      pass = opened.pass;
    });

    const web = { name: "web", match: { labels: { team: "web" } }, values: { "pre-allocate": 16, uplinks: [] } };
    const all = { name: "default", match: {}, values: { "cooling-seconds": 60, "static-ip-tags": {} } };

    it("have none at first, and revision 0", async () => {
      expect(await store.list()).toEqual({ revision: 0, profiles: [] });
    });

    it("keep what is put, by name, with the store's time; the revision rises with each change", async () => {
      const first = await store.put(web, 0);
      expect(first).toMatchObject({ kind: "done" });
      expect(first.revision).toBeGreaterThan(1_000_000_000_000);
      const second = await store.put(all, first.revision);
      expect(second).toMatchObject({ kind: "done" });
      expect(second.revision).toBeGreaterThan(first.revision);
      const { revision, profiles } = await store.list();
      expect(revision).toBe(second.revision);
      expect(profiles.map(({ setAtMs: _, ...profile }) => profile)).toEqual([all, web]);
      const setAtMs = profiles[1]?.setAtMs ?? 0;
      expect(Math.abs(setAtMs - first.revision)).toBeLessThan(1_000);

      const third = await store.put({ ...web, values: {} }, second.revision);
      expect((await store.list()).profiles).toMatchObject([all, { name: "web", values: {} }]);
      const fourth = await store.remove("web", third.revision);
      expect(fourth).toMatchObject({ kind: "done" });
      expect(fourth.revision).toBeGreaterThan(third.revision);
      expect((await store.list()).profiles).toMatchObject([all]);
    });

    it("refuse a change that builds on another revision", async () => {
      const { revision } = await store.put(web, 0);
      expect(await store.put(all, 0)).toEqual({ kind: "changed", revision });
      expect(await store.put(all, revision - 1)).toEqual({ kind: "changed", revision });
      expect(await store.remove("web", 0)).toEqual({ kind: "changed", revision });
      expect((await store.list()).profiles).toHaveLength(1);
    });

    it("let one of two who change at the same time have its way", async () => {
      const { revision } = await store.put(web, 0);
      const answers = await Promise.all([store.put(all, revision), store.put({ ...all, values: {} }, revision)]);
      expect(answers.map(({ kind }) => kind).toSorted()).toEqual(["changed", "done"]);
    });

    it("tell their revision to every node that publishes", async () => {
      const publish = () => registry.publish({ nodeId: "i-1", document: "{}", ttlMs: 60_000, by: "node" });
      expect(await publish()).toMatchObject({ profilesRevision: 0 });
      const { revision } = await store.put(web, 0);
      expect(await publish()).toMatchObject({ profilesRevision: revision });
    });

    it("take back what the store lost, and nothing that is older than what it has", async () => {
      const { revision } = await store.put(web, 0);
      const known = await store.list();
      const later = { revision: revision + 5, profiles: [{ ...all, setAtMs: revision + 5 }] };
      expect(await store.restore(later)).toEqual({ revision: revision + 5 });
      expect(await store.list()).toEqual(later);
      expect(await store.restore(known)).toEqual({ revision: revision + 5 });
      expect(await store.restore({ ...known, revision: revision + 5 })).toEqual({ revision: revision + 5 });
      expect(await store.list()).toEqual(later);
      const none = { revision: revision + 9, profiles: [] };
      expect(await store.restore(none)).toEqual({ revision: revision + 9 });
      expect(await store.list()).toEqual(none);
      await pass(20);
      const next = await store.put(web, none.revision);
      expect(next.kind).toBe("done");
      expect(next.revision).toBeGreaterThan(none.revision);
    });

    it("are bounded in number", async () => {
      let { revision } = await store.put(all, 0);
      for (let n = 1; n < PROFILES_LIMIT; n++) {
        ({ revision } = await store.put({ ...web, name: `web-${n}` }, revision));
      }
      expect(await store.put({ ...web, name: "one-more" }, revision)).toEqual({ kind: "full", revision });
      expect(await store.put({ ...web, name: "web-1", values: {} }, revision)).toMatchObject({ kind: "done" });
    });
  });
}
