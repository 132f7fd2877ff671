import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Actual,
  type Link,
  MAIN_TABLE,
  PROTOCOL_KERNEL,
  type Route,
  type Rule,
  routeKey,
  ruleKey,
} from "../../../src/handoff/routes/actual.ts";
import { after } from "../../../src/handoff/routes/applying.ts";
import { inside } from "../../../src/handoff/routes/cidr.ts";
import { type Desired, desire, rulesOfAddress } from "../../../src/handoff/routes/desired.ts";
import { type Change, difference } from "../../../src/handoff/routes/difference.ts";
import { linesOf } from "../../../src/handoff/routes/lines.ts";
import { tableOf } from "../../../src/handoff/routes/numbers.ts";
import { BLOCKS, MACS, PRIMARY, pictureOf, pods, reachInterface } from "./node-namespace.ts";

function link(changes: Partial<Link>): Link {
  const rest = { up: true, mtuBytes: 9001, member: false, stacked: false, addresses: [] };
  return { index: 2, device: "eth0", mac: MACS.primary, ...rest, ...changes };
}

const ETH0 = link({});
const ETH1 = link({ index: 3, device: "eth1", mac: MACS.second, up: false, mtuBytes: 1500 });

function actual(changes: Partial<Actual> = {}): Actual {
  const filters = new Map([
    ["all", 0],
    ["eth0", 1],
    ["eth1", 1],
  ]);
  return { links: [ETH0, ETH1], rules: [], routes: [], filters, marked: "", ...changes };
}

const NOTHING = { inBlock: inside(BLOCKS.map(({ cidr }) => cidr)), made: new Set<string>() };

function changesFor(desired: Desired, now: Actual, made: ReadonlySet<string> = new Set()): readonly Change[] {
  return difference(desired, now, { ...NOTHING, made }).changes;
}

const lines = (changes: readonly Change[]) => changes.flatMap(linesOf);
const done = (changes: readonly Change[]) => changes.map((change) => ({ change, refused: "" }));

