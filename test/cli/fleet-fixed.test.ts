import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FIXED_TIMES, type FleetStore, redisFleetStore } from "../../src/fleet/index.ts";
import { type RedisServer, startRedis } from "../support/redis.ts";
import { temporaryFolder } from "./fake-daemon.ts";
import { callEnid } from "./run-enid.ts";

let server: RedisServer;
let store: FleetStore;
let fleets = 0;
let configuration = "";

beforeAll(async () => {
  server = await startRedis();
});

afterAll(() => server.stop());

beforeEach(async () => {
  const name = `fixed-${fleets++}`;
  configuration = path.join(await temporaryFolder(), "fleet.conf");
  const fleet = { redis: [`127.0.0.1:${server.port}`], "fleet-name": name };
  await writeFile(configuration, JSON.stringify({ cniVersion: "1.0.0", name: "cilium", type: "cilium-cni", fleet }));
  store = redisFleetStore({ host: server.host, port: server.port, prefix: `enid:${name}:` });
});

afterEach(() => store.close());

async function fixed(...argv: string[]) {
  const { code, stdout, stderr } = await callEnid(["fleet", "fixed", ...argv], { ENID_CONFIGURATION: configuration });
  const text = stdout.trimEnd();
  return { code, text, error: stderr, json: () => JSON.parse(text) };
}

const caller = {
  nodeId: "i-1",
  nodeName: "node-1",
  knownStore: "",
  freshStore: "fresh",
  times: { ...FIXED_TIMES, settleMs: 0 },
};

/** What a node does when the pod starts on it. */
async function bound(pod: string, address: string, keepMs = 0): Promise<void> {
  const answer = await store.fixed.create(caller, { pod, address, subnetId: "subnet-1", zone: "eu-west-1a", keepMs });
  if (answer.kind !== "done") throw new Error(`not bound: ${JSON.stringify(answer)}`);
}

describe("enid fleet fixed", () => {
  it("says that there are none", async () => {
    expect(await fixed("list")).toMatchObject({ code: 0, text: "the fleet has no fixed addresses" });
    expect((await fixed("list", "--json")).json()).toMatchObject({ total: 0, chosen: 0, records: [] });
  });

  it("lists what the flags name, over more than a page", async () => {
    await bound("shop/db-0", "10.0.0.5", 3_600_000);
    await bound("shop/db-1", "10.0.0.6", 3_600_000);
    await store.fixed.change("park", "i-1", "shop/db-1", 1);
    for (let n = 0; n < 250; n++) {
      const address = `10.1.0.${n}`;
      await store.fixed.pin({ pod: `web/a-${n}`, address, subnetId: "", zone: "", keepMs: 0 });
    }
    const all = (await fixed("list", "--json")).json();
    expect(all).toMatchObject({ total: 252, chosen: 252 });
    expect(all.records).toHaveLength(252);
    const { text } = await fixed("list", "--namespace", "shop");
    expect(text).toContain("252 fixed addresses, 2 as asked (1 bound, 1 parked)");
    expect(text).toMatch(/shop\/db-0 +10\.0\.0\.5 +bound +node-1 \(i-1\) +eu-west-1a +subnet-1 +1 h after its pod/);
    expect(text).toMatch(/shop\/db-1 +10\.0\.0\.6 +parked .* until 20\d\d-/);
    expect((await fixed("list", "--limit", "3")).text).toContain("and 249 more: --limit N shows them");
    const parked = (await fixed("list", "--state", "parked", "--node", "i-1", "--json")).json();
    expect(parked.records.map((entry: { record: { pod: string } }) => entry.record.pod)).toEqual(["shop/db-1"]);
  });

  it("shows one, with its node's last sign of life and who wants it", async () => {
    await bound("shop/db-0", "10.0.0.5");
    await store.fixed.sync(caller, []);
    await store.fixed.claim({ ...caller, nodeId: "i-2" }, "shop/db-0");
    const { text } = await fixed("show", "shop/db-0");
    expect(text).toMatch(/^shop\/db-0\n {2}address +10\.0\.0\.5\n {2}state +bound\n {2}node +node-1 \(i-1\)\n/);
    expect(text).toMatch(/wanted by +i-2/);
    expect(text).toMatch(/sign of life +\d+ (ms|s) ago/);
    const shown = (await fixed("show", "shop/db-0", "--json")).json();
    expect(shown).toMatchObject({ record: { pod: "shop/db-0", epoch: 1 }, wantedBy: "i-2" });
    const unknown = await fixed("show", "shop/db-9");
    expect(unknown.code).toBe(1);
    expect(unknown.error).toContain("ENID_FIXED_UNKNOWN");
  });

  it("releases what is parked, and what is bound only by force", async () => {
    await bound("shop/db-0", "10.0.0.5");
    const refused = await fixed("release", "shop/db-0");
    expect(refused.code).toBe(1);
    expect(refused.error).toContain("10.0.0.5 is not released: shop/db-0 has it on node-1 (bound)");
    expect(await store.fixed.find("shop/db-0")).toMatchObject({ state: "bound" });
    await store.fixed.change("park", "i-1", "shop/db-0", 1);
    expect((await fixed("release", "shop/db-0")).text).toContain("node-1 (i-1) gives it back");
    await bound("shop/db-1", "10.0.0.6");
    const forced = await fixed("release", "shop/db-1", "--force", "--json");
    expect(forced.json()).toMatchObject({ kind: "dropped", record: { pod: "shop/db-1" } });
    expect(await store.fixed.find("shop/db-1")).toBeUndefined();
  });

  it("pins an address for a pod, once", async () => {
    const where = ["--subnet", "subnet-1", "--zone", "eu-west-1a"];
    const pinned = await fixed("pin", "shop/db-0", "10.0.0.5", ...where, "--keep-seconds", "60");
    expect(pinned).toMatchObject({ code: 0, error: "" });
    expect(await store.fixed.find("shop/db-0")).toMatchObject({
      address: "10.0.0.5",
      subnetId: "subnet-1",
      state: "parked",
      holder: "",
      keepMs: 60_000,
    });
    const other = await fixed("pin", "shop/db-1", "10.0.0.5", ...where);
    expect(other.error).toContain("shop/db-1 cannot have 10.0.0.5: shop/db-0 has it");
    const again = await fixed("pin", "shop/db-0", "10.0.0.6", ...where);
    expect(again.error).toContain("shop/db-0 cannot have 10.0.0.6: it has 10.0.0.5 already");
    expect((await fixed("release", "shop/db-0")).text).toContain("is no longer fixed");
  });

  it.each([
    [["lits"], "did you mean list?"],
    [["show"], "show takes POD"],
    [["list", "shop/db-0"], "list takes nothing"],
    [["show", "db-0"], "is not a pod as namespace/name"],
    [["pin", "shop/db-0", "10.0.0.256"], "is not an IPv4 address"],
    [["pin", "shop/db-0", "10.0.0.5"], "--subnet and --zone name it"],
    [["pin", "shop/db-0", "10.0.0.5", "--zone", "a"], "--subnet and --zone belong together"],
  ])("refuses %j", async (argv, words) => {
    const { code, error } = await fixed(...argv);
    expect(code).toBe(2);
    expect(error).toContain(words);
  });
});
