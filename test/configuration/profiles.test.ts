import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  checkSettings,
  defaultSettings,
  effectiveSettings,
  type Profile,
  profileProblems,
  profileSettingNames,
  profilesFor,
  readConfiguration,
  settingNames,
  whyNotInProfile,
} from "../../src/configuration/index.ts";

function file(parts: object) {
  const text = JSON.stringify({ cniVersion: "1.0.0", name: "cilium", type: "cilium-cni", ...parts });
  return readConfiguration(new TextEncoder().encode(text), "/etc/enid.conf");
}

function profile(name: string, values: Profile["values"], match: Profile["match"] = {}): Profile {
  return { name, match, values };
}

const NODE = { instanceType: "m5.large", labels: { team: "web", rack: "7" } };

describe("profiles of the fleet", () => {
  it("match by instance type and labels, all of which must fit", () => {
    const fits = (match: Profile["match"]) => profilesFor([profile("web", {}, match)], NODE).length === 1;
    expect(fits({})).toBe(true);
    expect(fits({ instanceTypes: ["m5.*"] })).toBe(true);
    expect(fits({ instanceTypes: ["c5.*", "*.large"] })).toBe(true);
    expect(fits({ instanceTypes: ["m*.l*e"] })).toBe(true);
    expect(fits({ instanceTypes: ["m5"] })).toBe(false);
    expect(fits({ instanceTypes: ["m5.l*large"] })).toBe(false);
    expect(fits({ instanceTypes: [] })).toBe(false);
    expect(fits({ labels: { team: "web" } })).toBe(true);
    expect(fits({ labels: { team: "web", rack: "8" } })).toBe(false);
    expect(fits({ labels: { constructor: "web" } })).toBe(false);
    expect(fits({ instanceTypes: ["m5.*"], labels: { team: "db" } })).toBe(false);
  });

  it("match with * as a regular expression with .* would", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "*", "."), maxLength: 8 });
    const type = fc.string({ unit: fc.constantFrom("a", "b", "."), maxLength: 8 });
    fc.assert(
      fc.property(text, type, (pattern, instanceType) => {
        const expected = new RegExp(`^${pattern.replaceAll(".", "\\.").replaceAll("*", ".*")}$`).test(instanceType);
        const found = profilesFor([profile("p", {}, { instanceTypes: [pattern] })], { instanceType, labels: {} });
        expect(found.length === 1).toBe(expected);
      }),
    );
  });

  it("count the more the more conditions they have, then by name; the default one counts least", () => {
    const profiles = [
      profile("a-two", {}, { labels: { team: "web", rack: "7" } }),
      profile("z-one", {}, { instanceTypes: ["*"] }),
      profile("b-one", {}, { labels: { team: "web" } }),
      profile("none", {}),
      profile("default", {}),
    ];
    const order = ["default", "none", "b-one", "z-one", "a-two"];
    expect(profilesFor(profiles, NODE).map(({ name }) => name)).toEqual(order);
    expect(profilesFor(profiles.toReversed(), NODE).map(({ name }) => name)).toEqual(order);
  });

  it("stand above the defaults, below the file, and below an override", () => {
    const profiles = [
      profile("default", { "pre-allocate": 3, "cooling-seconds": 3, "min-allocate": 3, "max-above-watermark": 3 }),
      profile("web", { "pre-allocate": 4, "min-allocate": 4, "cooling-seconds": 4 }),
    ];
    const { values, origins } = effectiveSettings(
      file({ ipam: { "pre-allocate": 5, "min-allocate": 5 } }),
      { "min-allocate": { value: 6, setAtMs: 1 } },
      profiles,
    );
    expect(values).toMatchObject({
      "min-allocate": 6,
      "pre-allocate": 5,
      "cooling-seconds": 4,
      "max-above-watermark": 3,
      "add-wait-seconds": defaultSettings["add-wait-seconds"],
    });
    expect(origins["min-allocate"].kind).toBe("override");
    expect(origins["pre-allocate"].kind).toBe("file");
    expect(origins["cooling-seconds"]).toEqual({ kind: "fleet", profile: "web" });
    expect(origins["max-above-watermark"]).toEqual({ kind: "fleet", profile: "default" });
    expect(origins["add-wait-seconds"]).toEqual({ kind: "default" });
  });

  it("cannot say what is one node's own, nor how the fleet is reached", () => {
    for (const name of settingNames.filter((one) => !profileSettingNames().includes(one))) {
      expect(whyNotInProfile(name)).toBeTypeOf("string");
      const other = name === "podCIDRs" ? ["10.9.0.0/24"] : "x";
      expect(effectiveSettings(undefined, {}, [profile("default", { [name]: other })]).origins[name].kind).toBe(
        "default",
      );
    }
    expect(profileSettingNames()).toEqual(expect.arrayContaining(["pre-allocate", "subnet-tags", "uplinks", "fixed"]));
    for (const name of ["redis", "fleet-name", "podCIDRs", "router-id", "bird-include-file", "excluded-addresses"]) {
      expect(profileSettingNames()).not.toContain(name);
    }
  });

  it("say nothing of EC2 to nodes that have ranges of their own", () => {
    const profiles = [profile("default", { "subnet-tags": { pods: "1" }, "pre-allocate": 3 })];
    const settings = effectiveSettings(file({ ipam: { podCIDRs: ["10.9.0.0/24"] } }), {}, profiles);
    expect(settings.values).toMatchObject({ "subnet-tags": {}, "pre-allocate": 3 });
    expect(checkSettings(settings)).toEqual([]);
    expect(effectiveSettings(file({}), {}, profiles).values["subnet-tags"]).toEqual({ pods: "1" });
  });

  it("have no effect where this version does not know the setting or the value, and it is said which", () => {
    const profiles = [profile("web", { "of-the-future": 1, "pre-allocate": -1, redis: ["x:1"], "min-allocate": 2 })];
    const { values } = effectiveSettings(undefined, {}, profiles);
    expect(values).toMatchObject({ "pre-allocate": defaultSettings["pre-allocate"], redis: [], "min-allocate": 2 });
    expect(profileProblems(profiles).map(({ message }) => message)).toEqual([
      "of-the-future of the fleet's profile web has no effect: no setting is called so",
      "pre-allocate of the fleet's profile web has no effect: -1 is not an allowed value",
      "redis of the fleet's profile web has no effect: it says how the node reaches its fleet",
    ]);
  });

  it("are named where they contradict", () => {
    const profiles = [profile("web", { "max-allocate": 4 })];
    const [problem] = checkSettings(effectiveSettings(file({ ipam: { "min-allocate": 9 } }), {}, profiles));
    expect(problem?.message).toMatch(/^max-allocate 4 \(fleet profile web\) is below min-allocate 9 \(file /);
  });
});
