import { describe, expect, it } from "vitest";
import {
  checkSettings,
  effectiveSettings,
  environmentOf,
  overrideProblems,
  parseOverride,
  type SettingName,
} from "../../src/configuration/index.ts";
import { FILE, failureOf, read } from "./helpers.ts";

const DUAL = { podCIDRs: ["10.12.5.0/24", "2001:db8:5::/64"], "ip-families": "dual" };
const UPLINK = { neighbor: "10.0.12.1", asn: 4_200_000_001 };

const overrides = (values: Partial<Record<SettingName, unknown>>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value, setAtMs: 5 }]));
const settingsOf = (file: object, values: Partial<Record<SettingName, unknown>> = {}) =>
  effectiveSettings(read(file), overrides(values));
const conflicts = (file: object, values: Partial<Record<SettingName, unknown>> = {}) =>
  checkSettings(settingsOf(file, values));
const notices = (file: object) => read(file).notices.map(({ place, message }) => `${place.pointer}: ${message}`);

describe("where the addresses come from", () => {
  it("is EC2, unless the settings name ranges", () => {
    expect(environmentOf(effectiveSettings(undefined, {}))).toBe("aws");
    expect(environmentOf(settingsOf({ eni: { "first-interface-index": 1 }, ipam: { podCIDRs: [] } }))).toBe("aws");
    expect(environmentOf(settingsOf({ bgp: { asn: 64_512 } }))).toBe("aws");
    expect(environmentOf(settingsOf({ ipam: { podCIDRs: ["10.12.5.0/24"] } }))).toBe("node-cidr");
    expect(environmentOf(settingsOf({ eni: {}, ipam: { podCIDRs: ["10.12.5.0/24"] } }))).toBe("node-cidr");
  });

  it("follows an override as it does a file", () => {
    expect(environmentOf(settingsOf({ ipam: {} }, { podCIDRs: ["10.12.5.0/24"] }))).toBe("node-cidr");
    expect(environmentOf(settingsOf({ ipam: DUAL }, { podCIDRs: [] }))).toBe("aws");
  });
});

describe("ranges and EC2 in one file", () => {
  const plugins = (...entries: object[]) => ({ plugins: [{ type: "portmap" }, ...entries] });
  const cilium = (sections: object) => ({ type: "cilium-cni", ...sections });
  const ranges = { podCIDRs: ["10.12.5.0/24"] };

  it.each([
    ["a setting", { "subnet-tags": { a: "b" } }],
    ["a setting that is empty", { "subnet-tags": {} }],
    ["a setting that says its default", { "first-interface-index": 0 }],
    ["a fact", { "instance-id": "i-0a1b2c3d" }],
    ["an old spelling", { "pre-allocate": 8 }],
  ])("are refused with both places when eni has %s", (_, eni) => {
    const error = failureOf(() => read({ eni, ipam: ranges }));
    const [problem] = error.details as [{ pointer: string; related: { pointer: string } }];
    expect(error.details).toHaveLength(1);
    expect([problem.pointer, problem.related.pointer]).toEqual(["/ipam/podCIDRs", "/eni"]);
    expect(failureOf(() => read(plugins(cilium({ eni, ipam: ranges })))).details).toMatchObject([
      { pointer: "/plugins/1/ipam/podCIDRs", related: { pointer: "/plugins/1/eni" } },
    ]);
  });

  it("are refused when one of them would be lost beside the entry that is read", () => {
    expect(
      failureOf(() => read({ ...plugins(cilium({ ipam: ranges })), eni: { "subnet-ids": [] } })).message,
    ).toContain('"eni" would be lost');
  });

  it("go together when eni is empty, which says nothing", () => {
    expect(read({ eni: {}, ipam: ranges }).values).toEqual(ranges);
    expect(read(plugins(cilium({ eni: {}, ipam: ranges }))).values).toEqual(ranges);
  });
});

