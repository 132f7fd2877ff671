import { Redis } from "ioredis";
import { afterAll, beforeAll } from "vitest";
import { type RedisServer, startRedis } from "../../support/redis.ts";
import { documentedRights } from "../redis/bench.ts";
import { describeAllContracts } from "./contracts.ts";

let server: RedisServer;
let admin: Redis | undefined;

beforeAll(async () => {
  server = await startRedis();
  await allow();
});

/** A server forgets its users when it ends. */
async function allow(): Promise<void> {
  admin?.disconnect();
  admin = new Redis({ host: server.host, port: server.port });
  const rights = documentedRights().map((word) => (word.startsWith("~") ? "~enid:test-*" : word));
  await admin.acl("SETUSER", "enid", "reset", "on", ">secret", ...rights);
}

afterAll(async () => {
  admin?.disconnect();
  await server.stop();
});

describeAllContracts("Redis, with the rights of docs/fleet.md alone", {
  way: () => ({ host: server.host, port: server.port, username: "enid", password: "secret" }),
  lose: async () => void (await admin?.flushall()),
  async replace() {
    await admin?.save();
    await server.kill();
    await server.restart();
    await allow();
  },
});
