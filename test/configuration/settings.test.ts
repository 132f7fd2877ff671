import { describe, expect, it } from "vitest";
import {
  checkSettings,
  compareFacts,
  defaultSettings,
  effectiveSettings,
  originText,
  overrideProblems,
  parseOverride,
  prefixModeOf,
  selectionOf,
  settingName,
  settingNames,
} from "../../src/configuration/index.ts";
import { FILE, failureOf, read } from "./helpers.ts";

const override = (value: unknown, setAtMs = 5) => ({ value, setAtMs });

describe("effective settings", () => {
  it("are the defaults, each with that origin, when nothing else is said", () => {
    const { values, origins } = effectiveSettings(undefined, {});
    expect(values).toEqual(defaultSettings);
    expect(values).toMatchObject({
      "pre-allocate": 8,
      "cooling-seconds": 30,
      "add-wait-seconds": 20,
      "delete-on-termination": true,
    });
    expect(Object.keys(origins).toSorted()).toEqual(Object.keys(defaultSettings).toSorted());
    for (const origin of Object.values(origins)) expect(origin).toEqual({ kind: "default" });
  });

  it("take the file before the default and the override before the file", () => {
    const configuration = read({ ipam: { "pre-allocate": 4, "min-allocate": 2 } });
    const { values, origins } = effectiveSettings(configuration, { "pre-allocate": override(16, 99) });
    expect(values).toMatchObject({ "pre-allocate": 16, "min-allocate": 2, "max-allocate": 0 });
    expect(origins["pre-allocate"]).toEqual({ kind: "override", setAtMs: 99 });
    expect(origins["min-allocate"]).toEqual({ kind: "file", place: configuration.places["min-allocate"] });
    expect(origins["max-allocate"]).toEqual({ kind: "default" });
    expect(Object.values(origins).map(originText)).toContain(`file ${FILE}:4:21`);
  });

  it("keep a zero, a false and an empty list, wherever they come from", () => {
    const fromFile = effectiveSettings(
      read({ eni: { "delete-on-termination": false }, ipam: { "pre-allocate": 0 } }),
      {},
    );
    expect(fromFile.values).toMatchObject({ "pre-allocate": 0, "delete-on-termination": false });
    const configuration = read({ eni: { "subnet-ids": ["subnet-0a1b2c3d"] }, ipam: { "pre-allocate": 9 } });
    const overridden = effectiveSettings(configuration, { "pre-allocate": override(0), "subnet-ids": override([]) });
    expect(overridden.values).toMatchObject({ "pre-allocate": 0, "subnet-ids": [] });
  });

  it("ignore and report stored overrides that this version does not know or allow", () => {
    const overrides = {
      "pre-allocate": override("many"),
      "warp-speed": override(9),
      podCIDRs: override(["10.0.0.1/24"]),
      "min-allocate": override(3),
    };
    const { values, origins } = effectiveSettings(read({ ipam: { "pre-allocate": 4 } }), overrides);
    expect(values).toMatchObject({ "pre-allocate": 4, podCIDRs: [], "min-allocate": 3 });
    expect(origins["pre-allocate"].kind).toBe("file");
    expect(overrideProblems(overrides)).toEqual([
      { names: ["pre-allocate"], message: 'override pre-allocate="many" has no effect: the value is not allowed' },
      { names: ["warp-speed"], message: "override warp-speed has no effect: no setting is called so" },
      { names: ["podCIDRs"], message: 'override podCIDRs=["10.0.0.1/24"] has no effect: the value is not allowed' },
    ]);
  });

  it("give the selection of subnets and security groups", () => {
    const eni = {
      "subnet-ids": ["subnet-0a1b2c3d"],
      "subnet-tags": { a: "b" },
      "security-groups": ["sg-0a1b2c3d"],
      "security-group-tags": { c: "d" },
      "exclude-interface-tags": { e: "f" },
      "delete-on-termination": false,
      "adopt-interfaces-of": ["vpc-cni"],
    };
    expect(selectionOf(effectiveSettings(read({ eni }), {}))).toEqual({
      subnetIds: eni["subnet-ids"],
      subnetTags: eni["subnet-tags"],
      securityGroups: eni["security-groups"],
      securityGroupTags: eni["security-group-tags"],
      excludeInterfaceTags: eni["exclude-interface-tags"],
      deleteOnTermination: false,
      adoptInterfacesOf: ["vpc-cni"],
    });
  });

  it.each([
    ["off", false, "off"],
    ["preferred", false, "preferred"],
    ["required", false, "required"],
    ["required", true, "off"],
    ["off", true, "off"],
  ])("prefix-delegation %s with disable-prefix-delegation %s is mode %s", (mode, disabled, effective) => {
    const overrides = { "prefix-delegation": override(mode), "disable-prefix-delegation": override(disabled) };
    expect(prefixModeOf(effectiveSettings(undefined, overrides))).toBe(effective);
  });
});

