import { beforeEach, describe, expect, it } from "vitest";
import type { SingletonBid, SingletonStore } from "../../../src/fleet/store/singletons.ts";
import type { StoreBench } from "./store-bench.ts";

/** What every engine of tasks does. `bench` answers an empty store each time. */
export function describeSingletonContract(name: string, bench: () => Promise<StoreBench>): void {
  describe(`tasks of one node (${name})`, () => {
    let store: SingletonStore;
    let pass: StoreBench["pass"];
    let shortMs: number;

    beforeEach(async () => {
      const opened = await bench();
      store = opened.store.singletons;
      ({ pass, shortMs } = opened);
    });

    const hold = (asker: string, more: Partial<SingletonBid> = {}) =>
      store.hold({ task: "sweep", asker, token: 0, seen: 0, ttlMs: 60_000, ...more });

    async function held(asker: string, more: Partial<SingletonBid> = {}): Promise<number> {
      const answer = await hold(asker, more);
      expect(answer.kind).toBe("held");
      return answer.token;
    }

    it("gives a task to one, and tells the others for how long", async () => {
      const token = await held("a");
      expect(token).toBeGreaterThan(0);
      const answer = await hold("b");
      expect(answer).toMatchObject({ kind: "taken", token });
      expect(answer.kind === "taken" && answer.endsInMs).toBeGreaterThan(50_000);
      expect(answer.kind === "taken" && answer.endsInMs).toBeLessThanOrEqual(60_000);
      expect(await hold("b", { task: "other" })).toMatchObject({ kind: "held" });
    });

    it("goes on for who renews it, under the same token", async () => {
      const token = await held("a", { ttlMs: shortMs });
      for (let times = 0; times < 4; times++) {
        await pass(shortMs * 0.4);
        expect(await hold("a", { token, ttlMs: shortMs })).toEqual({ kind: "held", token });
        expect(await hold("b", { ttlMs: shortMs })).toMatchObject({ kind: "taken", token });
      }
    });

    it("is anybody's once its lease is over, under a higher token", async () => {
      const first = await held("a", { ttlMs: shortMs });
      await pass(shortMs * 1.2);
      const second = await held("b");
      expect(second).toBeGreaterThan(first);
      // The one that slept has lost it.
      expect(await hold("a", { token: first })).toMatchObject({ kind: "taken", token: second });
    });

    it("begins anew for who comes too late to renew", async () => {
      const first = await held("a", { ttlMs: shortMs });
      await pass(shortMs * 1.2);
      expect(await held("a", { token: first })).toBeGreaterThan(first);
    });

    it("begins anew for who does not know its token", async () => {
      const first = await held("a");
      const second = await held("a");
      expect(second).toBeGreaterThan(first);
      expect(await held("a", { token: first })).toBeGreaterThan(second);
    });

    it("is free at once when it is given up, and only by who has it", async () => {
      const token = await held("a");
      await store.release("sweep", "b", token);
      await store.release("sweep", "a", token - 1);
      await store.release("other", "a", token);
      expect(await hold("b")).toMatchObject({ kind: "taken" });
      await store.release("sweep", "a", token);
      const next = await held("b");
      expect(next).toBeGreaterThan(token);
      // Twice, and late: it is somebody else's.
      await store.release("sweep", "a", token);
      expect(await hold("c")).toMatchObject({ kind: "taken", token: next });
    });

    it("does not go on under a token that was given up", async () => {
      const token = await held("a");
      await store.release("sweep", "a", token);
      expect(await held("a", { token })).toBeGreaterThan(token);
    });

    it("gives a higher token than any that the asker knows of, also when it has lost its data", async () => {
      const seen = Date.UTC(2100, 0, 1);
      expect(await held("a", { seen })).toBe(seen + 1);
    });

    it("does not wait for a lease that ends later than one can", async () => {
      await held("a", { ttlMs: 3_600_000 });
      const answer = await hold("b", { ttlMs: shortMs });
      expect(answer.kind === "taken" && answer.endsInMs).toBeLessThanOrEqual(shortMs);
      await pass(shortMs * 1.2);
      await held("b", { ttlMs: shortMs });
    });

    it("is one node's when many ask at once", async () => {
      const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => hold(`asker-${n}`)));
      expect(answers.filter(({ kind }) => kind === "held")).toHaveLength(1);
    });
  });
}
