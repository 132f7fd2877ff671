import { execFileSync } from "node:child_process";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../support/redis.ts";
import { admin, COUNT, connect, count, documentedRights, refusal, until } from "../redis/bench.ts";
import { describeAllContracts } from "./contracts.ts";

/** Three masters with a replica each. */
const servers: RedisServer[] = [];

beforeAll(async () => {
  const config = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0"];
  for (let n = 0; n < 6; n++) servers.push(await startRedis(config));
  const addresses = servers.map(({ host, port }) => `${host}:${port}`);
  execFileSync("redis-cli", ["--cluster", "create", ...addresses, "--cluster-replicas", "1", "--cluster-yes"], {
    timeout: 60_000,
  });
  await allow();
  await inForce();
}, 90_000);

/** A server forgets its users when it ends. */
async function allow(): Promise<void> {
  const rights = [...documentedRights(), "+cluster|slots", "+cluster|info", "+readonly", "+asking", "+incr"];
  const own = rights.map((word) => (word.startsWith("~") ? "~enid:test*" : word));
  await onEach((redis) => redis.acl("SETUSER", "enid", "reset", "on", ">secret", ...own));
}

async function inForce(): Promise<void> {
  await until("a cluster in step", async () => {
    const states = await onEach((redis) => redis.cluster("INFO"));
    return states.every((state) => /cluster_state:ok/.test(String(state)));
  });
}

/** Other processes have the slots and their data. */
async function replace(): Promise<void> {
  await onEach((redis) => redis.save());
  for (const server of servers) await server.kill();
  for (const server of servers) await server.restart();
  await allow();
  await inForce();
}

afterAll(async () => {
  for (const server of servers) await server.stop();
});

async function onEach<Answer>(ask: (redis: Redis) => Promise<Answer>): Promise<Answer[]> {
  const clients = servers.map(({ host, port }) => new Redis({ host, port }));
  try {
    return await Promise.all(clients.map(ask));
  } finally {
    for (const client of clients) client.disconnect();
  }
}

const way = () => ({
  kind: "cluster" as const,
  servers: servers.slice(0, 2).map(({ host, port }) => ({ host, port })),
  username: "enid",
  password: "secret",
});

async function lose(): Promise<void> {
  await onEach(async (redis) => {
    if (String((await redis.role())[0]) === "master") await redis.flushall();
  });
}

describeAllContracts("Redis Cluster", { way, lose, replace });

describe("a cluster", () => {
  it("is asked where the keys are, and its replicas confirm", async () => {
    const connections = connect({ ...way(), replicaAcks: 1 });
    for (let n = 0; n < 50; n++) {
      expect(await connections.run({ ...COUNT, acks: true }, [`{tag-${n}}:count`], [])).toBe(1);
      expect(await count(connections, `{tag-${n}}:count`)).toBe(2);
    }
    const keys = await onEach((redis) => redis.dbsize());
    expect(keys.filter((size) => size > 5).length).toBeGreaterThanOrEqual(6);
  });

  it("follows a slot that moved to another master", async () => {
    const connections = connect({ ...way(), replicaAcks: 1 });
    const acked = { ...COUNT, acks: true };
    const key = "{moved}:count";
    await count(connections, key);
    await connections.run(acked, [key], []);
    const slot = Number((await onEach((redis) => redis.cluster("KEYSLOT", `enid:test:${key}`)))[0]);
    const masters = await mastersOf();
    const from = masters.find(({ slots }) => slots.some(([first, last]) => slot >= first && slot <= last));
    const to = masters.find(({ id }) => id !== from?.id);
    if (from === undefined || to === undefined) throw new Error("no master has the slot");
    await to.redis.cluster("SETSLOT", slot, "IMPORTING", from.id);
    await from.redis.cluster("SETSLOT", slot, "MIGRATING", to.id);
    const keys = (await from.redis.cluster("GETKEYSINSLOT", slot, 100)) as string[];
    for (const each of keys) await from.redis.call("MIGRATE", "127.0.0.1", String(to.port), each, "0", "5000");
    for (const { redis } of [to, from]) await redis.cluster("SETSLOT", slot, "NODE", to.id);
    expect(await connections.run(acked, [key], [])).toBe(3);
    expect(await count(connections, key)).toBe(4);
    for (const { redis } of masters) redis.disconnect();
  });

  it("serves again within 15 s after a master died, and has what replicas confirmed", async () => {
    const connections = connect({ ...way(), replicaAcks: 1 });
    const acked = { ...COUNT, acks: true };
    const tags = Array.from({ length: 12 }, (_, n) => `{after-${n}}:count`);
    for (const tag of tags) await connections.run(acked, [tag], []);
    const began = performance.now();
    await servers[0]?.kill();
    const failures = await Promise.all(
      tags.map((tag) =>
        count(connections, tag).then(
          () => 0,
          () => 1,
        ),
      ),
    );
    // The other masters go on.
    expect(failures).toContain(0);
    for (const tag of tags) {
      await until(`a count of ${tag}`, () =>
        count(connections, tag).then(
          (value) => Number(value) >= 2,
          () => false,
        ),
      );
    }
    await until("connected", () => connections.condition().connected);
    expect(performance.now() - began).toBeLessThan(15_000);
    await servers[0]?.restart();
  }, 60_000);

  it("says why, when all of it is gone, and is found again", async () => {
    const connections = connect({ ...way(), limitMs: 500 });
    await count(connections, "{gone}:count");
    for (const server of servers) server.hang(true);
    try {
      expect((await refusal(count(connections, "{gone}:count"))).code).toBe("ENID_FLEET_AWAY");
      expect(connections.condition().connected).toBe(false);
    } finally {
      for (const server of servers) server.hang(false);
    }
    await until("connected", () =>
      count(connections, "{gone}:count").then(
        () => true,
        () => false,
      ),
    );
    await until("its condition", () => connections.condition().connected);
  }, 60_000);
});

interface Master {
  readonly id: string;
  readonly port: number;
  readonly redis: Redis;
  readonly slots: readonly (readonly [number, number])[];
}

async function mastersOf(): Promise<Master[]> {
  const [first] = servers;
  if (first === undefined) throw new Error("no servers");
  const lines = String(await admin(first).cluster("NODES")).split("\n");
  return lines
    .map((line) => line.trim().split(" "))
    .filter((words) => words[2]?.includes("master") === true && words.length > 8)
    .map(([id = "", address = "", , , , , , , ...ranges]) => {
      const port = Number(/:(\d+)@/.exec(address)?.[1]);
      const slots = ranges.map((range) => {
        const [from, to = from] = range.split("-").map(Number);
        return [from ?? 0, to ?? 0] as const;
      });
      return { id, port, slots, redis: admin({ host: "127.0.0.1", port }) };
    });
}
