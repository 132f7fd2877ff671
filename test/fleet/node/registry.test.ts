import { describe, expect, it } from "vitest";
import { FleetNode, MemoryServer, memoryFleetStore, type NodeDocument } from "../../../src/fleet/index.ts";
import { REGISTRY_LIMITS } from "../../../src/fleet/node/registry.ts";
import type { EnidEvent } from "../../../src/manager/index.ts";
import { seededRandom, VirtualClock } from "../../support/virtual-clock.ts";

const WELL: NodeDocument = {
  schema: 1,
  kind: "enid",
  nodeName: "node",
  version: "1",
  environment: "aws",
  handOff: "cni",
  instanceType: "m5.large",
  region: "r",
  zone: "z",
  startedAtMs: 0,
  ready: true,
  waitingFor: "",
  capacity: 27,
  interfaces: 1,
  subnets: [],
  waiting: 0,
  longestWaitMs: 0,
  degraded: [],
  calls: {},
};

function fleetOf(count: number) {
  const clock = new VirtualClock();
  const server = new MemoryServer({ clock });
  const events: EnidEvent[] = [];
  const documents = new Map<number, NodeDocument>();
  const nodes = Array.from({ length: count }, (_, n) => {
    const node = new FleetNode({
      store: memoryFleetStore(server, `node-${n}`, clock),
      clock,
      random: seededRandom(n + 1),
      telemetry: { event: (event) => events.push(event) },
      settings: { name: "default", reservedShare: 0, buckets: {} },
      servers: [],
      nodeName: `node-${n}`,
    });
    node.registry.start(() => documents.get(n) ?? WELL);
    return node;
  });
  const identify = (n: number) =>
    nodes[n]?.identified({ nodeId: `i-${n}`, nodeName: `node-${n}`, accountId: "1", region: "r", zone: "z" });
  const reader = memoryFleetStore(server, "reader", clock);
  const list = async () => (await reader.registry.list("", 200)).entries;
  return { clock, server, events, documents, nodes, identify, reader, list };
}

describe("a node in the registry", () => {
  it("is there from when it is identified, and hears how many there are", async () => {
    const { clock, nodes, identify, list } = fleetOf(3);
    await clock.advance(30_000);
    expect(await list()).toEqual([]);
    for (const n of [0, 1, 2]) identify(n);
    await clock.advance(15_000);
    expect((await list()).map(({ nodeId }) => nodeId)).toEqual(["i-0", "i-1", "i-2"]);
    expect(nodes.map((node) => node.report().nodes)).toEqual([3, 3, 3]);
    expect(JSON.parse((await list())[0]?.document ?? "")).toEqual(WELL);
  });

  it("renews its entry about every ten seconds, each at its own time", async () => {
    const { clock, identify, list } = fleetOf(20);
    for (let n = 0; n < 20; n++) identify(n);
    await clock.advance(5 * 60_000);
    const entries = await list();
    expect(entries).toHaveLength(20);
    const ages = entries.map(({ publishedAtMs }) => clock.nowMs() - publishedAtMs);
    expect(Math.max(...ages)).toBeLessThanOrEqual(14_000);
    expect(new Set(ages.map((age) => Math.floor(age / 2_000))).size).toBeGreaterThan(2);
  });

  it("tells at once what is urgent, and the rest with its turn", async () => {
    const { clock, identify, documents, list } = fleetOf(1);
    identify(0);
    await clock.advance(60_000);
    const said = async () => JSON.parse((await list())[0]?.document ?? "") as NodeDocument;
    documents.set(0, { ...WELL, ready: false, degraded: ["ec2-throttled"] });
    await clock.advance(REGISTRY_LIMITS.lookEveryMs);
    expect(await said()).toMatchObject({ ready: false, degraded: ["ec2-throttled"] });
    documents.set(0, { ...WELL, ready: false, degraded: ["ec2-throttled"], waiting: 3 });
    await clock.advance(REGISTRY_LIMITS.lookEveryMs);
    expect(await said()).toMatchObject({ waiting: 0 });
    await clock.advance(REGISTRY_LIMITS.publishEveryMs * 1.5);
    expect(await said()).toMatchObject({ waiting: 3 });
  });

  it("leaves at an orderly stop, and in its time when it is cut off", async () => {
    const { clock, nodes, identify, list, server } = fleetOf(3);
    for (const n of [0, 1, 2]) identify(n);
    await clock.advance(15_000);
    const stopping = nodes[0]?.stop();
    await clock.advance(2_000);
    await stopping;
    expect((await list()).map(({ nodeId }) => nodeId)).toEqual(["i-1", "i-2"]);
    server.cutOff("node-1", true);
    await clock.advance(REGISTRY_LIMITS.ttlMs);
    expect((await list()).map(({ nodeId }) => nodeId)).toEqual(["i-2"]);
    await clock.advance(60_000);
    expect((await list()).map(({ nodeId }) => nodeId)).toEqual(["i-2"]);
  });

  it("goes on quietly while the store is away: it knows what it knew, and stops without waiting long", async () => {
    const { clock, nodes, identify, events, server, list } = fleetOf(2);
    identify(0);
    identify(1);
    await clock.advance(15_000);
    server.down(true);
    await clock.advance(10 * 60_000);
    expect(nodes[0]?.report().nodes).toBe(2);
    expect(events.filter(({ level }) => level !== "debug")).toEqual([]);
    const stopping = nodes[1]?.stop();
    await clock.advance(REGISTRY_LIMITS.leaveMs + 1_000);
    await stopping;
    server.down(false);
    await clock.advance(15_000);
    expect((await list()).map(({ nodeId }) => nodeId)).toEqual(["i-0"]);
  });

  it("never brings the profiles of a fleet it was in before to another one", async () => {
    const { clock, nodes, identify, reader, server } = fleetOf(1);
    identify(0);
    await reader.profiles.put({ name: "default", match: {}, values: { "pre-allocate": 3 } }, 0);
    await clock.advance(15_000);
    expect(nodes[0]?.profiles.current()).toHaveLength(1);
    server.loseEverything();
    nodes[0]?.serversChanged(["other:6379"]);
    expect(nodes[0]?.profiles.current()).toBeUndefined();
    await clock.advance(30_000);
    expect(await reader.profiles.list()).toEqual({ revision: 0, profiles: [] });
  });
});