describe("ranges", () => {
  it("of both families are read in canonical text, with the file's text untouched", () => {
    const configuration = read({ ipam: { ...DUAL, podCIDRs: ["10.12.5.0/24", "2001:DB8:0005:0::/64"] } });
    expect(configuration.values.podCIDRs).toEqual(DUAL.podCIDRs);
    expect(configuration.text).toContain("2001:DB8:0005:0::/64");
  });

  it.each([
    ["a unique local range", "fd00:12:5::/48"],
    ["a global range", "2a05:d018:1::/56"],
    ["the smallest range", "2001:db8::ff00/120"],
  ])("may be %s", (_, cidr) => {
    expect(read({ ipam: { podCIDRs: [cidr], "ip-families": "ipv6" } }).values.podCIDRs).toEqual([cidr]);
  });

  it.each(["::/64", "::ffff:0:0/96", "64:ff9b::/96", "fe80::/64", "febf::/64", "ff02::/64", "ff00::/48"])(
    "of IPv6 that no host can have are refused: %s",
    (cidr) => {
      const error = failureOf(() => read({ ipam: { podCIDRs: [cidr], "ip-families": "ipv6" } }));
      expect(error.details).toMatchObject([{ pointer: "/ipam/podCIDRs/0" }]);
      expect(error.message).toContain("can be routed to the node");
    },
  );

  it("of IPv6 are not counted among the 65536 addresses", () => {
    const podCIDRs = ["10.12.0.0/16", "2001:db8:5::/48", "2001:db8:6::/48"];
    expect(read({ ipam: { ...DUAL, podCIDRs } }).values.podCIDRs).toEqual(podCIDRs);
    const error = failureOf(() => read({ ipam: { ...DUAL, podCIDRs: [...podCIDRs, "10.13.0.0/32"] } }));
    expect(error.message).toContain("makes 65537 addresses with the IPv4 ranges before it; allowed are 65536 in all");
  });

  it("do not overlap across families", () => {
    const podCIDRs = ["10.12.5.0/24", "a0c:500::/120"];
    expect(read({ ipam: { ...DUAL, podCIDRs } }).values.podCIDRs).toEqual(podCIDRs);
  });

  it("that no pod gets an address of, by choice, are noticed", () => {
    expect(notices({ ipam: { ...DUAL, "ip-families": "ipv4" } })).toEqual([
      '/ipam/podCIDRs: IPv6 range 2001:db8:5::/64 is not used: "ip-families" is "ipv4"',
    ]);
    expect(notices({ ipam: { ...DUAL, "ip-families": "ipv6" } })).toEqual([
      '/ipam/podCIDRs: IPv4 range 10.12.5.0/24 is not used: "ip-families" is "ipv6"',
    ]);
    expect(notices({ ipam: DUAL })).toEqual([]);
  });
});

describe("families by override", () => {
  it("must have a range each", () => {
    expect(conflicts({ ipam: { podCIDRs: ["10.12.5.0/24"] } }, { "ip-families": "ipv6" })).toEqual([
      {
        names: ["ip-families", "podCIDRs"],
        message: `ip-families ipv6 (override) asks for IPv6 addresses, while podCIDRs (file ${FILE}:3:17) has no IPv6 range; allowed are "ipv4", and an IPv6 range in podCIDRs`,
      },
    ]);
    expect(conflicts({ ipam: {} }, { podCIDRs: ["2001:db8:5::/64"] })).toEqual([
      {
        names: ["podCIDRs"],
        message:
          'podCIDRs ["2001:db8:5::/64"] (override) has no IPv4 range, while ip-families is "ipv4" by default; allowed are "ip-families": "ipv6", and an IPv4 range',
      },
    ]);
    expect(conflicts({ ipam: DUAL }, { podCIDRs: ["10.12.5.0/24"] })).toMatchObject([
      { names: ["ip-families", "podCIDRs"] },
    ]);
  });

  it("can be changed one setting at a time, from IPv4 through dual to IPv6", () => {
    const file = { ipam: { podCIDRs: ["10.12.5.0/24"] } };
    expect(conflicts(file, { podCIDRs: DUAL.podCIDRs })).toEqual([]);
    expect(conflicts(file, { podCIDRs: DUAL.podCIDRs, "ip-families": "dual" })).toEqual([]);
    expect(conflicts(file, { podCIDRs: DUAL.podCIDRs, "ip-families": "ipv6" })).toEqual([]);
    expect(conflicts(file, { podCIDRs: ["2001:db8:5::/64"], "ip-families": "ipv6" })).toEqual([]);
  });

  it("need no range on EC2", () => {
    for (const families of ["ipv4", "ipv6", "dual"])
      expect(conflicts({ eni: {} }, { "ip-families": families })).toEqual([]);
  });
});

