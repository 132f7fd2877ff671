import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { birdConf } from "../../../src/handoff/bird/index.ts";
import { Bird, eventually, leafConfiguration, Namespaces, runProgram } from "../../support/bird.ts";
import { describeAsRoot } from "../../support/root.ts";
import { QUICK, TestBird, testFolder } from "./helpers.ts";

/**
 * A node with two leaves and a router behind both, all of them real BIRD. The node's bird.conf is the one that enid makes.
 * The session with the first leaf has a password and IPv4 addresses, the one with the second IPv6 addresses.
 */

const NODE = { asn: 4_200_000_112, first: "10.0.1.2", second: "fd00:2::2" };
const PASSWORD = "for the test";
const LEAF1 = { name: "leaf1", asn: 4_200_000_001, address: "10.0.1.1", routerId: "10.255.0.1", password: PASSWORD };
const LEAF2 = { name: "leaf2", asn: 4_200_000_002, address: "fd00:2::1", routerId: "10.255.0.2" };
const SPINE = { asn: 4_200_000_100, first: "10.0.11.1", second: "10.0.12.1", routerId: "10.255.0.9" };

const namespaces = new Namespaces();
const folder = testFolder();
const includeFile = join(folder, "enid.conf");
const birds: Bird[] = [];
let node: Bird;
let leaf1: Bird;
let leaf2: Bird;
let spine: string;
let enid: TestBird;