describe("settings together", () => {
  it("are in order by default and in a valid file", () => {
    expect(checkSettings(effectiveSettings(undefined, {}))).toEqual([]);
    expect(
      checkSettings(effectiveSettings(read({ eni: { "subnet-tags": { a: "b" } }, ipam: { "max-allocate": 5 } }), {})),
    ).toEqual([]);
  });

  it("conflict when an override puts max-allocate below min-allocate of the file", () => {
    const configuration = read({ ipam: { "min-allocate": 10 } });
    const settings = effectiveSettings(configuration, { "max-allocate": override(9) });
    expect(checkSettings(settings)).toEqual([
      {
        names: ["max-allocate", "min-allocate"],
        message: `max-allocate 9 (override) is below min-allocate 10 (file ${FILE}:3:21); allowed is 0 (no limit) or at least min-allocate`,
      },
    ]);
    expect(checkSettings(effectiveSettings(configuration, { "max-allocate": override(10) }))).toEqual([]);
    expect(checkSettings(effectiveSettings(configuration, { "max-allocate": override(0) }))).toEqual([]);
  });

  it("conflict when ranges of the node meet settings for EC2", () => {
    const settings = effectiveSettings(read({ ipam: { podCIDRs: ["10.0.0.0/24"] } }), {
      "subnet-tags": override({ a: "b" }),
    });
    expect(checkSettings(settings)).toMatchObject([{ names: ["podCIDRs", "subnet-tags"] }]);
    const harmless = effectiveSettings(read({ ipam: { podCIDRs: ["10.0.0.0/24"] } }), { "subnet-tags": override({}) });
    expect(checkSettings(harmless)).toEqual([]);
  });

  it.each([
    ["prefix-delegation", "required"],
    ["interface-idle-seconds", 60],
    ["adopt-interfaces-of", ["cilium"]],
    ["cluster-name", "shop"],
    ["start-jitter-seconds", 0],
  ])("conflict when ranges of the node meet %s, which is about EC2", (name, value) => {
    const settings = effectiveSettings(read({ ipam: { podCIDRs: ["10.0.0.0/24"] } }), { [name]: override(value) });
    expect(checkSettings(settings)).toMatchObject([{ names: ["podCIDRs", name] }]);
  });

  it("conflict when pods are to have a family of which the node has no range", () => {
    const file = read({ ipam: { podCIDRs: ["10.0.0.0/24"] } });
    expect(checkSettings(effectiveSettings(file, { "ip-families": override("dual") }))).toEqual([
      {
        names: ["ip-families", "podCIDRs"],
        message: `ip-families dual (override) asks for IPv6 addresses, while podCIDRs (file ${FILE}:3:17) has no IPv6 range; allowed are "ipv4", and an IPv6 range in podCIDRs`,
      },
    ]);
    expect(checkSettings(effectiveSettings(file, { "ip-families": override("ipv4") }))).toEqual([]);
  });

  it.each([
    [
      { "disable-prefix-delegation": true },
      { "prefix-delegation": override("preferred") },
      `prefix-delegation preferred (override) asks for the prefixes that disable-prefix-delegation true (file ${FILE}:3:34) forbids; allowed is one of the two: \`enid unset prefix-delegation\`, or \`enid set disable-prefix-delegation=false\``,
    ],
    [
      { "prefix-delegation": "required" },
      { "disable-prefix-delegation": override(true) },
      `prefix-delegation required (file ${FILE}:3:26) asks for the prefixes that disable-prefix-delegation true (override) forbids; allowed is one of the two: \`enid unset disable-prefix-delegation\`, or \`enid set prefix-delegation=off\``,
    ],
    [
      {},
      { "prefix-delegation": override("required"), "disable-prefix-delegation": override(true) },
      "prefix-delegation required (override) asks for the prefixes that disable-prefix-delegation true (override) forbids; allowed is one of the two: `enid unset` one of them",
    ],
  ])("conflict when prefixes are asked for and forbidden: %o with overrides %o", (eni, overrides, message) => {
    expect(checkSettings(effectiveSettings(read({ eni }), overrides))).toEqual([
      { names: ["prefix-delegation", "disable-prefix-delegation"], message },
    ]);
  });

  it("do not conflict when what is forbidden is not asked for", () => {
    const eni = { "disable-prefix-delegation": true, "prefix-delegation": "off" };
    expect(checkSettings(effectiveSettings(read({ eni }), {}))).toEqual([]);
    expect(checkSettings(effectiveSettings(read({ eni: { "disable-prefix-delegation": true } }), {}))).toEqual([]);
  });
});

