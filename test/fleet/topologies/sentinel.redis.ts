import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort, type RedisServer, startRedis } from "../../support/redis.ts";
import { COUNT, connect, count, inStep, refusal, until } from "../redis/bench.ts";
import { describeAllContracts } from "./contracts.ts";

const servers: RedisServer[] = [];
const sentinels: { readonly port: number; readonly process: ChildProcess }[] = [];

beforeAll(async () => {
  const master = await startRedis(["--repl-diskless-sync-delay", "0"]);
  servers.push(master);
  for (let n = 0; n < 2; n++) {
    const replica = await startRedis(["--replicaof", `127.0.0.1 ${master.port}`, "--repl-diskless-sync-delay", "0"]);
    servers.push(replica);
    await inStep(replica);
  }
  for (let n = 0; n < 3; n++) {
    const port = await freePort();
    const file = join(master.folder, `sentinel-${n}.conf`);
    const lines = [
      `port ${port}`,
      "bind 127.0.0.1",
      `dir ${master.folder}`,
      "requirepass of-the-sentinels",
      `sentinel monitor enid 127.0.0.1 ${master.port} 2`,
      "sentinel down-after-milliseconds enid 1000",
      "sentinel failover-timeout enid 5000",
    ];
    writeFileSync(file, `${lines.join("\n")}\n`);
    sentinels.push({ port, process: spawn("redis-sentinel", [file], { stdio: "ignore" }) });
  }
  await until("sentinels that know each other and the replicas", async () => {
    const facts = await Promise.all(sentinels.map(({ port }) => masterOf(port).catch(() => undefined)));
    return facts.every((one) => one?.get("num-other-sentinels") === "2" && one.get("num-slaves") === "2");
  });
}, 60_000);

afterAll(async () => {
  for (const { process } of sentinels) process.kill("SIGKILL");
  for (const server of servers) await server.stop();
});

/** What a sentinel says of the master. */
async function masterOf(port: number): Promise<Map<string, string>> {
  const client = new Redis({ host: "127.0.0.1", port, password: "of-the-sentinels", retryStrategy: null, protocol: 2 });
  client.on("error", () => {});
  try {
    const words = (await client.call("SENTINEL", "MASTER", "enid")) as string[];
    return new Map(words.flatMap((word, at) => (at % 2 === 0 ? [[word, words[at + 1] ?? ""] as const] : [])));
  } finally {
    client.disconnect();
  }
}

const way = () => ({
  kind: "sentinel" as const,
  servers: sentinels.map(({ port }) => ({ host: "127.0.0.1", port })),
  masterName: "enid",
  sentinelPassword: "of-the-sentinels",
});

/** Whether that server has become a replica, with all that its master has. */
async function inStepNow(server: RedisServer | undefined): Promise<boolean> {
  const client = new Redis({ host: "127.0.0.1", port: server?.port ?? 0 });
  client.on("error", () => {});
  const info = await client.info("replication").catch(() => "");
  client.disconnect();
  return /role:slave/.test(info) && /master_link_status:up/.test(info);
}

async function lose(): Promise<void> {
  const port = await masterPort();
  const client = new Redis({ host: "127.0.0.1", port });
  await client.flushall();
  client.disconnect();
}

const masterPort = async () => Number((await masterOf(sentinels[1]?.port ?? 0)).get("port"));

/** A replica takes over, with all the data. */
async function replace(): Promise<void> {
  const before = await masterPort();
  const client = new Redis({
    host: "127.0.0.1",
    port: sentinels[1]?.port ?? 0,
    password: "of-the-sentinels",
    protocol: 2,
  });
  await client.call("SENTINEL", "FAILOVER", "enid");
  client.disconnect();
  await until("another master", async () => (await masterPort()) !== before);
  // Until then it answers as the master that it was.
  await until("the end of the one before", () => inStepNow(servers.find(({ port }) => port === before)));
}

describeAllContracts("Redis behind sentinels", { way, lose, replace });

describe("a master behind sentinels", () => {
  const acked = { ...COUNT, acks: true };

  /** Counts until the new master does; how many counts were answered meanwhile is known. */
  async function failOver(end: (master: RedisServer) => unknown): Promise<{ answered: number; tookMs: number }> {
    const connections = connect({ ...way(), replicaAcks: 1 });
    const key = `{fail-over-${Math.round(performance.now())}}:count`;
    let answered = 0;
    for (; answered < 20; answered++) await connections.run(acked, [key], []);
    const before = await masterPort();
    const master = servers.find(({ port }) => port === before);
    if (master === undefined) throw new Error("no master");
    const began = performance.now();
    await end(master);
    let value = 0;
    await until("a count by the new master", async () => {
      value = Number(await connections.run(acked, [key], []).catch(() => 0));
      return value > 0;
    });
    const tookMs = performance.now() - began;
    expect(value).toBeGreaterThan(answered);
    await until("another master", async () => (await masterPort()) !== before);
    await until("connected", () => connections.condition().connected);
    return { answered, tookMs };
  }

  it("that is killed is followed within 15 s, and acknowledged writes are there", async () => {
    let dead: RedisServer | undefined;
    const { tookMs } = await failOver((master) => {
      dead = master;
      return master.kill();
    });
    expect(tookMs).toBeLessThan(15_000);
    await dead?.restart();
    await until("a replica again", () => inStepNow(dead));
  }, 60_000);

  it("that hangs is followed, too", async () => {
    let hung: RedisServer | undefined;
    await failOver((master) => {
      hung = master;
      master.hang(true);
    });
    hung?.hang(false);
  }, 60_000);

  it("is found though the first sentinels are away; a wrong name and a wrong password say why", async () => {
    sentinels[0]?.process.kill("SIGKILL");
    expect(await count(connect({ ...way(), limitMs: 3_000 }), "{first}:count")).toBe(1);
    const stranger = await refusal(count(connect({ ...way(), masterName: "another", limitMs: 300 })));
    expect(stranger.code).toBe("ENID_FLEET_AWAY");
    expect(stranger.message).toMatch(/sentinel/i);
    const wrong = await refusal(count(connect({ ...way(), sentinelPassword: "wrong", limitMs: 1_000 })));
    expect(wrong.message).toMatch(/WRONGPASS/);
  });
});