describe("what a node needs for a pod on a secondary interface", () => {
  const picture = pictureOf({ addresses: pods(1) });

  it("is all there is in section 5, in the order in which the kernel takes it", () => {
    const changes = changesFor(desire(picture, actual()), actual());
    expect(lines(changes)).toEqual([
      "link set dev eth1 mtu 9001",
      "link set dev eth1 up",
      "address add 10.0.1.10/24 dev eth1 noprefixroute",
      "route add 10.0.1.1 dev eth1 table 11 proto 2 scope link",
      "route add default via 10.0.1.1 dev eth1 table 11 proto 2",
      "rule add pref 20 to 10.0.1.64 lookup 254 protocol 2",
      "rule add pref 111 from 10.0.1.64 lookup 11 protocol 2",
      "rule add pref 109 fwmark 0x80/0x80 lookup 254 protocol 2",
    ]);
    expect(changes.filter((change) => !("family" in change))).toEqual([
      { do: "set-filter", device: "eth0", value: 2 },
      { do: "set-filter", device: "eth1", value: 0 },
      { do: "set-marks", device: "eth0" },
    ]);
  });

  it("has the routes and rules of IPv6 when the interface has a block of it", () => {
    const blocks = [...BLOCKS, { cidr: "2600:1f14::/80", kind: "prefix", interfaceId: "eni-1", usable: true } as const];
    const addresses = [{ address: "2600:1f14::5", interfaceId: "eni-1" }];
    const changes = changesFor(desire(pictureOf({ blocks, addresses }), actual()), actual());
    const ipv6 = changes.filter((change) => "family" in change && change.family === "ipv6");
    expect(lines(ipv6)).toEqual([
      "route add fe80:ec2::1 dev eth1 table 11 proto 2 metric 1024",
      "route add default via fe80:ec2::1 dev eth1 table 11 proto 2 metric 1024",
      "rule add pref 20 to 2600:1f14::5 lookup 254 protocol 2",
      "rule add pref 111 from 2600:1f14::5 lookup 11 protocol 2",
      "rule add pref 109 fwmark 0x80/0x80 lookup 254 protocol 2",
    ]);
  });

  it("leaves a primary address that is a pod's off the node, and takes away the one that enid gave it", () => {
    const forPods = pictureOf({ interfaces: [PRIMARY, reachInterface({ primaryIsForPods: true })] });
    const given = { address: "10.0.1.10", prefixLength: 24, dynamic: false, withoutRoute: true };
    const before = actual({ links: [ETH0, { ...ETH1, addresses: [given] }] });
    expect(lines(changesFor(desire(forPods, before), before))).toContain("address del 10.0.1.10/24 dev eth1");
    const foreign = actual({ links: [ETH0, { ...ETH1, addresses: [{ ...given, dynamic: true }] }] });
    const { changes, conflicts } = difference(desire(forPods, foreign), foreign, NOTHING);
    expect(lines(changes).join()).not.toContain("address");
    expect(conflicts.get("eth1")).toBe("the node itself has 10.0.1.10, which is a pod's");
  });

  it("says so when the node itself has the address of a pod, unless the local table comes last", () => {
    const stolen = { address: "10.0.1.64", prefixLength: 24, dynamic: true, withoutRoute: false };
    const links = [ETH0, { ...ETH1, addresses: [stolen] }];
    const [rule] = rulesOfAddress("10.0.1.64", 11);
    const local = (priority: number): Rule => ({ ...rule, to: "", priority, table: 255 });
    const conflictsWith = (priority: number) => {
      const now = actual({ links, rules: [local(priority)] });
      return difference(desire(picture, now), now, NOTHING).conflicts;
    };
    expect(conflictsWith(0).get("eth1")).toBe("the node itself has 10.0.1.64, which is a pod's");
    expect(conflictsWith(100).size).toBe(0);
  });

  it("removes the subnet's route from main on the secondary interface alone, whatever its metric", () => {
    const base = { family: "ipv4", table: MAIN_TABLE, gateway: "", scope: 253, special: false } as const;
    const route = (device: string, metric: number): Route => ({
      ...base,
      destination: "10.0.1.0/24",
      device,
      metric,
      protocol: PROTOCOL_KERNEL,
    });
    const before = actual({
      routes: [route("eth0", 0), route("eth1", 512), { ...route("eth1", 0), destination: "10.0.9.0/24" }],
    });
    const removed = changesFor(desire(picture, before), before).filter(({ do: kind }) => kind === "remove-route");
    expect(lines(removed)).toEqual(["route del 10.0.1.0/24 dev eth1 table 254 proto 2 scope link metric 512"]);
  });

  it.each([
    ["off", 0, 0],
    ["strict, which would win over 0", 1, 2],
    ["loose", 2, 0],
  ])("sets rp_filter by that of all: %s", (_, all, wanted) => {
    const filters = new Map([
      ["all", all],
      ["eth0", 2],
      ["eth1", 1],
    ]);
    const before = actual({ filters });
    const set = changesFor(desire(picture, before), before).filter(({ do: kind }) => kind === "set-filter");
    expect(set).toEqual([{ do: "set-filter", device: "eth1", value: wanted }]);
  });

  it("needs neither marks nor an open filter when only the primary interface carries pods", () => {
    const interfaces = [{ ...PRIMARY, usable: true }];
    const only = pictureOf({ interfaces, addresses: [{ address: "10.0.0.20", interfaceId: "eni-0" }] });
    const changes = changesFor(desire(only, actual()), actual());
    expect(lines(changes)).toEqual([
      "route add 10.0.0.1 dev eth0 table 10 proto 2 scope link",
      "route add default via 10.0.0.1 dev eth0 table 10 proto 2",
      "rule add pref 20 to 10.0.0.20 lookup 254 protocol 2",
      "rule add pref 111 from 10.0.0.20 lookup 10 protocol 2",
    ]);
    expect(changes).toHaveLength(4);
  });

  it("is nothing on-premises", () => {
    const interfaces = [reachInterface({ mac: "", id: "node" })];
    const blocks = [{ cidr: "10.1.0.0/24", kind: "node-cidr", interfaceId: "node", usable: true } as const];
    const home = pictureOf({ interfaces, blocks, addresses: [{ address: "10.1.0.5", interfaceId: "node" }] });
    expect(desire(home, actual())).toMatchObject({ devices: [], rules: [], routes: [], filters: [], marked: "" });
  });

  it("keeps the rules of a lease whose interface is not known now", () => {
    const rules = rulesOfAddress("10.0.1.70", 11);
    const orphan = pictureOf({ addresses: [{ address: "10.0.1.70", interfaceId: "" }] });
    const changes = changesFor(desire(orphan, actual()), actual({ rules }));
    expect(changes.filter(({ do: kind }) => kind.endsWith("-rule") && kind !== "add-rule")).toEqual([]);
  });
});

