import { describe, expect, it } from "vitest";
import { filterNodes, type ListedNode, readNodes, subnetsOf, topNodes } from "../../src/cli/fleet/nodes.ts";
import { renderBudget, renderNodes, renderProfiles, renderSubnets } from "../../src/cli/render/fleet.ts";
import { renderStatus } from "../../src/cli/render/status.ts";
import { MemoryServer, memoryFleetStore, type NodeDocument } from "../../src/fleet/index.ts";
import { URGENCIES } from "../../src/manager/ports/index.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { NOON_MS, settings, statusReport } from "../telemetry/status-report.ts";

const plain = (_style: string, text: string) => text;
const lines = (text: readonly string[]) => `\n${text.join("\n")}\n`;

const WELL: NodeDocument = {
  schema: 1,
  kind: "enid",
  nodeName: "",
  version: "0.6.0",
  environment: "aws",
  handOff: "cni",
  instanceType: "m5.large",
  region: "eu-west-1",
  zone: "eu-west-1a",
  startedAtMs: 0,
  ready: true,
  waitingFor: "",
  capacity: 27,
  ipv4: { free: 8, leased: 9, cooling: 1, releasing: 0 },
  interfaces: 2,
  subnets: [],
  waiting: 0,
  longestWaitMs: 0,
  degraded: [],
  calls: {},
};

function node(n: number, changes: Partial<NodeDocument> = {}): ListedNode {
  const document = { ...WELL, nodeName: `node-${n}`, ...changes };
  return {
    nodeId: `i-${n}`,
    by: "node",
    publishedAtMs: NOON_MS - n * 1_000,
    expiresAtMs: NOON_MS + 40_000,
    document,
  };
}

const { ipv4: _ipv4, ...OLD } = WELL;
const NODES = [
  node(1),
  node(2, {
    zone: "eu-west-1b",
    degraded: ["ec2-throttled", "subnet-exhausted"],
    calls: { AssignPrivateIpAddresses: 7 },
  }),
  node(3, {
    ready: false,
    waitingFor: "EC2 answers",
    waiting: 4,
    ipv4: { free: 0, leased: 18, cooling: 0, releasing: 0 },
  }),
  { ...node(4), by: "other" as const, document: { ...OLD, kind: "vpc-cni" as const, nodeName: "old-4", version: "" } },
];
const FLEET = { nowMs: NOON_MS, nodes: NODES, unreadable: 0 };
const names = (nodes: readonly ListedNode[]) => nodes.map(({ document }) => document.nodeName);

describe("the nodes of a fleet for a person", () => {
  it("are one line each, below one for all", () => {
    expect(lines(renderNodes(FLEET, NODES, 50, plain))).toBe(`
4 nodes (3 enid, 1 vpc-cni), 2 not well; 16 addresses free, 36 leased; 4 pods wait

NODE    ID   KIND     ZONE        TYPE      FREE  LEASED  COOLING  WAITING  ENIS  CALLS  VERSION  HEARD    STATE
node-1  i-1  enid     eu-west-1a  m5.large     8       9        1        0     2      0  0.6.0    1 s ago  ready
node-2  i-2  enid     eu-west-1b  m5.large     8       9        1        0     2      7  0.6.0    2 s ago  ec2-throttled, subnet-exhausted
node-3  i-3  enid     eu-west-1a  m5.large     0      18        0        4     2      0  0.6.0    3 s ago  EC2 answers
old-4   i-4  vpc-cni  eu-west-1a  m5.large     -       -        -        0     2      0           4 s ago
`);
  });

  it("are cut at the limit, which is said", () => {
    expect(renderNodes(FLEET, NODES, 1, plain).at(-1)).toBe("and 3 more: --limit N shows them");
    expect(renderNodes(FLEET, [], 50, plain).at(-1)).toBe("none of them is as the flags say");
    expect(renderNodes({ ...FLEET, unreadable: 2 }, [], 50, plain)[1]).toBe(
      "2 entries of another version of enid left out",
    );
  });

  it("can be chosen by zone, kind, trouble, waiting pods and name", () => {
    expect(names(filterNodes(NODES, { zone: "eu-west-1b" }))).toEqual(["node-2"]);
    expect(names(filterNodes(NODES, { kind: "vpc-cni" }))).toEqual(["old-4"]);
    expect(names(filterNodes(NODES, { degraded: true }))).toEqual(["node-2", "node-3"]);
    expect(names(filterNodes(NODES, { waiting: true }))).toEqual(["node-3"]);
    expect(names(filterNodes(NODES, { name: "old" }))).toEqual(["old-4"]);
    expect(names(filterNodes(NODES, { name: "i-2" }))).toEqual(["node-2"]);
    expect(names(filterNodes(NODES, { zone: "eu-west-1a", kind: "enid" }))).toEqual(["node-1", "node-3"]);
  });

  it("stand out by what one asks for", () => {
    expect(names(topNodes(NODES, "free"))).toEqual(["node-3", "node-1", "node-2"]);
    expect(names(topNodes(NODES, "leased"))).toEqual(["node-3", "node-1", "node-2"]);
    expect(names(topNodes(NODES, "waiting"))[0]).toBe("node-3");
    expect(names(topNodes(NODES, "calls"))[0]).toBe("node-2");
  });

  it("are read from the registry, however many; what cannot be read is counted", async () => {
    const clock = new VirtualClock();
    const store = memoryFleetStore(new MemoryServer({ clock }), "reader", clock);
    const put = (nodeId: string, document: unknown) =>
      store.registry.publish({ nodeId, document: JSON.stringify(document), ttlMs: 60_000, by: "node" });
    for (let n = 0; n < 450; n++)
      await put(`i-${n}`, { ...WELL, nodeName: `node-${String(449 - n).padStart(3, "0")}` });
    await put("x-future", { ...WELL, schema: 2 });
    await put("x-broken", "nonsense");
    await put("x-wrong", { ...WELL, subnets: "none" });
    await put("x-less", { schema: 1, kind: "other", nodeName: "a-less" });
    const { nodes, unreadable } = await readNodes(store);
    expect([nodes.length, unreadable]).toEqual([451, 3]);
    expect(names(nodes).slice(0, 2)).toEqual(["a-less", "node-000"]);
    expect(nodes[0]?.document).toMatchObject({ degraded: [], calls: {}, waiting: 0 });
  });
});