describeAsRoot("a node between two leaves", () => {
  beforeAll(async () => {
    const nodeSpace = await namespaces.add("node");
    const space1 = await namespaces.add("leaf1");
    const space2 = await namespaces.add("leaf2");
    spine = await namespaces.add("spine");
    const end = (namespace: string, device: string, ...addresses: string[]) => ({ namespace, device, addresses });
    await Promise.all([
      namespaces.link(
        end(nodeSpace, "up1", "10.0.1.2/24", "fd00:1::2/64"),
        end(space1, "down1", "10.0.1.1/24", "fd00:1::1/64"),
      ),
      namespaces.link(end(nodeSpace, "up2", "fd00:2::2/64"), end(space2, "down1", "fd00:2::1/64")),
      namespaces.link(end(space1, "spine", "10.0.11.2/24"), end(spine, "leaf1", "10.0.11.1/24")),
      namespaces.link(end(space2, "spine", "10.0.12.2/24"), end(spine, "leaf2", "10.0.12.1/24")),
    ]);
    const start = async (name: string, namespace: string, configuration: string) => {
      const bird = new Bird({ namespace, folder: join(folder, name), configuration });
      birds.push(bird);
      await bird.start();
      return bird;
    };
    const leaf = (self: typeof LEAF2 & { password?: string }, nodeAddress: string, spineAddress: string) =>
      leafConfiguration({
        ...self,
        connectDelaySeconds: 3,
        neighbors: [
          { name: "node", address: nodeAddress, asn: NODE.asn, ...(self.password ? { password: self.password } : {}) },
          { name: "spine", address: spineAddress, asn: SPINE.asn },
        ],
      });
    [leaf1, leaf2, , node] = await Promise.all([
      start("leaf1", space1, leaf(LEAF1, NODE.first, SPINE.first)),
      start("leaf2", space2, leaf(LEAF2, NODE.second, SPINE.second)),
      start(
        "spine",
        spine,
        leafConfiguration({
          ...SPINE,
          neighbors: [
            { name: "leaf1", address: "10.0.11.2", asn: LEAF1.asn },
            { name: "leaf2", address: "10.0.12.2", asn: LEAF2.asn },
          ],
        }),
      ),
      start("node", nodeSpace, `log stderr all;\n${nodeConf()}`),
    ]);
    enid = new TestBird(bgp());
    enid.become(["10.1.0.0/24", "fd00:a::/112"]);
    enid.start();
  });

  afterAll(async () => {
    await enid?.reach.stop();
    await Promise.all(birds.map((bird) => bird.stop()));
    await namespaces.remove();
  });

  it("announces its ranges to both, in both families, and both ways are used behind them", async () => {
    for (const network of ["10.1.0.0/24", "fd00:a::/112"]) {
      await leaf1.untilRoute(network);
      await leaf2.untilRoute(network);
    }
    expect((await leaf1.routes("master4"))["10.1.0.0/24"]).toContain("10.0.1.2");
    // There is no IPv4 on the second link: IPv4 routes lead to an IPv6 address (RFC 8950).
    expect((await leaf2.routes("master4"))["10.1.0.0/24"]).toContain("fd00:2::2");
    expect((await leaf2.routes("master6"))["fd00:a::/112"]).toContain("fd00:2::2");
    const multipath = await eventually("two ways at the router behind the leaves", async () => {
      const shown = await namespaces.run(spine, "ip", "route", "show", "10.1.0.0/24");
      return shown.match(/nexthop via/g)?.length === 2 ? shown : undefined;
    });
    expect(multipath).toMatch(/via 10\.0\.11\.2.*via 10\.0\.12\.2/s);
    const sessions = await eventually("both sessions in the report", () => {
      const { sessions } = enid.reach.report() as Extract<ReturnType<typeof enid.reach.report>, { kind: "bird" }>;
      return sessions.every(({ up, exported, bfd }) => up && exported === 2 && bfd === "Up") ? sessions : undefined;
    });
    expect(sessions.map(({ name, neighbor, state }) => `${name} ${neighbor} ${state}`)).toEqual([
      "uplink1 10.0.1.1 Established",
      "uplink2 fd00:2::1 Established",
    ]);
    expect(enid.count("bird-session-up")).toBe(2);
    expect(enid.reach.trouble()).toBeUndefined();
  });

  it("takes no route of its uplinks, and puts none into the kernel", async () => {
    expect(Object.keys(await leaf1.routes("master4")).length).toBeGreaterThan(2);
    expect(await node.birdc("show", "route", "protocol", "uplink1")).not.toMatch(/via/);
    expect(await node.birdc("show", "route", "table", "master4")).toMatch(/^10\.1\.0\.0\/24 .*enid4/m);
    const tables = await namespaces.run(
      namespaces.nameOf("node"),
      "ip",
      "route",
      "show",
      "table",
      "all",
      "proto",
      "bird",
    );
    expect(tables).toBe("");
  });

  it("is told of an address outside of them before its ADD is answered; sessions stay as they are", async () => {
    const since = await node.birdc("show", "protocols", "uplink1");
    enid.become(["10.1.0.0/24", "fd00:a::/112"], ["10.1.0.5", "10.7.0.9", "fd00:b::9"]);
    await enid.reach.ready([
      { address: "10.7.0.9", interfaceId: "" },
      { address: "fd00:b::9", interfaceId: "" },
    ]);
    const own = await node.routes("master4");
    expect(Object.keys(own)).toEqual(expect.arrayContaining(["10.1.0.0/24", "10.7.0.9/32"]));
    expect(Object.keys(own)).not.toContain("10.1.0.5/32");
    await Promise.all(
      [leaf1, leaf2].flatMap((leaf) => [leaf.untilRoute("10.7.0.9/32"), leaf.untilRoute("fd00:b::9/128")]),
    );
    enid.become(["10.1.0.0/24", "fd00:a::/112"]);
    await Promise.all([leaf1, leaf2].flatMap((leaf) => [leaf.untilRoute("10.7.0.9/32", false)]));
    // Nor does the whole bird.conf made anew touch them.
    await node.configure(`log stderr all;\n${nodeConf()}`);
    expect(await node.birdc("show", "protocols", "uplink1")).toBe(since);
    expect(enid.events.filter(({ name }) => name === "bird-configured").map(({ level }) => level)).toEqual([
      "info",
      ...Array(enid.count("bird-configured") - 1).fill("debug"),
    ]);
  });

  it("withdraws a range that drains, and announces what is leased of it", async () => {
    enid.become(["-10.1.0.0/24", "10.2.0.0/24", "fd00:a::/112"], ["10.1.0.5"]);
    for (const leaf of [leaf1, leaf2]) {
      await leaf.untilRoute("10.1.0.0/24", false);
      await leaf.untilRoute("10.1.0.5/32");
      await leaf.untilRoute("10.2.0.0/24");
    }
    enid.become(["10.1.0.0/24", "fd00:a::/112"]);
    await leaf1.untilRoute("10.1.0.0/24");
    await leaf1.untilRoute("10.1.0.5/32", false);
  });

  it("does not configure BIRD again when enid starts anew, and one that stops leaves the routes", async () => {
    const before = node.log;
    await enid.reach.stop();
    enid.become([]);
    const next = new TestBird(bgp());
    next.become(["10.1.0.0/24", "fd00:a::/112"]);
    next.start();
    await eventually("the new one has looked", () => reportOf(next).checkedAtMs > 0);
    expect(node.log).toBe(before);
    expect(next.count("bird-configured")).toBe(0);
    await leaf1.untilRoute("10.1.0.0/24");
    enid = next;
  });

  it("notices a leaf that hangs by BFD, and tells when it is back", async () => {
    await eventually("BFD is up", () => reportOf(enid).sessions.every(({ up, bfd }) => up && bfd === "Up"));
    leaf2.freeze(true);
    try {
      // Its hold time is 90 s: only BFD can know within ten.
      await node.untilProtocol("uplink2", "start", 10_000);
      await eventually("enid tells", () => enid.count("bird-session-down") === 1);
    } finally {
      leaf2.freeze(false);
    }
    expect(reportOf(enid).sessions.map(({ up }) => up)).toEqual([true, false]);
    expect(enid.reach.trouble()).toBeUndefined();
    await eventually("the session is back", () => reportOf(enid).sessions.every(({ up }) => up), 20_000);
    expect(enid.events.at(-1)).toMatchObject({ name: "bird-session-up", fields: { protocol: "uplink2" } });
  });

  it("keeps its routes at the leaves while BIRD is restarted gracefully", async () => {
    const route = () => namespaces.run(namespaces.nameOf("leaf1"), "ip", "route", "show", "10.1.0.0/24");
    expect(await route()).toContain("via 10.0.1.2");
    const changes = watchRoutes(namespaces.nameOf("leaf1"));
    await node.birdc("graceful", "restart");
    await eventually("BIRD has ended", () => !node.running);
    await eventually("enid tells", () => enid.reach.trouble() !== undefined);
    expect(enid.reach.trouble()?.message).toContain("BIRD does not answer on");
    expect(await route()).toContain("via 10.0.1.2");
    await node.start({ recover: true });
    await node.untilProtocol("uplink1", "Established");
    expect(await route()).toContain("via 10.0.1.2");
    await eventually(
      "enid sees it",
      () => reportOf(enid).sessions.every(({ up, exported }) => up && exported === 2),
      20_000,
    );
    expect(enid.reach.trouble()).toBeUndefined();
    expect(await changes()).not.toContain("Deleted 10.1.0.0/24");
  });

  it("says that no session is up, with the reason, and that it is over", async () => {
    const impatient = new TestBird(bgp(), { ...QUICK, sessionsGraceMs: 100 });
    impatient.become(["10.1.0.0/24", "fd00:a::/112"]);
    impatient.start();
    await eventually("it has looked", () => reportOf(impatient).sessions.length === 2);
    await node.birdc("disable", '"uplink*"');
    const trouble = await eventually("trouble", () => impatient.reach.trouble());
    expect(trouble.code).toBe("ENID_BIRD");
    expect(trouble.message).toContain("no BGP session is up: uplink1 with 10.0.1.1 is ");
    await node.birdc("enable", '"uplink*"');
    await eventually("it is over", () => impatient.reach.trouble() === undefined);
    expect(impatient.told).toBeGreaterThanOrEqual(2);
    await impatient.reach.stop();
  });

  it("says when a session's filter keeps routes back", async () => {
    const strict = nodeConf().replace(
      "filter enid_routes {",
      "filter enid_routes {\n  if net = 10.1.0.0/24 then reject;",
    );
    const impatient = new TestBird(bgp(), { ...QUICK, routesGraceMs: 100 });
    impatient.become(["10.1.0.0/24", "fd00:a::/112"]);
    await node.configure(strict);
    impatient.start();
    const trouble = await eventually("trouble", () => impatient.reach.trouble());
    expect(trouble.message).toContain("exports 0 of 1 IPv4 routes; see the export filter of its ipv4 channel");
    await node.configure(nodeConf());
    await eventually("it is over", () => impatient.reach.trouble() === undefined);
    await impatient.reach.stop();
  });

  it("withdraws everything once when asn becomes 0, and leaves BIRD alone then", async () => {
    enid.become(["10.1.0.0/24"], [], { ...bgp(), asn: 0 });
    await leaf1.untilRoute("10.1.0.0/24", false);
    await leaf2.untilRoute("fd00:a::/112", false);
    await eventually("it is told", () => enid.count("bird-withdrawn") === 1);
    expect(reportOf(enid)).toMatchObject({ announced: [], sessions: [] });
    writeFileSync(includeFile, "# somebody's own\n");
    enid.become(["10.1.0.0/24"], ["10.9.0.1"]);
    await enid.reach.ready([{ address: "10.9.0.1", interfaceId: "" }]);
    await enid.reach.stop();
    expect(readFileSync(includeFile, "utf8")).toBe("# somebody's own\n");
    expect(enid.reach.trouble()).toBeUndefined();
  });
});