describe("the link of an interface", () => {
  const deviceOf = (links: readonly Link[]) => desire(pictureOf(), actual({ links })).devices[0];

  it("is found by its MAC, whatever it is called", () => {
    expect(deviceOf([ETH0, { ...ETH1, device: "ens6" }])).toMatchObject({ device: "ens6", problem: "" });
  });

  it("is waited for, and said to be missing", () => {
    expect(deviceOf([ETH0])).toMatchObject({
      device: "",
      missing: true,
      problem: `no link has the MAC ${MACS.second}`,
    });
  });

  it("is not guessed among two", () => {
    expect(deviceOf([ETH0, ETH1, { ...ETH1, device: "eth2" }])).toMatchObject({
      missing: false,
      problem: `2 links have the MAC ${MACS.second}: eth1 and eth2`,
    });
  });

  it("is a bond's master and not its members, and no VLAN on top", () => {
    const links = [
      ETH0,
      { ...ETH1, member: true },
      { ...ETH1, device: "bond0" },
      { ...ETH1, device: "bond0.7", stacked: true },
    ];
    expect(deviceOf(links)).toMatchObject({ device: "bond0", problem: "" });
  });
});

describe("tables", () => {
  it("are 10 + device index on the first card, and different for all places of an instance", () => {
    expect([0, 1, 15].map((deviceIndex) => tableOf({ networkCard: 0, deviceIndex }))).toEqual([10, 11, 25]);
    const places = Array.from({ length: 32 }, (_, networkCard) =>
      Array.from({ length: 50 }, (_, deviceIndex) => tableOf({ networkCard, deviceIndex })),
    ).flat();
    expect(new Set(places).size).toBe(places.length);
    expect(places.filter((table) => (table >= 253 && table <= 255) || table >= 10_000)).toEqual([]);
  });
});