describe("an override", () => {
  it.each([
    ["pre-allocate=16", "pre-allocate", 16],
    ["pre-allocate=0", "pre-allocate", 0],
    [" pre-allocate = 16 ", "pre-allocate", 16],
    ["delete-on-termination=false", "delete-on-termination", false],
    ["subnet-ids=subnet-0a1b2c3d, subnet-0a1b2c3e", "subnet-ids", ["subnet-0a1b2c3d", "subnet-0a1b2c3e"]],
    ['subnet-ids=["subnet-0a1b2c3d"]', "subnet-ids", ["subnet-0a1b2c3d"]],
    ["subnet-ids=", "subnet-ids", []],
    ["subnet-tags=enid.io/pods=true,tier=a=b", "subnet-tags", { "enid.io/pods": "true", tier: "a=b" }],
    ['subnet-tags={"a,b": "c"}', "subnet-tags", { "a,b": "c" }],
    ["subnet-tags=", "subnet-tags", {}],
    ["prefix-delegation=preferred", "prefix-delegation", "preferred"],
    ["ip-families = dual", "ip-families", "dual"],
    ["release-excess=false", "release-excess", false],
    ["adopt-interfaces-of=vpc-cni,cilium", "adopt-interfaces-of", ["vpc-cni", "cilium"]],
    ["adopt-interfaces-of=", "adopt-interfaces-of", []],
    ["cluster-name=shop.example.com", "cluster-name", "shop.example.com"],
    ["cluster-name=", "cluster-name", ""],
    ["podCIDRs=10.0.0.0/24,10.0.1.0/24", "podCIDRs", ["10.0.0.0/24", "10.0.1.0/24"]],
  ])("%s is understood", (text, name, value) => {
    expect(parseOverride(text)).toEqual({ name, value });
  });

  it.each([
    ["pre-allocate=-1", "setting pre-allocate cannot be -1: allowed is a whole number from 0 to 65536"],
    ["pre-allocate=1.5", "setting pre-allocate cannot be 1.5: allowed is a whole number from 0 to 65536"],
    ["pre-allocate=1e3", "setting pre-allocate cannot be 1e3: allowed is a whole number"],
    ["pre-allocate=0x10", "setting pre-allocate cannot be 0x10: allowed is a whole number"],
    ["pre-allocate=99999999999999999999", "setting pre-allocate cannot be 99999999999999999999: allowed is"],
    ["pre-allocate=", 'setting pre-allocate cannot be "": allowed is a whole number'],
    ["pre-allocate", "setting pre-allocate cannot be nothing: write pre-allocate=VALUE; allowed is a whole number"],
    ["delete-on-termination=yes", "setting delete-on-termination cannot be yes: allowed is true or false"],
    ["subnet-ids=subnet-1", '"subnet-1" in it does not have the right form; allowed is a subnet id'],
    ["subnet-ids=subnet-0a1b2c3d,subnet-0a1b2c3d", "allowed is a list of at most 200 different subnet ids"],
    ["subnet-ids=[", "it is not JSON"],
    ["subnet-tags=a", '"a" is not KEY=VALUE'],
    ["subnet-tags=a=1,a=2", 'key "a" stands in it twice'],
    ["subnet-tags==x", '"" in it is empty; allowed is a tag key of 1 to 127 characters'],
    ['subnet-tags={"a":1}', "1 in it is a number; allowed is a tag value"],
    ["podCIDRs=10.0.0.1/24", "10.0.0.1/24 has host bits set; allowed is the network itself, 10.0.0.0/24"],
    ["podCIDRs=10.0.0.0/24,10.0.0.0/25", "10.0.0.0/25 overlaps 10.0.0.0/24"],
    ["prefix-delegation=on", 'prefix-delegation cannot be on: allowed is "off", "preferred" or "required"'],
    ["prefix-delegation=prefered", 'cannot be prefered: did you mean preferred?; allowed is "off", "preferred" or'],
    ["ip-families=", 'setting ip-families cannot be "": allowed is "ipv4", "ipv6" or "dual"'],
    ["ip-families=IPv4", 'cannot be IPv4: did you mean ipv4?; allowed is "ipv4", "ipv6" or "dual"'],
    ["adopt-interfaces-of=cillium", '"cillium" in it is not known: did you mean "cilium"?; allowed is "vpc-cni" or'],
    ["adopt-interfaces-of=cilium,cilium", "allowed is a list of at most 2 different IPAMs"],
    ["cluster-name=shop*", "cannot be shop*: allowed is a name of at most 256 letters, digits and characters of"],
    [`cluster-name=${"c".repeat(257)}`, "allowed is a name of at most 256 letters"],
    ["start-jitter-seconds=601", "cannot be 601: allowed is a whole number of seconds from 0 to 600"],
    ["release-delay-seconds=86401", "cannot be 86401: allowed is a whole number of seconds from 0 to 86400"],
    ["interface-idle-seconds=-1", "cannot be -1: allowed is a whole number of seconds from 0 to 86400"],
    [`subnet-tags=${"k=v,".repeat(20_000)}`, "characters; allowed are 65536"],
  ])("%s is refused with what is allowed", (text, words) => {
    const error = failureOf(() => parseOverride(text));
    expect(error.code).toBe("ENID_SETTING_INVALID");
    expect(error.entry.exit).toBe(2);
    expect(error.message).toContain(words);
    expect(error.message.length).toBeLessThan(400);
  });

  it.each([
    ["preallocate=1", "; did you mean pre-allocate?"],
    ["PRE_ALLOCATE=1", "; did you mean pre-allocate?"],
    ["podcidrs=", "; did you mean podCIDRs?"],
    ["subnet-id=x", "; did you mean subnet-ids?"],
    ["prefix-delegations=off", "; did you mean prefix-delegation?"],
    ["ipfamilies=dual", "; did you mean ip-families?"],
    ["vpc-id=vpc-0a1b2c3d", "; settings are first-interface-index"],
    ["__proto__=1", "; settings are"],
    ["=1", "; settings are"],
  ])("%s names no setting", (text, suggestion) => {
    const error = failureOf(() => parseOverride(text));
    expect(error.code).toBe("ENID_SETTING_UNKNOWN");
    expect(error.message).toContain(suggestion);
  });

  it("may be for any setting, and for no other name", () => {
    expect(settingNames.toSorted()).toEqual(Object.keys(defaultSettings).toSorted());
    for (const name of settingNames) expect(settingName(name)).toBe(name);
  });
});

describe("facts of the file", () => {
  const actual = {
    vpcId: "vpc-0a1b2c3d",
    availabilityZone: "eu-central-1a",
    primarySubnetId: "subnet-0a1b2c3d",
    instanceId: "i-0a1b2c3d",
    instanceType: "m5.large",
  };

  it("that differ from instance metadata are named with both and the place", () => {
    const configuration = read({
      eni: { "vpc-id": "vpc-0a1b2c3d", "instance-type": "m5.xlarge", "node-subnet-id": "subnet-ffffffff" },
    });
    expect(compareFacts(configuration, actual)).toEqual([
      {
        name: "node-subnet-id",
        stated: "subnet-ffffffff",
        actual: "subnet-0a1b2c3d",
        place: configuration.factPlaces["node-subnet-id"],
      },
      {
        name: "instance-type",
        stated: "m5.xlarge",
        actual: "m5.large",
        place: configuration.factPlaces["instance-type"],
      },
    ]);
  });

  it("that are not stated differ from nothing", () => {
    expect(compareFacts(read({ eni: {} }), actual)).toEqual([]);
    expect(compareFacts(undefined, actual)).toEqual([]);
  });
});
