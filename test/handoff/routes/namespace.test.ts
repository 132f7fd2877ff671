import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { systemClock, systemRandom } from "../../../src/adapters/index.ts";
import { cleanUp, createHostRoutes, linuxHost, planCleanup } from "../../../src/handoff/routes/index.ts";
import type { EnidEvent, Reach, ReachPicture } from "../../../src/manager/ports/index.ts";
import { openSqliteStore, type SqliteStore } from "../../../src/state/index.ts";
import { ROOT } from "../../cli/run-enid.ts";
import { describeAsRoot } from "../../support/root.ts";
import {
  BLOCKS,
  MACS,
  type NodeNamespace,
  nodeNamespace,
  PRIMARY,
  pictureOf,
  pods,
  reachInterface,
} from "./node-namespace.ts";

/** What the issue promises, with the machine's other work on top. */
const MENDED = { timeout: 5_000, interval: 50 };

/** A node as EC2 starts one: the primary interface is set up, the others are just there. */
function freshNode(): NodeNamespace {
  const node = nodeNamespace();
  try {
    node.link("eth0", MACS.primary);
    node.link("eth1", MACS.second);
    node.run("ip", "link", "set", "eth0", "mtu", "9001", "up");
    node.run("ip", "address", "add", "10.0.0.10/24", "dev", "eth0");
    node.run("ip", "route", "add", "default", "via", "10.0.0.1");
    return node;
  } catch (thrown) {
    node.remove();
    throw thrown;
  }
}

interface Running {
  readonly reach: Reach;
  readonly events: EnidEvent[];
  /** What the manager would say. */
  show(picture: ReachPicture): void;
}

function startOn(node: NodeNamespace, first: ReachPicture): Running {
  let picture = first;
  const events: EnidEvent[] = [];
  const telemetry = { event: (event: EnidEvent) => void events.push(event) };
  const reach = createHostRoutes({ clock: systemClock, random: systemRandom, telemetry, host: node.host });
  reach.start(
    () => picture,
    () => {},
  );
  return {
    reach,
    events,
    show(next) {
      picture = next;
      reach.changed();
    },
  };
}

const inPlace = (reach: Reach) => {
  const report = reach.report();
  return report.kind === "host-routes" ? report : expect.fail("not of host routes");
};

