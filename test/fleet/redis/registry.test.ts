import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FleetStore, redisFleetStore } from "../../../src/fleet/index.ts";
import { type RedisServer, startRedis } from "../../support/redis.ts";
import { describeProfileContract } from "../contract/profiles.ts";
import { describeRegistryContract } from "../contract/registry.ts";
import type { StoreBench } from "../contract/store-bench.ts";

let server: RedisServer;
const stores: FleetStore[] = [];
let fleets = 0;

beforeAll(async () => {
  server = await startRedis();
});

afterAll(async () => {
  for (const store of stores) await store.close();
  await server.stop();
});

/** Each fleet has keys of its own. */
async function bench(): Promise<StoreBench> {
  const store = redisFleetStore({ host: server.host, port: server.port, prefix: `enid:test-${fleets++}:` });
  stores.push(store);
  return { store, pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)), shortMs: 400 };
}

describeRegistryContract("Redis", bench);
describeProfileContract("Redis", bench);

describe("a thousand nodes on a real server", () => {
  it("are listed in pages, each once", async () => {
    const { registry } = (await bench()).store;
    const document = JSON.stringify({ filler: "x".repeat(1_000) });
    const ids = Array.from({ length: 1_000 }, (_, n) => `i-${String(n).padStart(4, "0")}`);
    await Promise.all(ids.map((nodeId) => registry.publish({ nodeId, document, ttlMs: 60_000, by: "node" })));
    const seen: string[] = [];
    let after = "";
    do {
      const page = await registry.list(after, 200);
      expect(page.nodes).toBe(1_000);
      seen.push(...page.entries.map(({ nodeId }) => nodeId));
      after = page.next;
    } while (after !== "");
    expect(seen).toEqual(ids);
  });
});