describe("the subnets of a fleet for a person", () => {
  const use = (id: string, free: number, readAtMs: number, held: number) => ({
    id,
    cidr: "10.0.1.0/24",
    free,
    readAtMs,
    held,
    leased: held,
  });

  it("have what is free by whoever looked last, and what the nodes hold together", () => {
    const subnets = subnetsOf([
      node(1, { subnets: [use("subnet-a", 90, NOON_MS - 60_000, 9), use("subnet-b", 3, NOON_MS - 9_000, 0)] }),
      node(2, { subnets: [use("subnet-a", 80, NOON_MS - 5_000, 18)] }),
      node(3, { subnets: [use("subnet-a", 0, 0, 4)] }),
    ]);
    expect(lines(renderSubnets(subnets, 50, NOON_MS, plain))).toBe(`
SUBNET    CIDR         ZONE        FREE  HELD  LEASED  NODES  ALLOWED ON  READ
subnet-b  10.0.1.0/24  eu-west-1a     3     0       0      0           1  9 s ago
subnet-a  10.0.1.0/24  eu-west-1a    80    31      31      3           2  5 s ago
`);
  });
});

describe("the budget and the profiles of a fleet for a person", () => {
  it("shows rates, and who waits how urgently", () => {
    const bucket = { account: "123456789012", region: "eu-west-1", action: "AssignPrivateIpAddresses" };
    const level = {
      bucket,
      capacity: 80,
      tokens: 12.7,
      ratePerSecond: 2.8,
      fullRatePerSecond: 4,
      waiting: [3, 0, 9, 0],
      granted: 120,
      throttled: 1,
    };
    expect(lines(renderBudget([level], URGENCIES, plain))).toBe(`
ACTION                    REGION     ACCOUNT       TOKENS    RATE            WAITING                    GRANTED  THROTTLED
AssignPrivateIpAddresses  eu-west-1  123456789012  12 of 80  2.80 of 4.00/s  12: 3 pod-waits, 9 buffer  120      1
`);
  });

  it("shows whom a profile is for, the default one first", () => {
    const setAtMs = NOON_MS;
    const profiles = [
      {
        name: "big",
        match: { instanceTypes: ["m5.*"], labels: { team: "web" } },
        values: { "pre-allocate": 64 },
        setAtMs,
      },
      { name: "default", match: {}, values: { "pre-allocate": 16 }, setAtMs },
    ];
    expect(lines(renderProfiles(profiles, plain))).toBe(`
default: every node; set 2026-08-01T12:00:00Z
  pre-allocate  16

big: nodes with instance types m5.* and label team=web; set 2026-08-01T12:00:00Z
  pre-allocate  64
`);
  });
});

describe("enid status on a node of a fleet", () => {
  const FLEET_REPORT = {
    name: "prod",
    servers: ["redis-1:6379"],
    connected: true,
    sinceMs: NOON_MS - 60_000,
    because: "",
    nodes: 1_000,
    singletons: [
      { task: "sweep", holds: true },
      { task: "other", holds: false },
    ],
  };
  const status = (changes: Parameters<typeof statusReport>[0]) =>
    renderStatus({ version: "0.1.0", ...statusReport(changes) }, NOON_MS, plain).join("\n");

  it("says whether it reaches the others, how many there are, and what it does for all", () => {
    const text = status({ fleet: FLEET_REPORT });
    expect(text).toContain("fleet          prod, 1000 nodes, redis-1:6379; connected since 2026-08-01T11:59:00Z\n");
    expect(text).toContain("\n               does for all: sweep\n");
    const away = status({
      fleet: { ...FLEET_REPORT, connected: false, because: "no answer within 1000 ms", nodes: 0 },
    });
    expect(away).toContain("prod, number of nodes not known yet, redis-1:6379; AWAY for 1 min: no answer");
  });

  it("names the settings that come from profiles", () => {
    const base = settings();
    const origins = { ...base.origins, "cooling-seconds": { kind: "fleet", profile: "web" } as const };
    expect(status({ settings: { ...base, origins } })).toContain(
      `profiles       cooling-seconds=${base.values["cooling-seconds"]} (web)\n`,
    );
  });
});