function bgp() {
  return {
    asn: NODE.asn,
    includeFile,
    controlSocket: join(folder, "node", "bird.ctl"),
    neighbors: [LEAF1.address, "FD00:2:0::1"],
  };
}

function nodeConf(): string {
  return birdConf({
    values: {
      asn: NODE.asn,
      "router-id": "",
      uplinks: [
        { neighbor: LEAF1.address, asn: LEAF1.asn, "password-file": "/somewhere" },
        { neighbor: LEAF2.address, asn: LEAF2.asn },
      ],
      bfd: true,
      "graceful-restart": true,
      "bird-include-file": includeFile,
      "ip-families": "dual",
    },
    nodeAddress: "10.255.1.1",
    passwords: [{ text: PASSWORD }, undefined],
  });
}

/** Notes what happens to the kernel's routes until its answer is called, which gives what `ip monitor` said. */
function watchRoutes(namespace: string): () => Promise<string> {
  const monitor = spawn("ip", ["-n", namespace, "monitor", "route"], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  monitor.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  return async () => {
    // A route of the watch's own says that it has seen what came before.
    await runProgram("ip", ["-n", namespace, "route", "add", "unreachable", "203.0.113.1/32"]);
    await eventually("the watch sees the last change", () => text.includes("203.0.113.1"));
    monitor.kill();
    await once(monitor, "close");
    return text;
  };
}

function reportOf(test: TestBird) {
  const report = test.reach.report();
  if (report.kind !== "bird") throw new Error("not BIRD's report");
  return report;
}
