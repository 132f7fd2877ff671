import { describe, expect, it } from "vitest";
import { refusalsOf } from "../../../src/handoff/routes/applying.ts";
import { inside, routerOf } from "../../../src/handoff/routes/cidr.ts";
import { markedDevice } from "../../../src/handoff/routes/marks.ts";
import { linkOf, routeOf, ruleOf } from "../../../src/handoff/routes/reading.ts";

describe("what ip prints", () => {
  it("of rules: numbers and names of older releases are the same, and any further condition is special", () => {
    const plain = { family: "ipv4", priority: 111, from: "10.0.1.64", to: "", mark: "", protocol: 2, special: false };
    const entry = { priority: 111, src: "10.0.1.64", table: "11", protocol: "kernel" };
    expect(ruleOf(entry, "ipv4")).toEqual({ ...plain, table: 11 });
    expect(ruleOf({ ...entry, table: "main", protocol: "2" }, "ipv4")).toEqual({ ...plain, table: 254 });
    // A table that somebody named in rt_tables is not one of enid's numbers.
    expect(ruleOf({ ...entry, table: "uplink" }, "ipv4").table).toBe(-1);
    expect(ruleOf({ ...entry, srclen: 28 }, "ipv4").from).toBe("10.0.1.64/28");
    expect(ruleOf({ priority: 109, src: "all", fwmark: "0x80", table: "254", protocol: "2" }, "ipv4").mark).toBe(
      "0x80/0xffffffff",
    );
    for (const further of [
      { iif: "eth0" },
      { ipproto: "tcp" },
      { action: "unreachable" },
      { not: null },
      { tos: "0x10" },
    ]) {
      expect(ruleOf({ ...entry, ...further }, "ipv4").special).toBe(true);
    }
  });

  it("of routes: several hops and other types are special", () => {
    const entry = {
      type: "1",
      dst: "default",
      gateway: "10.0.1.1",
      dev: "eth1",
      table: "11",
      protocol: "2",
      scope: "0",
    };
    expect(routeOf(entry, "ipv4")).toMatchObject({ destination: "default", table: 11, protocol: 2, special: false });
    expect(routeOf({ ...entry, type: "blackhole" }, "ipv4").special).toBe(true);
    expect(routeOf({ ...entry, nexthops: [] }, "ipv4").special).toBe(true);
    expect(routeOf({ dst: "10.0.1.0/24", dev: "eth1", protocol: "kernel", scope: "link" }, "ipv4")).toMatchObject({
      table: 254,
      scope: 253,
    });
  });

  it("of links: members and what stands on top", () => {
    const entry = { ifindex: 3, ifname: "eth1", flags: ["UP"], mtu: 9001, address: "02:00:00:00:00:AB" };
    expect(linkOf(entry)).toMatchObject({ mac: "02:00:00:00:00:ab", up: true, member: false, stacked: false });
    expect(linkOf({ ...entry, flags: ["SLAVE", "UP"] }).member).toBe(true);
    expect(linkOf({ ...entry, linkinfo: { info_slave_kind: "bridge" } }).member).toBe(true);
    // A member of a VRF keeps its addresses and routes.
    expect(linkOf({ ...entry, linkinfo: { info_slave_kind: "vrf" } }).member).toBe(false);
    expect(linkOf({ ...entry, linkinfo: { info_kind: "vlan" } }).stacked).toBe(true);
  });

  it("when lines of a batch are refused: each reason with its line", () => {
    const said =
      "RTNETLINK answers: File exists\nCommand failed -:2\nError: any valid prefix is expected.\nCommand failed -:7\n";
    expect([...refusalsOf(said)]).toEqual([
      [2, "File exists"],
      [7, "Error: any valid prefix is expected."],
    ]);
  });
});

describe("what nft prints", () => {
  const listing = (...comments: readonly string[]) =>
    JSON.stringify({
      nftables: [{ table: { name: "enid_node_port" } }, ...comments.map((comment) => ({ rule: { comment } }))],
    });

  it("tells the device only when all rules of it are there", () => {
    expect(markedDevice(listing("enid 1: connections of eth0", "enid 1: answers to eth0"))).toBe("eth0");
    expect(markedDevice(listing("enid 1: connections of eth0"))).toBe("");
    expect(markedDevice(listing("enid 1: connections of eth0", "enid 1: answers to eth1"))).toBe("");
    expect(markedDevice(listing("enid 0: connections of eth0", "enid 0: answers to eth0"))).toBe("");
    expect(markedDevice("Error")).toBe("");
  });
});

describe("subnets", () => {
  it.each([
    ["10.0.1.0/24", "10.0.1.1"],
    ["10.0.1.128/25", "10.0.1.129"],
    ["172.31.16.0/20", "172.31.16.1"],
    ["10.0.1.77/24", "10.0.1.1"],
  ])("the router of %s is %s", (subnet, router) => {
    expect(routerOf(subnet)).toBe(router);
  });

  it("hold the addresses of their family alone", () => {
    const holds = inside(["10.0.1.64/26", "2600:1f14::/80", "nonsense"]);
    expect(["10.0.1.64", "10.0.1.127", "2600:1f14::5"].map(holds)).toEqual([true, true, true]);
    expect(["10.0.1.128", "2600:1f15::5", "10.0.1.64/26", ""].map(holds)).toEqual([false, false, false, false]);
  });
});