describe("excluded addresses", () => {
  it("are canonical: a range of one address is that address", () => {
    const excluded = ["10.12.5.9/32", "10.12.5.16/28", "2001:DB8:5:0::9", "2001:db8:5:0::A/128"];
    expect(read({ ipam: { ...DUAL, "excluded-addresses": excluded } }).values["excluded-addresses"]).toEqual([
      "10.12.5.9",
      "10.12.5.16/28",
      "2001:db8:5::9",
      "2001:db8:5::a",
    ]);
  });

  it("may name what is left out anyway, and the same twice", () => {
    const excluded = ["10.12.5.0", "10.12.5.1", "10.12.5.0/31", "10.12.5.1", "2001:db8:5::/96"];
    const podCIDRs = ["10.12.5.0/24", "2001:db8:5::/64", "2001:db8:6::/64"];
    const failing = failureOf(() => read({ ipam: { ...DUAL, podCIDRs, "excluded-addresses": excluded } }));
    expect(failing.details).toMatchObject([{ pointer: "/ipam/podCIDRs/1" }]);
    const fine = excluded.slice(0, -1);
    expect(read({ ipam: { ...DUAL, podCIDRs, "excluded-addresses": fine } }).values["excluded-addresses"]).toEqual(
      fine,
    );
  });

  it("must stay within the ranges when an override changes these", () => {
    const file = { ipam: { podCIDRs: ["10.12.5.0/24", "10.12.6.0/24"], "excluded-addresses": ["10.12.6.9"] } };
    expect(conflicts(file, { podCIDRs: ["10.12.5.0/24"] })).toEqual([
      {
        names: ["excluded-addresses", "podCIDRs"],
        message: `excluded-addresses 10.12.6.9 (file ${FILE}:7:27) is not within podCIDRs (override); allowed are addresses of 10.12.5.0/24, and ranges within one of them`,
      },
    ]);
    expect(conflicts(file, { podCIDRs: ["10.12.5.0/24"], "excluded-addresses": [] })).toEqual([]);
    expect(conflicts({ eni: {} }, { "excluded-addresses": ["10.12.6.9"] })).toMatchObject([
      { names: ["excluded-addresses"], message: expect.stringContaining("allowed is it beside podCIDRs only") },
    ]);
  });

  it("must leave each range an address, by override, too", () => {
    const file = { ipam: { podCIDRs: ["10.12.5.0/24", "10.12.6.4/31"] } };
    expect(conflicts(file, { "excluded-addresses": ["10.12.6.4"] })).toEqual([]);
    expect(conflicts(file, { "excluded-addresses": ["10.12.6.4/31"] })).toMatchObject([
      { names: ["podCIDRs", "excluded-addresses"], message: expect.stringContaining("podCIDRs 10.12.6.4/31 (file") },
    ]);
  });
});

