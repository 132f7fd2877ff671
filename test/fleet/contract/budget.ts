import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type BudgetAnswer,
  type BudgetAsk,
  type BudgetStore,
  DECREASE,
  GRACE_MS,
  WAITING_LIMIT,
} from "../../../src/fleet/store/budget.ts";

export interface BudgetRoom {
  /** As many nodes' connections to one store. */
  clients(count: number): readonly BudgetStore[];
  /** Lets time pass, for the store too. */
  wait(ms: number): Promise<void>;
  /** Of the time of `wait`. */
  nowMs(): number;
  close(): Promise<void>;
}

/** A request of a simulated node: it asks when it is told to. */
interface Want {
  readonly ticket: string;
  readonly urgency: number;
  readonly client: number;
}

export function describeBudgetContract(name: string, factory: () => Promise<BudgetRoom>): void {
  describe(`budget over ${name}`, () => {
    let room: BudgetRoom;
    let buckets = 0;
    beforeAll(async () => {
      room = await factory();
    });
    afterAll(() => room.close());

    /** A bucket of its own for each test. */
    function scene(capacity: number, refillPerSecond: number) {
      const bucket = { account: "123456789012", region: "eu-central-1", action: `Action${++buckets}` };
      const size = { capacity, refillPerSecond };
      const [one, two, three] = room.clients(3) as [BudgetStore, BudgetStore, BudgetStore];
      const ask = (store: BudgetStore, ticket: string, more: Partial<BudgetAsk> = {}): Promise<BudgetAnswer> =>
        store.ask({ bucket, size, ticket, urgency: 2, limitMs: 1e12, ...more });
      const level = async () => {
        const levels = await one.levels();
        const found = levels.find((other) => other.bucket.action === bucket.action);
        if (found === undefined) throw new Error(`${bucket.action} is not listed`);
        return found;
      };
      return { bucket, size, one, two, three, ask, level };
    }

    /** Until each has its token. Answers who got one, in order, and how often they asked. */
    async function serve(wants: readonly Want[], size: { capacity: number; refillPerSecond: number }, action: string) {
      const bucket = { account: "", region: "eu-central-1", action };
      const clients = room.clients(3);
      const order: string[] = [];
      let asks = 0;
      const due = new Map(wants.map((want) => [want, 0]));
      const ask = async (want: Want) => {
        const store = clients[want.client % 3] as BudgetStore;
        asks += 1;
        const answer = await store.ask({ bucket, size, ticket: want.ticket, urgency: want.urgency, limitMs: 60_000 });
        if (answer.kind === "granted") {
          order.push(want.ticket);
          due.delete(want);
        } else if (answer.kind === "wait") due.set(want, room.nowMs() + answer.askAgainMs);
        else throw new Error(`${want.ticket} is late`);
      };
      for (const want of wants) await ask(want);
      while (due.size > 0) {
        const [want, atMs] = [...due].reduce((first, other) => (other[1] < first[1] ? other : first));
        await room.wait(Math.max(0, atMs - room.nowMs()));
        await ask(want);
      }
      return { order, asks };
    }

    it("gives what a full bucket holds at once, then tells each when its turn is", async () => {
      const { one, two, ask } = scene(3, 2);
      for (const ticket of ["a", "b", "c"]) expect(await ask(one, ticket)).toEqual({ kind: "granted", era: 0 });
      const first = await ask(two, "d");
      const second = await ask(one, "e");
      if (first.kind !== "wait" || second.kind !== "wait") throw new Error("nobody waits");
      expect(first.askAgainMs).toBeLessThanOrEqual(500);
      expect(first.ahead).toBe(0);
      expect(second.ahead).toBe(1);
      expect(second.askAgainMs - first.askAgainMs).toBeGreaterThan(100);
      expect(second.ratePerSecond).toBe(2);
      await room.wait(second.askAgainMs + 2);
      expect(await ask(one, "e")).toEqual({ kind: "granted", era: 0 });
      expect(await ask(two, "d")).toEqual({ kind: "granted", era: 0 });
    });

    it("serves by urgency, then in order of arrival, whichever node asks and in whatever order", async () => {
      const { bucket, one, two, three, ask } = scene(1, 0.001);
      const size = { capacity: 1, refillPerSecond: 0.001 };
      const slow = { limitMs: 1e12 };
      expect((await ask(one, "taken", slow)).kind).toBe("granted");
      const stores = [one, two, three];
      const wants = Array.from({ length: 24 }, (_, at) => ({ ticket: `w${at}`, urgency: (at * 7) % 4, at }));
      const askFor = ({ ticket, urgency, at }: (typeof wants)[number]) =>
        ask(stores[at % 3] ?? one, ticket, { ...slow, urgency });
      for (const want of wants) expect((await askFor(want)).kind).toBe("wait");
      const order: string[] = [];
      // One token at a time, for which the last in the queue asks first.
      const left = wants.toSorted((a, b) => b.urgency - a.urgency || b.at - a.at);
      const expected = left.map(({ ticket }) => ticket).toReversed();
      while (left.length > 0) {
        await one.giveBack(bucket, size);
        for (const want of [...left]) {
          if ((await askFor(want)).kind !== "granted") continue;
          order.push(want.ticket);
          left.splice(left.indexOf(want), 1);
        }
      }
      expect(order).toEqual(expected);
    });

    it("is asked about two times for a token, not in between", async () => {
      const wants = Array.from({ length: 60 }, (_, at) => ({ ticket: `w${at}`, urgency: 1, client: at }));
      const { order, asks } = await serve(wants, { capacity: 5, refillPerSecond: 100 }, "Asks");
      expect(order).toHaveLength(60);
      // Two; on a machine that is busy an answer may come so late that who stands behind asks first, and has to ask again.
      expect(asks).toBeLessThan(60 * 3);
    });

    it("lets who becomes more urgent go ahead of those who wait, and keeps the order of arrival", async () => {
      const { one, two, three, ask } = scene(1, 0.01);
      expect((await ask(one, "taken")).kind).toBe("granted");
      for (const [store, ticket] of [
        [one, "a"],
        [two, "b"],
        [three, "c"],
      ] as const)
        expect((await ask(store, ticket)).kind).toBe("wait");
      expect(await ask(three, "c", { urgency: 0 })).toMatchObject({ kind: "wait", ahead: 0 });
      expect(await ask(two, "b", { urgency: 0 })).toMatchObject({ kind: "wait", ahead: 0 });
      expect(await ask(three, "c", { urgency: 0 })).toMatchObject({ kind: "wait", ahead: 1 });
      expect(await ask(one, "a")).toMatchObject({ kind: "wait", ahead: 2 });
      expect(await ask(two, "b", { urgency: 3 })).toMatchObject({ kind: "wait", ahead: 2 });
    });

    it("lets go of who gives up, and of who does not come at its time", async () => {
      const { bucket, one, two, ask } = scene(1, 2);
      expect((await ask(one, "taken")).kind).toBe("granted");
      expect(await ask(one, "gives-up")).toMatchObject({ kind: "wait", ahead: 0 });
      expect(await ask(one, "vanishes")).toMatchObject({ kind: "wait", ahead: 1 });
      expect(await ask(two, "stays")).toMatchObject({ kind: "wait", ahead: 2 });
      await one.withdraw(bucket, "gives-up");
      await one.withdraw(bucket, "gives-up");
      expect(await ask(two, "stays")).toMatchObject({ kind: "wait", ahead: 1 });
      // One token is there for the one that vanished, the second is not there yet.
      await room.wait(510);
      const answer = await ask(two, "stays");
      expect(answer).toMatchObject({ kind: "wait", ahead: 1 });
      await room.wait(GRACE_MS + 700);
      expect((await ask(two, "stays")).kind).toBe("granted");
    }, 15_000);

    it("tells at once who cannot have a token in time, and does not keep it waiting", async () => {
      const { one, ask, level } = scene(1, 0.2);
      await ask(one, "taken");
      expect(await ask(one, "a", { limitMs: 3_000 })).toMatchObject({ kind: "late", ahead: 0, ratePerSecond: 0.2 });
      expect((await level()).waiting).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
      expect((await ask(one, "a", { limitMs: 6_000 })).kind).toBe("wait");
      expect((await level()).waiting).toEqual([0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
      // Its limit is what is left of it each time.
      expect((await ask(one, "a", { limitMs: 1_000 })).kind).toBe("late");
      expect((await level()).waiting).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    });

    it("takes a token back that was not used, and never holds more than its capacity", async () => {
      const { bucket, size, one, ask } = scene(2, 0.001);
      for (const ticket of ["a", "b"]) expect((await ask(one, ticket)).kind).toBe("granted");
      expect((await ask(one, "c", { limitMs: 100 })).kind).toBe("late");
      for (let times = 0; times < 5; times++) await one.giveBack(bucket, size);
      expect((await ask(one, "d")).kind).toBe("granted");
      expect((await ask(one, "e")).kind).toBe("granted");
      expect((await ask(one, "f", { limitMs: 100 })).kind).toBe("late");
    });

    it("slows down for everyone when anyone is throttled, once for what was sent before", async () => {
      const { bucket, size, one, two, ask, level } = scene(10, 100);
      const granted = [await ask(one, "a"), await ask(two, "b"), await ask(two, "c")];
      expect(granted).toEqual(Array(3).fill({ kind: "granted", era: 0 }));
      await one.throttled(bucket, size, 0);
      await two.throttled(bucket, size, 0);
      await two.throttled(bucket, size, 0);
      const after = await level();
      expect(after.throttled).toBe(3);
      expect(after.tokens).toBeLessThan(10);
      expect(after.ratePerSecond).toBeGreaterThanOrEqual(100 * DECREASE);
      expect(after.ratePerSecond).toBeLessThan(100 * (DECREASE + 0.05));
      await room.wait(50);
      const next = await ask(two, "d");
      expect(next).toEqual({ kind: "granted", era: 1 });
      await two.throttled(bucket, size, 1);
      expect((await level()).ratePerSecond).toBeLessThan(100 * (DECREASE * DECREASE + 0.05));
    });

    it("grows back with time", async () => {
      const { bucket, size, one, ask, level } = scene(10, 100);
      await ask(one, "a");
      await one.throttled(bucket, size, 0);
      const { ratePerSecond, fullRatePerSecond } = await level();
      await room.wait(600);
      const later = await level();
      expect(later.ratePerSecond).toBeGreaterThan(ratePerSecond);
      expect(later.ratePerSecond).toBeLessThan(fullRatePerSecond);
      expect(later.fullRatePerSecond).toBe(fullRatePerSecond);
    });

    it("never shrinks to nothing", async () => {
      const { bucket, size, one, ask, level } = scene(10, 1_000);
      for (let era = 0; era < 30; era++) {
        await room.wait(2);
        const answer = await ask(one, `t${era}`);
        if (answer.kind === "granted") await one.throttled(bucket, size, answer.era);
      }
      expect((await level()).ratePerSecond).toBeGreaterThanOrEqual(50);
    });

    it("keeps accounts, Regions and actions apart", async () => {
      const { bucket, size, one, ask } = scene(1, 0.001);
      expect((await ask(one, "a")).kind).toBe("granted");
      expect((await ask(one, "b", { limitMs: 100 })).kind).toBe("late");
      for (const other of [
        { ...bucket, account: "210987654321" },
        { ...bucket, account: "" },
        { ...bucket, region: "us-east-1" },
        { ...bucket, action: `${bucket.action}s` },
      ])
        expect((await one.ask({ bucket: other, size, ticket: "a", urgency: 0, limitMs: 100 })).kind).toBe("granted");
    });

    it("lists what was asked, with what is left and who waits", async () => {
      const { bucket, one, two, ask, level } = scene(2, 0.5);
      await ask(one, "a");
      await ask(one, "b");
      await ask(one, "c", { urgency: 0 });
      await ask(two, "d", { urgency: 3 });
      const { tokens, ...others } = await level();
      expect(tokens).toBeGreaterThanOrEqual(0);
      expect(tokens).toBeLessThan(1);
      expect(others).toEqual({
        bucket,
        capacity: 2,
        ratePerSecond: 0.5,
        fullRatePerSecond: 0.5,
        waiting: [1, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        granted: 2,
        throttled: 0,
      });
    });

    it("lets no more than so many wait", async () => {
      const { one, ask, level } = scene(1, 100_000_000);
      const slow = { size: { capacity: 1, refillPerSecond: 0.001 }, limitMs: 1e12 };
      expect((await ask(one, "taken", slow)).kind).toBe("granted");
      const tickets = Array.from({ length: WAITING_LIMIT }, (_, at) => `t${at}`);
      const answers = await Promise.all(tickets.map((ticket) => ask(one, ticket, slow)));
      expect(answers.every(({ kind }) => kind === "wait")).toBe(true);
      expect((await ask(one, "one-more", { ...slow, urgency: 0 })).kind).toBe("late");
      expect((await ask(one, "t7", slow)).kind).toBe("wait");
      expect((await level()).waiting[2]).toBe(WAITING_LIMIT);
    }, 30_000);
  });
}
