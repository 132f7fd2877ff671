import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Cancel, type Clock, systemClock, systemRandom } from "../../../src/adapters/index.ts";
import { type FleetStore, redisFleetStore } from "../../../src/fleet/index.ts";
import { NodeFacts } from "../../../src/fleet/node/facts.ts";
import type { PartOptions } from "../../../src/fleet/node/parts.ts";
import { NodeSingletons } from "../../../src/fleet/node/singletons.ts";
import { FACTS_BYTES_MOST } from "../../../src/fleet/store/facts.ts";
import { type RedisServer, startRedis } from "../../support/redis.ts";
import { describeFactContract } from "../contract/facts.ts";
import { describeSingletonContract } from "../contract/singletons.ts";
import type { StoreBench } from "../contract/store-bench.ts";

let server: RedisServer;
let client: Redis;
const stores: FleetStore[] = [];
let fleets = 0;

beforeAll(async () => {
  server = await startRedis();
  client = new Redis({ host: server.host, port: server.port });
});

afterAll(async () => {
  for (const store of stores) await store.close();
  client.disconnect();
  await server.stop();
});

const prefix = () => `enid:test-${fleets}:`;

/** Each fleet has keys of its own. */
async function bench(): Promise<StoreBench> {
  fleets++;
  const store = redisFleetStore({ host: server.host, port: server.port, prefix: prefix() });
  stores.push(store);
  return { store, pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)), shortMs: 500 };
}

describeFactContract("Redis", bench);
describeSingletonContract("Redis", bench);

describe("the facts of a real server", () => {
  const question = { asker: "a", maxAgeMs: 60_000, turnMs: 10_000, takesOver: false };

  async function put(store: FleetStore, name: string, json: string): Promise<void> {
    const answer = await store.facts.read({ ...question, name });
    expect(answer.kind).toBe("turn");
    const token = answer.kind === "turn" ? answer.token : 0;
    expect(await store.facts.write({ name, asker: "a", token, json, keepMs: 60_000 })).toBe(true);
  }

  it("are bounded in bytes, and the count of the bytes stays right", async () => {
    const { store } = await bench();
    const json = JSON.stringify("x".repeat(512 * 1_024 - 2));
    const most = FACTS_BYTES_MOST / json.length;
    for (let n = 0; n < most + 3; n++) await put(store, `large-${String(n).padStart(4, "0")}`, json);
    expect(await client.hlen(`${prefix()}{facts}:values`)).toBe(most);
    expect(await client.zcard(`${prefix()}{facts}:order`)).toBe(most);
    expect(await client.hlen(`${prefix()}{facts}:about`)).toBe(most);
    expect(Number(await client.get(`${prefix()}{facts}:bytes`))).toBe(FACTS_BYTES_MOST);
  });

  it("end by themselves when nobody is left to look after them", async () => {
    const { store } = await bench();
    await put(store, "one", "1");
    const keys = ["about", "values", "order", "bytes"];
    for (const key of keys) {
      const ttlMs = await client.pttl(`${prefix()}{facts}:${key}`);
      expect(ttlMs).toBeGreaterThan(24 * 3_600_000);
    }
    await store.singletons.hold({ task: "sweep", asker: "a", token: 0, seen: 0, ttlMs: 60_000 });
    expect(await client.pttl(`${prefix()}{singletons}:sweep`)).toBeGreaterThan(3_600_000);
  });

  it("are fetched anew after a restart without data, and a turn of before writes nothing", async () => {
    const { store } = await bench();
    await put(store, "one", "1");
    const late = await store.facts.read({ ...question, name: "two" });
    const held = await store.singletons.hold({ task: "sweep", asker: "a", token: 0, seen: 0, ttlMs: 60_000 });
    await client.flushall();
    expect(await store.facts.read({ ...question, name: "one", asker: "b" })).toMatchObject({ kind: "turn" });
    const token = late.kind === "turn" ? late.token : 0;
    expect(await store.facts.write({ name: "two", asker: "a", token, json: "2", keepMs: 60_000 })).toBe(false);
    // Whoever comes first after it has the task, under a higher token.
    const next = await store.singletons.hold({ task: "sweep", asker: "b", token: 0, seen: held.token, ttlMs: 60_000 });
    expect(next.kind).toBe("held");
    expect(next.token).toBeGreaterThan(held.token);
    expect(
      await store.singletons.hold({ task: "sweep", asker: "a", token: held.token, seen: 0, ttlMs: 60_000 }),
    ).toEqual(expect.objectContaining({ kind: "taken", token: next.token }));
  });
});