describe("bgp", () => {
  it("is read like the other sections, in both forms", () => {
    const bgp = { asn: 4_200_000_112, "router-id": "10.0.12.5", uplinks: [UPLINK], bfd: false };
    expect(read({ ipam: DUAL, bgp }).values).toEqual({ ...DUAL, ...bgp });
    expect(read({ plugins: [{ type: "cilium-cni", bgp }] }).values).toEqual(bgp);
    expect(read({ bgp }).places.asn).toMatchObject({ pointer: "/bgp/asn", line: 3 });
  });

  it("goes with EC2 as well as with ranges", () => {
    const bgp = { asn: 4_200_000_112, uplinks: [UPLINK] };
    expect(conflicts({ eni: { "first-interface-index": 1 }, bgp })).toEqual([]);
    expect(notices({ eni: { "first-interface-index": 1 }, bgp })).toEqual([]);
  });

  it("may have no uplinks, where somebody else writes bird.conf", () => {
    expect(conflicts({ bgp: { asn: 4_200_000_112 } })).toEqual([]);
    expect(notices({ bgp: { asn: 4_200_000_112 } })).toEqual([]);
  });

  it("without asn is noticed: nothing comes of it", () => {
    const words = '/bgp: "bgp" is not used: it has no "asn", so enid writes nothing for BIRD';
    expect(notices({ ipam: {}, bgp: { "bird-include-file": "/run/enid.conf" } })).toEqual([words]);
    expect(notices({ ipam: {}, bgp: { asn: 0, bfd: true } })).toEqual([words]);
    expect(notices({ ipam: {}, bgp: {} })).toEqual([]);
  });

  it("in a list is refused where it would be lost, and noticed where another one counts", () => {
    const entry = { type: "cilium-cni", bgp: { asn: 1 } };
    expect(read({ plugins: [entry], bgp: { asn: 2 } }).values.asn).toBe(1);
    expect(notices({ plugins: [entry], bgp: { asn: 2 } })).toEqual([
      `/bgp: "bgp" is not read here: ${FILE}:5:7 /plugins/0/bgp is`,
    ]);
    expect(failureOf(() => read({ plugins: [{ type: "bridge", bgp: { asn: 1 } }] })).message).toContain(
      'its "bgp" would be lost',
    );
  });

  it("has a session with each router once, but fe80::1 of two links is two routers", () => {
    const uplinks = ["eth1", "eth2"].map((device) => ({ neighbor: "fe80::1", interface: device, asn: 64_513 }));
    expect(read({ bgp: { asn: 64_512, uplinks } }).values.uplinks).toEqual(uplinks);
    const [first] = uplinks;
    const error = failureOf(() => read({ bgp: { asn: 64_512, uplinks: [first, first] } }));
    expect(error.details).toMatchObject([
      { pointer: "/bgp/uplinks/1/neighbor", related: { pointer: "/bgp/uplinks/0/neighbor" } },
    ]);
  });

  it.each([
    ["no address", { neighbor: "1:2:3" }, "/neighbor", '"1:2:3" is not an address; allowed is the address of a router'],
    ["the unspecified address", { neighbor: "::" }, "/neighbor", "is no address of a host"],
    ["an IPv6 group", { neighbor: "ff02::5" }, "/neighbor", "is a multicast address"],
    ["the broadcast address", { neighbor: "255.255.255.255" }, "/neighbor", "is the broadcast address"],
    ["a name", { neighbor: "leaf-1" }, "/neighbor", "does not have the right form; allowed is an IPv4 or IPv6 address"],
    ["a zone", { neighbor: "fe80::1%eth1" }, "/neighbor", "does not have the right form"],
    [
      "no local address",
      { "local-address": "0.0.0.0" },
      "/local-address",
      "is no address of a host; allowed is an address of the node",
    ],
    ["AS 0", { asn: 0 }, "/asn", "0 is too small; allowed is a number of an autonomous system, from 1"],
    ["AS 4294967295", { asn: 4_294_967_295 }, "/asn", "is too large"],
    ["one hop", { multihop: 1 }, "/multihop", "1 is too small; allowed is a whole number of hops from 2 to 255"],
    ["a device with a blank", { interface: "eth 1" }, "/interface", "the name of a network device"],
    ["a quote in a path", { "password-file": '/etc/"x' }, "/password-file", "an absolute path"],
    ["hops without an address", { multihop: 2 }, "", '"local-address", which BFD needs there'],
  ])("refuses an uplink with %s", (_, change, at, words) => {
    const error = failureOf(() =>
      read({ bgp: { asn: 64_512, uplinks: [UPLINK, { ...UPLINK, neighbor: "10.0.12.2", ...change }] } }),
    );
    expect(error.details).toMatchObject([{ pointer: `/bgp/uplinks/1${at}` }]);
    expect(error.message).toContain(words);
  });

  it("has no router at an address that a pod can get", () => {
    const bgp = { asn: 64_512, uplinks: [{ neighbor: "10.12.5.9", asn: 64_513 }] };
    const ipam = { podCIDRs: ["10.12.5.0/24"] };
    expect(failureOf(() => read({ ipam, bgp })).details).toMatchObject([
      { pointer: "/bgp/uplinks/0/neighbor", related: { pointer: "/ipam/podCIDRs" } },
    ]);
    expect(read({ ipam: { ...ipam, "excluded-addresses": ["10.12.5.8/30"] }, bgp }).values.uplinks).toEqual(
      bgp.uplinks,
    );
    for (const podCIDRs of [["10.12.5.8/29"], ["10.12.6.0/24"]]) {
      expect(conflicts({ ipam: { podCIDRs }, bgp })).toEqual([]);
    }
    expect(conflicts({ bgp }, ipam)).toMatchObject([{ names: ["uplinks", "podCIDRs"] }]);
  });

  it("says all faults of its uplinks at once, each once", () => {
    const uplinks = [
      { neighbor: "fe80::1", asn: 1 },
      { neighbour: "10.0.12.1", asn: 2 },
      { neighbor: "10.0.12.1", "local-address": "fd00::1", asn: 3 },
    ];
    const error = failureOf(() => read({ bgp: { asn: 64_512, uplinks } }));
    expect((error.details as { pointer: string }[]).map(({ pointer }) => pointer)).toEqual([
      "/bgp/uplinks/0/neighbor",
      "/bgp/uplinks/1",
      "/bgp/uplinks/1/neighbour",
      "/bgp/uplinks/2/local-address",
    ]);
  });
});

