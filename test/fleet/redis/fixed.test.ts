import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type FleetStore, redisFleetStore } from "../../../src/fleet/index.ts";
import { FIXED_TIMES, type FixedCaller, SYNC_LIMIT } from "../../../src/fleet/store/fixed.ts";
import type { FixedRecord } from "../../../src/manager/ports/index.ts";
import { type RedisServer, startRedis } from "../../support/redis.ts";
import { describeFixedContract, type FixedBench } from "../contract/fixed.ts";

let server: RedisServer;
const stores: FleetStore[] = [];
let fleets = 0;

beforeAll(async () => {
  server = await startRedis(["--appendonly", "yes", "--appendfsync", "no"]);
});

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});

afterAll(() => server.stop());

const pass = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Each fleet has keys of its own. */
async function bench(): Promise<FixedBench> {
  const prefix = `enid:test-${fleets++}:`;
  const store = redisFleetStore({ host: server.host, port: server.port, prefix, limitMs: 10_000 });
  stores.push(store);
  return {
    store,
    pass,
    shortMs: 400,
    async restart(keepsData) {
      await server.kill();
      if (!keepsData) for (const name of readdirSync(server.folder)) rmSync(join(server.folder, name), REMOVE);
      await server.restart();
      await answers(store);
    },
  };
}

const REMOVE = { recursive: true, force: true } as const;

/** The client connects again by itself. */
async function answers(store: FleetStore): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    try {
      await store.fixed.find("any/pod");
      return;
    } catch {
      await pass(25);
    }
  }
  throw new Error("the client does not find the server again");
}

describeFixedContract("Redis", bench);

describe("fixed records on a real server", () => {
  it("takes the most that one step of sync may bring, and gives it back whole", async () => {
    const { store } = await bench();
    const caller: FixedCaller = {
      nodeId: "i-0123456789abcdef0",
      nodeName: "ip-10-0-0-1.eu-central-1.compute.internal",
      knownStore: "",
      freshStore: "a",
      times: FIXED_TIMES,
    };
    const held = Array.from(
      { length: SYNC_LIMIT },
      (_, n): FixedRecord => ({
        pod: `${"n".repeat(60)}/${"p".repeat(240)}-${n}`,
        address: `10.1.${n >> 8}.${n & 255}`,
        subnetId: "subnet-0123456789abcdef0",
        zone: "eu-central-1a",
        epoch: 2 ** 40 + n,
        holder: caller.nodeId,
        holderName: caller.nodeName,
        state: "parked",
        keepMs: 10 * 365 * 86_400_000,
        expiresAtMs: 1_999_999_999_999 + n,
      }),
    );
    const { verdicts } = await store.fixed.sync(caller, held);
    expect(verdicts).toEqual(held.map((record) => ({ kind: "yours", record, wantedBy: "" })));
    expect((await store.fixed.heldBy(caller.nodeId, "", 200)).entries).toHaveLength(SYNC_LIMIT);
  });

  it("lets one of many claims of one address at once win, and one of many creations", async () => {
    const { store } = await bench();
    const times = { ...FIXED_TIMES, settleMs: 0 };
    const caller = (n: number): FixedCaller => ({
      nodeId: `i-${n}`,
      nodeName: "",
      knownStore: "",
      freshStore: "a",
      times,
    });
    const start = { pod: "shop/db-0", address: "10.0.0.5", subnetId: "", zone: "", keepMs: 0 };
    const all = Array.from({ length: 20 }, (_, n) => n);
    await store.fixed.pin(start);
    await store.fixed.sync(caller(0), []);
    await pass(5);
    const claims = await Promise.all(all.map((n) => store.fixed.claim(caller(n), start.pod)));
    expect(claims.filter(({ kind }) => kind === "claimed")).toHaveLength(1);
    const creations = await Promise.all(
      all.map((n) => store.fixed.create(caller(n), { ...start, pod: `shop/x-${n}`, address: "10.0.0.6" })),
    );
    expect(creations.filter(({ kind }) => kind === "done")).toHaveLength(1);
  });
});
