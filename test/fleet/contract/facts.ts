import { beforeEach, describe, expect, it } from "vitest";
import {
  FACTS_MOST,
  type FactAnswer,
  type FactQuestion,
  type FactStore,
  RETRY_LEAST_MS,
} from "../../../src/fleet/store/facts.ts";
import type { StoreBench } from "./store-bench.ts";

/** What every engine of shared facts does. `bench` answers an empty store each time. */
export function describeFactContract(name: string, bench: () => Promise<StoreBench>): void {
  describe(`shared facts (${name})`, () => {
    let store: FactStore;
    let pass: StoreBench["pass"];
    let shortMs: number;

    beforeEach(async () => {
      const opened = await bench();
      store = opened.store.facts;
      ({ pass, shortMs } = opened);
    });

    const read = (asker: string, more: Partial<FactQuestion> = {}) =>
      store.read({ name: "subnets", asker, maxAgeMs: 60_000, turnMs: 60_000, takesOver: false, ...more });

    async function turn(asker: string, more: Partial<FactQuestion> = {}): Promise<number> {
      const answer = await read(asker, more);
      expect(answer.kind).toBe("turn");
      return answer.kind === "turn" ? answer.token : 0;
    }

    const write = (asker: string, token: number, json = '{"n":1}', keepMs = 60_000) =>
      store.write({ name: "subnets", asker, token, json, keepMs });

    const ageOf = (answer: FactAnswer) => (answer.kind === "fact" ? answer.ageMs : undefined);

    it("gives the first one the turn, lets the others wait, and gives all of them what it brought", async () => {
      const token = await turn("a");
      for (const asker of ["b", "c"]) {
        const answer = await read(asker);
        expect(answer).toMatchObject({ kind: "wait", token });
        expect(answer.kind === "wait" && answer.retryMs).toBeGreaterThanOrEqual(RETRY_LEAST_MS);
      }
      const json = JSON.stringify({
        text: 'ä/"\\\u0001\u2028😀',
        n: 1_763_932_541_123,
        f: 0.1,
        none: [],
        deep: [{ a: [1] }],
      });
      expect(await write("a", token, json)).toBe(true);
      for (const asker of ["a", "b", "c"]) expect(await read(asker)).toMatchObject({ kind: "fact", json });
    });

    it("knows facts by their names", async () => {
      await write("a", await turn("a"));
      expect(await read("a", { name: "groups" })).toMatchObject({ kind: "turn" });
      expect(await read("a")).toMatchObject({ kind: "fact" });
    });

    it("counts the age from the beginning of the turn, and gives the turn once a fact is older than asked for", async () => {
      const token = await turn("a");
      await pass(shortMs);
      await write("a", token);
      const young = await read("b");
      expect(ageOf(young)).toBeGreaterThanOrEqual(shortMs * 0.9);
      expect(await read("b", { maxAgeMs: shortMs * 0.5 })).toMatchObject({ kind: "turn" });
      // Who is content with less has the old one meanwhile.
      expect(await read("c")).toMatchObject({ kind: "fact" });
      expect(await read("c", { maxAgeMs: shortMs * 0.5 })).toMatchObject({ kind: "wait" });
    });

    it("gives the turn to the next one once it is over, and takes nothing of the one before after that", async () => {
      const first = await turn("a", { turnMs: shortMs });
      expect(await read("b")).toMatchObject({ kind: "wait" });
      await pass(shortMs * 1.2);
      const second = await turn("b");
      expect(second).toBeGreaterThan(first);
      expect(await write("a", first, '"old"')).toBe(false);
      expect(await read("c")).toMatchObject({ kind: "wait", token: second });
      expect(await write("b", second, '"new"')).toBe(true);
      expect(await write("a", first, '"old"')).toBe(false);
      expect(await read("c")).toMatchObject({ kind: "fact", json: '"new"' });
    });

    it("takes a late fact as long as nobody has had a turn since", async () => {
      const token = await turn("a", { turnMs: shortMs });
      await pass(shortMs * 1.2);
      expect(await write("a", token)).toBe(true);
      expect(await read("b")).toMatchObject({ kind: "fact" });
    });

    it("gives a turn that is given back to the next one at once", async () => {
      const first = await turn("a");
      await store.giveBack({ name: "subnets", asker: "a", token: first }, 0);
      const second = await turn("b");
      // Given back late: that is somebody else's turn by now.
      await store.giveBack({ name: "subnets", asker: "a", token: first }, 0);
      expect(await read("c")).toMatchObject({ kind: "wait", token: second });
      expect(await write("a", first)).toBe(false);
    });

    it("keeps the fact of before when a turn is given back", async () => {
      await write("a", await turn("a"));
      const token = await turn("b", { takesOver: true });
      await store.giveBack({ name: "subnets", asker: "b", token }, 0);
      expect(await read("c")).toMatchObject({ kind: "fact" });
    });

    it("gives the turn to one who takes over, whoever has it and whatever is known", async () => {
      const first = await turn("a");
      const second = await turn("b", { takesOver: true });
      expect(second).toBeGreaterThan(first);
      expect(await write("a", first)).toBe(false);
      expect(await write("b", second)).toBe(true);
      expect(await read("c")).toMatchObject({ kind: "fact" });
      await turn("c", { takesOver: true });
    });

    it("gives a process that asks again its turn anew", async () => {
      const first = await turn("a");
      const second = await turn("a");
      expect(await write("a", first)).toBe(false);
      expect(await write("a", second)).toBe(true);
    });

    it("takes a token from its holder alone", async () => {
      const token = await turn("a");
      expect(await write("b", token)).toBe(false);
      expect(await store.write({ name: "other", asker: "a", token, json: "1", keepMs: 60_000 })).toBe(false);
      expect(await read("c")).toMatchObject({ kind: "wait" });
    });

    it("remembers for a while what is not shared", async () => {
      const token = await turn("a");
      await store.giveBack({ name: "subnets", asker: "a", token }, shortMs);
      expect(await read("b")).toEqual({ kind: "unshared" });
      await pass(shortMs * 1.2);
      await turn("b");
    });

    it("forgets a fact when its time is over", async () => {
      await write("a", await turn("a"), '{"n":1}', shortMs);
      expect(await read("b")).toMatchObject({ kind: "fact" });
      await pass(shortMs * 1.2);
      await turn("b");
    });

    it("holds facts as large as they may be", async () => {
      const json = JSON.stringify("x".repeat(512 * 1_024 - 2));
      expect(await write("a", await turn("a"), json)).toBe(true);
      const answer = await read("b");
      expect(answer.kind === "fact" && answer.json === json).toBe(true);
    });

    it("holds so many, and lets those go that end soonest", async () => {
      const one = async (n: number, keepMs: number) => {
        const question = { name: `fact-${n}`, asker: "a", maxAgeMs: 60_000, turnMs: 1_000, takesOver: false };
        const answer = await store.read(question);
        const token = answer.kind === "turn" ? answer.token : 0;
        expect(await store.write({ name: `fact-${n}`, asker: "a", token, json: String(n), keepMs })).toBe(true);
      };
      await one(0, 3_600_000);
      for (let n = 1; n <= FACTS_MOST; n++) await one(n, 60_000 + n * 1_000);
      const kind = async (n: number) => (await read("b", { name: `fact-${n}` })).kind;
      expect([await kind(0), await kind(2), await kind(FACTS_MOST)]).toEqual(["fact", "fact", "fact"]);
      expect(await kind(1)).toBe("turn");
    });

    it("has one turn at a time when many ask at once", async () => {
      const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => read(`asker-${n}`)));
      expect(answers.filter(({ kind }) => kind === "turn")).toHaveLength(1);
      expect(answers.filter(({ kind }) => kind === "wait")).toHaveLength(49);
    });
  });
}