describe("overrides of bgp and ranges", () => {
  it.each([
    ["asn=4200000112", "asn", 4_200_000_112],
    ["router-id=", "router-id", ""],
    ["bfd=false", "bfd", false],
    ["uplinks=", "uplinks", []],
    [`uplinks=${JSON.stringify([UPLINK])}`, "uplinks", [UPLINK]],
    ['uplinks=[{"neighbor":"FD00:0::1","asn":1}]', "uplinks", [{ neighbor: "fd00::1", asn: 1 }]],
    ["bird-include-file=/run/bird/enid.conf", "bird-include-file", "/run/bird/enid.conf"],
    ["orphan-grace-seconds=0", "orphan-grace-seconds", 0],
    ["podCIDRs=10.12.5.0/24,2001:DB8::/64", "podCIDRs", ["10.12.5.0/24", "2001:db8::/64"]],
    ["excluded-addresses=10.12.5.9/32,10.12.5.16/28", "excluded-addresses", ["10.12.5.9", "10.12.5.16/28"]],
  ])("%s is understood", (text, name, value) => {
    expect(parseOverride(text)).toEqual({ name, value });
  });

  it.each([
    ["uplinks=10.0.12.1", '"10.0.12.1" in it is text; allowed is an object with "neighbor" and "asn"'],
    ['uplinks=[{"neighbor":"10.0.12.1"}]', 'lacks "asn"; allowed is an object with "neighbor" and "asn"'],
    [
      'uplinks=[{"neighbor":"10.0.12.1","asn":1,"multi-hop":2}]',
      'key "multi-hop" is not known in it: did you mean "multihop"?',
    ],
    [
      'uplinks=[{"neighbor":"fe80::1","asn":1}]',
      "fe80::1 is link-local, and the uplink does not say on which link; allowed",
    ],
    [
      'uplinks=[{"neighbor":"fd00::1","asn":1},{"neighbor":"FD00::1","asn":2}]',
      "FD00::1 repeats the neighbor of an earlier uplink; allowed is one session with each",
    ],
    ["router-id=0.0.0.0", "it identifies no router"],
    ["router-id=fd00::1", 'allowed is an IPv4 address, or ""'],
    ["asn=AS64512", "allowed is a number of an autonomous system, from 1 to 4294967294, or 0"],
    ["podCIDRs=2001:db8::1/64", "2001:db8::1/64 has host bits set; allowed is the network itself, 2001:db8::/64"],
    ["excluded-addresses=10.12.5.9/28", "10.12.5.9/28 has host bits set; allowed is the network itself, 10.12.5.0/28"],
    ["excluded-addresses=10.12.5.9-10.12.5.12", "does not have the right form; allowed is an address or a range"],
  ])("%s is refused with what is allowed", (text, words) => {
    const error = failureOf(() => parseOverride(text));
    expect(error.code).toBe("ENID_SETTING_INVALID");
    expect(error.message).toContain(words);
  });

  it("of uplinks need an asn, wherever it comes from", () => {
    expect(conflicts({ bgp: { asn: 64_512 } }, { uplinks: [UPLINK] })).toEqual([]);
    expect(conflicts({ ipam: {} }, { asn: 64_512, uplinks: [UPLINK] })).toEqual([]);
    expect(conflicts({ ipam: {} }, { uplinks: [UPLINK] })).toMatchObject([
      { names: ["uplinks"], message: expect.stringContaining("(override) needs the number of the node's own") },
    ]);
    expect(conflicts({ bgp: { asn: 64_512, uplinks: [UPLINK] } }, { asn: 0 })).toMatchObject([{ names: ["uplinks"] }]);
  });

  it("in the state that are not allowed any more have no effect and are named", () => {
    const stored = overrides({ uplinks: [{ neighbor: "fe80::1", asn: 1 }], "router-id": "0.0.0.0" });
    expect(effectiveSettings(undefined, stored).values).toMatchObject({ uplinks: [], "router-id": "" });
    expect(overrideProblems(stored).map(({ names }) => names)).toEqual([["uplinks"], ["router-id"]]);
  });

  it("in the state are canonical when they come to be in force", () => {
    const stored = overrides({ podCIDRs: ["2001:DB8:0::/64"], "ip-families": "ipv6" });
    expect(effectiveSettings(undefined, stored).values.podCIDRs).toEqual(["2001:db8::/64"]);
  });
});