describeAsRoot("host routes in a network namespace", () => {
  let node: NodeNamespace;
  let running: Running;

  beforeAll(() => {
    node = freshNode();
    running = startOn(node, pictureOf());
  });

  afterAll(async () => {
    await running?.reach.stop();
    node?.remove();
  });

  it("sets up the device, its address, table and filters before any pod comes", async () => {
    await expect.poll(() => inPlace(running.reach).devices[0]?.device, MENDED).toBe("eth1");
    expect(node.routes(11)).toEqual([
      "default via 10.0.1.1 dev eth1 proto kernel",
      "10.0.1.1 dev eth1 proto kernel scope link",
    ]);
    const [link] = JSON.parse(node.run("ip", "-json", "address", "show", "dev", "eth1"));
    expect(link).toMatchObject({ mtu: 9001, flags: expect.arrayContaining(["UP"]) });
    expect(link.addr_info[0]).toMatchObject({ local: "10.0.1.10", prefixlen: 24, noprefixroute: true });
    expect(node.routes("main").join()).not.toContain("eth1");
    expect(node.setting("ipv4/conf/eth1/rp_filter")).toBe("0");
    expect(node.setting("ipv4/conf/eth0/rp_filter")).toBe("2");
    expect(node.run("nft", "list", "table", "inet", "enid_node_port")).toContain(
      'iifname "eth0" fib daddr . iif type local',
    );
    expect(running.reach.trouble()).toBeUndefined();
  });

  it("makes 110 ADDs that come together reachable in at most 3 processes that change something", async () => {
    await expect.poll(() => node.changing().length, MENDED).toBeGreaterThan(0);
    node.ran.length = 0;
    const addresses = pods(110);
    running.show(pictureOf({ addresses }));
    // Not in one turn: requests come over a socket, commits end in groups.
    await Promise.all(
      addresses.map(async (address, at) => {
        for (let turn = 0; turn < at % 20; turn++) await new Promise((resolve) => setImmediate(resolve));
        await running.reach.ready([address]);
        expect(node.ran.length).toBeGreaterThan(0);
      }),
    );
    expect(node.rules()).toHaveLength(2 * 110 + 1);
    expect(node.rules()).toContain("20: from all to 10.0.1.64 lookup main proto kernel");
    expect(node.rules()).toContain("111: from 10.0.1.64 lookup 11 proto kernel");
    expect(node.rules()).toContain("109: from all fwmark 0x80/0x80 lookup main proto kernel");
    expect(node.changing().length).toBeLessThanOrEqual(3);
  });

  it("serves one more ADD with one process, and one that is served already with none", async () => {
    const one = pods(1, 110);
    running.show(pictureOf({ addresses: pods(111) }));
    node.ran.length = 0;
    await running.reach.ready(one);
    expect(node.changing().map(({ command, input }) => `${command}\n${input}`)).toEqual([
      "ip -force -batch -\nrule add pref 20 to 10.0.1.174 lookup 254 protocol 2\nrule add pref 111 from 10.0.1.174 lookup 11 protocol 2\n",
    ]);
    await running.reach.ready(one);
    expect(node.changing()).toHaveLength(1);
    expect(inPlace(running.reach).rules).toBe(222);
  });

  it("leads a pod's packets out of its interface, and others by main", () => {
    // The kernel answers for packets that come in only where it forwards, as every node of a cluster does.
    node.setting("ipv4/ip_forward", "1");
    expect(node.run("ip", "route", "get", "8.8.8.8", "from", "10.0.1.64", "iif", "lo")).toContain(
      "via 10.0.1.1 dev eth1 table 11",
    );
    expect(node.run("ip", "route", "get", "8.8.8.8")).toContain("via 10.0.0.1 dev eth0");
    expect(node.run("ip", "route", "get", "8.8.8.8", "from", "10.0.1.64", "iif", "lo", "mark", "0x80")).toContain(
      "via 10.0.0.1 dev eth0",
    );
  });

  it("comes back after each flush, tells of it, and leaves foreign rules and routes alone", async () => {
    const foreign = [
      ["20", "to", "10.0.9.9", "lookup", "main", "protocol", "kernel"],
      ["20", "to", "10.0.1.70", "lookup", "main", "protocol", "static"],
      ["111", "from", "10.0.1.70", "lookup", "500", "protocol", "kernel"],
      ["111", "from", "10.0.1.64/28", "lookup", "11", "protocol", "kernel"],
      ["512", "to", "10.0.1.70", "lookup", "main"],
    ];
    node.run("ip", "rule", "flush");
    for (const words of foreign) node.run("ip", "rule", "add", "pref", ...words);
    const whole = 2 * 111 + 1 + foreign.length;
    await expect.poll(() => node.rules().length, MENDED).toBe(whole);
    await expect.poll(() => inPlace(running.reach).repaired, MENDED).toBe(2 * 111 + 1);
    expect(running.events.map(({ name }) => name)).toContain("host-routes-repaired");

    node.run("ip", "route", "add", "10.77.0.0/16", "dev", "eth1", "table", "11");
    node.run("ip", "route", "flush", "table", "11", "proto", "kernel");
    await expect.poll(() => node.routes(11), MENDED).toContain("default via 10.0.1.1 dev eth1 proto kernel");
    expect(node.routes(11)).toContain("10.77.0.0/16 dev eth1 scope link");

    node.run("ip", "address", "flush", "dev", "eth1");
    await expect.poll(() => node.run("ip", "address", "show", "dev", "eth1"), MENDED).toContain("10.0.1.10/24");

    node.setting("ipv4/conf/eth1/rp_filter", "1");
    await expect.poll(() => node.setting("ipv4/conf/eth1/rp_filter"), MENDED).toBe("0");
    // Strict for all devices wins over a device's 0.
    node.setting("ipv4/conf/all/rp_filter", "1");
    await expect.poll(() => node.setting("ipv4/conf/eth1/rp_filter"), MENDED).toBe("2");
    node.setting("ipv4/conf/all/rp_filter", "0");
    await expect.poll(() => node.setting("ipv4/conf/eth1/rp_filter"), MENDED).toBe("0");

    node.run("ip", "link", "set", "eth1", "down");
    await expect.poll(() => node.routes(11).length, MENDED).toBe(2);
    expect(node.rules()).toHaveLength(whole);
    for (const [pref = "", ...words] of foreign) node.run("ip", "rule", "del", "pref", pref, ...words);
  });

  it("follows a link that is renamed", async () => {
    node.run("ip", "link", "set", "eth1", "down");
    node.run("ip", "link", "set", "eth1", "name", "ens6");
    await expect
      .poll(() => node.routes(11), MENDED)
      .toEqual(["default via 10.0.1.1 dev ens6 proto kernel", "10.0.1.1 dev ens6 proto kernel scope link"]);
    await expect.poll(() => inPlace(running.reach).devices[0]?.device, MENDED).toBe("ens6");
    node.run("ip", "link", "set", "ens6", "down");
    node.run("ip", "link", "set", "ens6", "name", "eth1");
    await expect.poll(() => inPlace(running.reach).devices[0]?.device, MENDED).toBe("eth1");
  });

  it("comes to rest: what it did itself is no reason to look again", async () => {
    await expect
      .poll(
        async () => {
          node.ran.length = 0;
          await new Promise((resolve) => setTimeout(resolve, 400));
          return node.ran.length;
        },
        { timeout: 10_000, interval: 10 },
      )
      .toBe(0);
  });

  it("is taken over by the next process without a change", async () => {
    await running.reach.stop();
    expect(node.rules()).toHaveLength(2 * 111 + 1);
    node.ran.length = 0;
    running = startOn(node, pictureOf({ addresses: pods(111) }));
    await running.reach.ready(pods(111));
    expect(node.ran.length).toBeGreaterThan(0);
    expect(node.changing()).toEqual([]);
    expect(inPlace(running.reach)).toMatchObject({ rules: 222, repaired: 0 });
  });

  it("takes the rules of ended leases away together, and keeps the table", async () => {
    node.ran.length = 0;
    running.show(pictureOf({ addresses: pods(11) }));
    running.show(pictureOf({ addresses: pods(1) }));
    await expect.poll(() => node.rules().length, MENDED).toBe(2 + 1);
    expect(node.changing()).toHaveLength(1);
    expect(node.routes(11)).toHaveLength(2);
  });

  it("serves IPv6", async () => {
    const blocks = [...BLOCKS, { cidr: "2600:1f14::/80", kind: "prefix", interfaceId: "eni-1", usable: true } as const];
    const pod = { address: "2600:1f14::5", interfaceId: "eni-1" };
    running.show(pictureOf({ blocks, addresses: [...pods(1), pod] }));
    await running.reach.ready([pod]);
    expect(node.rules("-6")).toEqual([
      "20: from all to 2600:1f14::5 lookup main proto kernel",
      "109: from all fwmark 0x80/0x80 lookup main proto kernel",
      "111: from 2600:1f14::5 lookup 11 proto kernel",
    ]);
    expect(node.routes(11, "-6")).toEqual([
      "fe80:ec2::1 dev eth1 proto kernel metric 1024 pref medium",
      "default via fe80:ec2::1 dev eth1 proto kernel metric 1024 pref medium",
    ]);
    node.run("ip", "-6", "rule", "flush");
    await expect.poll(() => node.rules("-6").length, MENDED).toBe(3);
    running.show(pictureOf({ addresses: pods(1) }));
    await expect.poll(() => node.rules("-6"), MENDED).toEqual([]);
    await expect.poll(() => node.routes(11, "-6"), MENDED).toEqual([]);
  });

  it("waits for a link that is on its way, and removes the table of an interface that leaves", async () => {
    const third = reachInterface({
      id: "eni-2",
      mac: MACS.third,
      deviceIndex: 2,
      subnetCidr: "10.0.2.0/24",
      primaryAddress: "10.0.2.10",
    });
    const pod = { address: "10.0.2.20", interfaceId: "eni-2" };
    const block = { cidr: "10.0.2.20/32", kind: "address", interfaceId: "eni-2", usable: true } as const;
    const interfaces = [PRIMARY, reachInterface(), third];
    running.show(pictureOf({ interfaces, blocks: [...BLOCKS, block], addresses: [...pods(1), pod] }));
    const ready = running.reach.ready([pod]);
    await expect
      .poll(() => inPlace(running.reach).devices.find(({ table }) => table === 12)?.problem, MENDED)
      .toBe(`no link has the MAC ${MACS.third}`);
    expect(running.reach.trouble()).toBeUndefined();
    node.link("eth2", MACS.third);
    await ready;
    expect(node.routes(12)).toHaveLength(2);
    expect(node.rules()).toContain("111: from 10.0.2.20 lookup 12 proto kernel");
    // Its pods end and it may carry none any more, while its link is still there.
    running.show(
      pictureOf({ interfaces: [PRIMARY, reachInterface(), { ...third, usable: false }], addresses: pods(1) }),
    );
    await expect.poll(() => node.routes(12), MENDED).toEqual([]);
    expect(node.rules().join()).not.toContain("10.0.2.20");
  });

  it("is all removed by enid cleanup, which leaves what is foreign and refuses beside a daemon", async () => {
    await running.reach.stop();
    const folder = mkdtempSync(join(tmpdir(), "enid-cleanup-test-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const enid = (...args: readonly string[]) => {
      const flags = ["--state-dir", folder, "--socket", join(folder, "enid.sock")];
      const command = ["netns", "exec", node.name, join(ROOT, "bin/enid"), "cleanup", ...flags, ...args];
      return spawnSync("ip", command, { encoding: "utf8" });
    };
    expect(enid()).toMatchObject({ status: 1, stderr: expect.stringContaining("ENID_CLEANUP_STATE") });

    node.run("ip", "rule", "add", "pref", "20", "to", "10.0.9.9", "lookup", "main", "protocol", "kernel");
    node.run("ip", "route", "add", "10.77.0.0/16", "dev", "eth1", "table", "11", "proto", "kernel");
    const foreign = ["20: from all to 10.0.9.9 lookup main proto kernel"];
    const before = node.rules();
    expect(before).toHaveLength(4);
    const store = await stateOf(folder);
    const shown = JSON.parse(enid("--dry-run", "--json").stdout);
    expect(shown).toMatchObject({ dryRun: true, toldBy: "state" });
    const whats = shown.items.map(({ what }: { what: string }) => what).sort();
    expect(whats).toEqual(["marks", "route", "route", "rp_filter", "rule", "rule", "rule"]);
    expect(enid()).toMatchObject({ status: 1, stderr: expect.stringContaining("ENID_STATE_LOCKED") });
    expect(node.rules()).toEqual(before);
    await store.close();

    expect(enid()).toMatchObject({ status: 0, stdout: expect.stringContaining("7 things removed"), stderr: "" });
    expect(node.rules()).toEqual(foreign);
    // The foreign route goes with the device's last address, so that stays too.
    expect(node.routes(11)).toEqual(["10.77.0.0/16 dev eth1 proto kernel scope link"]);
    expect(node.run("ip", "address", "show", "dev", "eth1")).toContain("10.0.1.10");
    expect(node.run("nft", "list", "tables")).not.toContain("enid");
    expect(node.setting("ipv4/conf/eth0/rp_filter")).toBe(node.setting("ipv4/conf/default/rp_filter"));

    node.run("ip", "route", "flush", "table", "11");
    expect(enid()).toMatchObject({ status: 0, stdout: expect.stringContaining("1 thing removed") });
    expect(node.run("ip", "address", "show", "dev", "eth1")).not.toContain("10.0.1.10");
    expect(enid()).toMatchObject({ status: 0, stdout: "nothing of enid's is left on this node\n" });
  });

  it("is all removed by its shape when the state is lost", async () => {
    const next = startOn(node, pictureOf({ addresses: pods(3) }));
    await next.reach.ready(pods(3));
    await next.reach.stop();
    const plan = await planCleanup(node.host, undefined);
    expect(plan.items.map(({ what }) => what).sort()).toEqual([
      "marks",
      ...Array(2).fill("route"),
      ...Array(7).fill("rule"),
    ]);
    expect((await cleanUp(node.host, plan)).filter(({ refused }) => refused !== "")).toEqual([]);
    expect(node.rules()).toEqual(["20: from all to 10.0.9.9 lookup main proto kernel"]);
    expect(node.routes(11)).toEqual([]);
  });
});

/** What a daemon leaves of the node of these tests. Open, as it has it while it runs. */
async function stateOf(folder: string): Promise<SqliteStore> {
  const store = openSqliteStore({ file: join(folder, "state.db"), clock: systemClock });
  const { interfaces, blocks } = pictureOf();
  const records = interfaces.map(({ primaryIsForPods: _pods, usable: _usable, ...record }) => ({
    ...record,
    subnetId: "subnet-1",
    securityGroups: [],
    attachmentId: "",
    madeBy: "enid" as const,
    foreign: false,
  }));
  await store.commit([
    ...records.map((record) => ({ kind: "interface-put", interface: record }) as const),
    { kind: "blocks-put", blocks: blocks.map(({ usable: _usable, ...block }) => block) },
  ]);
  return store;
}

describeAsRoot("node-port traffic in a network namespace", () => {
  it("is answered over the primary interface, though the pod is on another one", async () => {
    const node = freshNode();
    onTestFinished(() => node.remove());
    const [pod = { address: "", interfaceId: "" }] = pods(1);
    const { reach } = startOn(node, pictureOf({ addresses: [pod] }));
    await reach.ready([pod]);
    await reach.stop();
    node.pod(pod.address);
    // The VPC: routers of both subnets, a client outside, and no packet from an address that the interface does not have.
    node.outside("ip", "address", "add", "10.0.0.1/24", "dev", "geth0");
    node.outside("ip", "address", "add", "10.0.1.1/24", "dev", "geth1");
    node.outside("ip", "link", "set", "lo", "up");
    node.outside("ip", "address", "add", "198.51.100.7/32", "dev", "lo");
    const spoofed = "iifname geth1 ip saddr 10.0.0.0/24 drop; iifname geth0 ip saddr 10.0.1.0/24 drop";
    const hook = "type filter hook prerouting priority raw";
    node.outside("nft", `table ip vpc { chain in { ${hook}; ${spoofed}; }; }`);
    // As kube-proxy sends a node port to a pod.
    const port = `iifname eth0 ip daddr 10.0.0.10 icmp type echo-request dnat to ${pod.address}`;
    node.run("nft", `table ip services { chain in { type nat hook prerouting priority dstnat; ${port}; }; }`);
    const ping = () => node.outside("ping", "-c", "1", "-W", "1", "-I", "198.51.100.7", "10.0.0.10");
    expect(ping()).toContain(" 0% packet loss");

    node.run("nft", "delete", "table", "inet", "enid_node_port");
    expect(ping).toThrow();
  });
});

describeAsRoot("host routes where they cannot be set", () => {
  it("says that iproute2 is missing, and ADDs fail at once", async () => {
    const telemetry = { event: () => {} };
    const missing = linuxHost({ clock: systemClock, prefix: ["/nonexistent/ip"] });
    const reach = createHostRoutes({ clock: systemClock, random: systemRandom, telemetry, host: missing });
    let told = 0;
    reach.start(
      () => pictureOf({ addresses: pods(1) }),
      () => {
        told++;
      },
    );
    await expect(reach.ready(pods(1))).rejects.toMatchObject({
      code: "ENID_HOST_ROUTES",
      message: expect.stringContaining("is not installed"),
    });
    expect(reach.trouble()?.message).toContain("is not installed");
    expect(told).toBe(1);
    await reach.stop();
  });

  it("says that it may not, without CAP_NET_ADMIN", async () => {
    const node = freshNode();
    try {
      const prefix = [
        "ip",
        "netns",
        "exec",
        node.name,
        "setpriv",
        "--bounding-set",
        "-net_admin",
        "--inh-caps",
        "-net_admin",
      ];
      const real = linuxHost({ clock: systemClock, prefix });
      const host = { ...node.host, run: real.run, follow: real.follow };
      const telemetry = { event: () => {} };
      const reach = createHostRoutes({ clock: systemClock, random: systemRandom, telemetry, host });
      reach.start(
        () => pictureOf({ addresses: pods(1) }),
        () => {},
      );
      await expect(reach.ready(pods(1))).rejects.toMatchObject({
        code: "ENID_HOST_ROUTES",
        message: expect.stringContaining("Operation not permitted"),
      });
      expect(reach.trouble()?.code).toBe("ENID_HOST_ROUTES");
      expect(node.rules()).toEqual([]);
      await reach.stop();
    } finally {
      node.remove();
    }
  });
});