describe("any node", () => {
  const address = fc.integer({ min: 0, max: 7 }).map((at) => `10.0.1.${64 + at}`);
  const anywhere = fc.oneof(address, fc.constantFrom("192.168.7.7", "10.0.1.64/26", ""));
  const anyRule: fc.Arbitrary<Rule> = fc.record({
    family: fc.constant("ipv4"),
    priority: fc.constantFrom(20, 109, 111, 512, 1536),
    from: anywhere,
    to: anywhere,
    mark: fc.constantFrom("", "", "0x80/0x80"),
    table: fc.constantFrom(MAIN_TABLE, 11, 12, 500),
    protocol: fc.constantFrom(PROTOCOL_KERNEL, 0, 3),
    special: fc.constantFrom(false, false, true),
  });
  /** What enid made some time ago: two rules of an address. */
  const ownRules = fc.array(address, { maxLength: 5 }).map((list) => list.flatMap((each) => rulesOfAddress(each, 11)));
  const anyRoute: fc.Arbitrary<Route> = fc.record({
    family: fc.constant("ipv4"),
    table: fc.constantFrom(MAIN_TABLE, 11, 12),
    destination: fc.constantFrom("default", "10.0.1.1", "10.9.0.0/16"),
    gateway: fc.constantFrom("", "10.0.1.1", "10.0.1.7"),
    device: fc.constantFrom("eth0", "eth1", "eth9"),
    protocol: fc.constantFrom(PROTOCOL_KERNEL, 3, 16),
    scope: fc.constantFrom(0, 253),
    metric: fc.constantFrom(0, 512),
    special: fc.constant(false),
  });
  const unique = <Each>(list: readonly Each[], key: (each: Each) => string) => [
    ...new Map(list.map((each) => [key(each), each])).values(),
  ];
  /** Two rules just like enid's, of an address that is not of this node. */
  const neighbours = fc.constantFrom([], [...rulesOfAddress("192.168.7.7", 11)], [...rulesOfAddress("10.0.2.64", 12)]);
  const node = fc.record({
    neighbours,
    leased: fc.uniqueArray(address, { maxLength: 6 }),
    foreignRules: fc.array(anyRule, { maxLength: 12 }),
    own: ownRules,
    routes: fc.array(anyRoute, { maxLength: 6 }),
  });

  /** A rule that says exactly what enid's do is enid's: two programs cannot both have the same one. */
  const ofEnid = (rule: Rule) => {
    const pod = rule.from || rule.to;
    const twins = rulesOfAddress(pod, rule.table === MAIN_TABLE ? 11 : rule.table).map(ruleKey);
    return [11, 12].includes(rule.table) || rule.table === MAIN_TABLE
      ? NOTHING.inBlock(pod) && twins.includes(ruleKey(rule))
      : false;
  };

  it("loses no rule or route that is not enid's", () => {
    fc.assert(
      fc.property(node, ({ leased, foreignRules, neighbours: others, own, routes }) => {
        const rules = unique([...foreignRules, ...others, ...own], ruleKey);
        const before = actual({ rules, routes: unique(routes, (route) => `${routeKey(route)} ${route.metric}`) });
        const picture = pictureOf({ addresses: leased.map((each) => ({ address: each, interfaceId: "eni-1" })) });
        for (const change of changesFor(desire(picture, before), before)) {
          if (change.do === "remove-rule") {
            expect(ofEnid(change.rule)).toBe(true);
            // The kernel takes the first that fits: nothing else may fit.
            const { from, to, priority, table, protocol } = change.rule;
            const fits = rules.filter(
              (rule) =>
                rule.priority === priority &&
                rule.table === table &&
                rule.protocol === protocol &&
                (from === "" || rule.from === from) &&
                (to === "" || rule.to === to),
            );
            expect(fits).toEqual([change.rule]);
          }
          if (change.do === "add-route") {
            const { table, destination, metric } = change.route;
            expect(before.routes.filter((each) => each.table === table && each.destination === destination)).toEqual(
              before.routes.filter(
                (each) => each.table === table && each.destination === destination && each.metric !== metric,
              ),
            );
          }
          if (change.do === "remove-route")
            expect(change.route).toMatchObject({ table: MAIN_TABLE, destination: "10.0.1.0/24" });
        }
      }),
      { numRuns: 500 },
    );
  });

  it("has afterwards what is desired, and needs nothing more", () => {
    fc.assert(
      fc.property(node, ({ leased, foreignRules, own, routes }) => {
        const before = actual({
          rules: unique([...foreignRules, ...own], ruleKey),
          routes: unique(routes, (route) => `${routeKey(route)} ${route.metric}`),
        });
        const picture = pictureOf({ addresses: leased.map((each) => ({ address: each, interfaceId: "eni-1" })) });
        const desired = desire(picture, before);
        const first = difference(desired, before, NOTHING);
        const now = after(before, done(first.changes));
        const there = new Set(now.rules.map(ruleKey));
        expect(desired.rules.filter((rule) => !there.has(ruleKey(rule)))).toEqual([]);
        const ways = new Set(now.routes.map(routeKey));
        const missing = desired.routes.filter((route) => !ways.has(routeKey(route)));
        // A route that is not there has a conflict that says so.
        expect(missing.length > 0).toBe(first.conflicts.size > 0);
        expect(changesFor(desire(picture, now), now)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it("has no rule left of an address whose lease ended, unless a foreign rule could go in its place", () => {
    fc.assert(
      fc.property(fc.uniqueArray(address, { minLength: 1, maxLength: 6 }), (leased) => {
        const rules = leased.flatMap((each) => rulesOfAddress(each, 11));
        const changes = changesFor(desire(pictureOf(), actual()), actual({ rules }));
        const removed = changes.filter(({ do: kind }) => kind === "remove-rule");
        expect(removed).toHaveLength(rules.length);
      }),
    );
    const [, from] = rulesOfAddress("10.0.1.64", 11);
    const more: Rule = { ...from, special: true };
    const changes = changesFor(desire(pictureOf(), actual()), actual({ rules: [more, from] }));
    expect(changes.filter(({ do: kind }) => kind === "remove-rule")).toEqual([]);
  });
});