describe("nodes on a real server", () => {
  const TASK = "leak-sweep:prod";
  const TIMES = { ttlMs: 600, trustMs: 300, probationMs: 330, againMs: 30, againWithoutMs: 50, spreadMs: 30 };

  /** A clock of which the callbacks wait while the process hangs. */
  function hangingClock(): Clock & { hang(ms: number): void } {
    let untilMs = 0;
    const after = (delayMs: number, callback: () => void): Cancel => {
      let cancel = () => {};
      const fire = () => {
        const leftMs = untilMs - systemClock.monotonicMs();
        if (leftMs <= 0) callback();
        else cancel = systemClock.after(leftMs, fire);
      };
      cancel = systemClock.after(delayMs, fire);
      return () => cancel();
    };
    const hang = (ms: number) => {
      untilMs = systemClock.monotonicMs() + ms;
    };
    return { ...systemClock, after, hang };
  }

  function partsOf(own: RedisServer, name: string, clock: Clock): PartOptions {
    const store = redisFleetStore({ host: own.host, port: own.port, prefix: "enid:nodes:" });
    stores.push(store);
    const member = { nodeId: name, nodeName: name, accountId: "123456789012", region: "eu-central-1", zone: "a" };
    return {
      store,
      clock,
      random: systemRandom,
      telemetry: { event: () => {} },
      member: () => member,
      urgency: () => "buffer",
      settings: { name: "nodes", reservedShare: 0, buckets: {} },
    };
  }

  it("fetch a fact once, and do tasks one at a time, while processes hang and the server loses its data", {
    timeout: 60_000,
  }, async () => {
    const own = await startRedis();
    const nodes = Array.from({ length: 4 }, (_, n) => {
      const clock = hangingClock();
      const parts = partsOf(own, `node-${n}`, clock);
      return { clock, facts: new NodeFacts(parts), singletons: new NodeSingletons(parts, TIMES) };
    });
    let fetched = 0;
    const fetch = async () => {
      fetched++;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return [{ SubnetId: "subnet-1" }];
    };
    try {
      const facts = await Promise.all(nodes.map((node) => node.facts.read("subnets", 60_000, fetch)));
      expect([facts, fetched]).toEqual([Array(4).fill([{ SubnetId: "subnet-1" }]), 1]);

      const holders = () => nodes.filter(({ singletons }) => singletons.holds(TASK));
      /** Until it is so; nobody shares the task at any moment of it. */
      const until = async (isSo: () => boolean) => {
        for (const endMs = systemClock.monotonicMs() + 15_000; systemClock.monotonicMs() < endMs; ) {
          expect(holders().length).toBeLessThanOrEqual(1);
          if (isSo()) return;
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        throw new Error("it is not so within 15 s");
      };
      const isHeld = () => holders().length === 1;
      await until(isHeld);
      // The holder hangs in the middle: another one takes over, and the first knows it when it goes on.
      const [before] = holders();
      before?.clock.hang(2_500);
      await until(() => holders().some((one) => one !== before));
      const [after] = holders();
      await new Promise((resolve) => setTimeout(resolve, 600));
      await until(() => holders()[0] !== before && isHeld());
      expect(after?.singletons.token(TASK)).toBeGreaterThan(0);
      // The server dies and comes back empty.
      await own.kill();
      await own.restart();
      await until(() => true);
      await until(isHeld);
      // It hangs, and goes on.
      own.hang(true);
      await until(() => holders().length === 0);
      own.hang(false);
      await until(isHeld);
    } finally {
      for (const { singletons } of nodes) await singletons.stop();
      for (const store of stores.splice(-4)) await store.close();
      await own.stop();
    }
  });
});
