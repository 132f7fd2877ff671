import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../support/redis.ts";
import { temporaryFolder } from "./fake-daemon.ts";
import { callEnid, runEnid } from "./run-enid.ts";

let server: RedisServer;
let fleets = 0;
let configuration = "";

beforeAll(async () => {
  server = await startRedis();
});

afterAll(() => server.stop());

async function fileOf(fleet: object): Promise<string> {
  const file = path.join(await temporaryFolder(), "fleet.conf");
  await writeFile(file, JSON.stringify({ cniVersion: "1.0.0", name: "cilium", type: "cilium-cni", fleet }));
  return file;
}

beforeEach(async () => {
  configuration = await fileOf({ redis: [`127.0.0.1:${server.port}`], "fleet-name": `test-${fleets++}` });
});

/** `enid fleet ...` in this process: its exit code, what it printed, and that as JSON where it is. */
async function fleet(...argv: string[]) {
  const { code, stdout, stderr } = await callEnid(["fleet", ...argv], { ENID_CONFIGURATION: configuration });
  const text = stdout.trimEnd();
  return { code, text, error: stderr, json: () => JSON.parse(text) };
}

describe("enid fleet", () => {
  it("sets, shows and unsets settings for all nodes and for some", async () => {
    expect(await fleet("set", "pre-allocate=16", "subnet-tags=pods=1")).toMatchObject({ code: 0, error: "" });
    const big = await fleet("set", "--profile", "big", "--instance-type", "m5.*", "--label", "a=b", "pre-allocate=64");
    expect(big.text).toMatch(/^big: nodes with instance types m5\.\* and label a=b\n {2}pre-allocate = 64\n/);
    // What is not named stays.
    await fleet("set", "--profile", "big", "cooling-seconds=9");
    await fleet("set", "--profile", "big", "--label", "any");
    const { profiles, revision } = (await fleet("profiles", "--json")).json();
    expect(profiles).toMatchObject([
      { name: "big", values: { "pre-allocate": 64, "cooling-seconds": 9 } },
      { name: "default", match: {}, values: { "pre-allocate": 16, "subnet-tags": { pods: "1" } } },
    ]);
    expect(profiles[0].match).toEqual({ instanceTypes: ["m5.*"] });
    expect((await fleet("profiles")).text).toMatch(/^default: every node; set 20/);

    expect((await fleet("unset", "--profile", "big", "cooling-seconds", "--json")).json()).toMatchObject({
      profile: { name: "big", values: { "pre-allocate": 64 } },
    });
    expect((await fleet("unset", "--profile", "big", "--all")).text).toMatch(/^the profile big is gone/);
    expect((await fleet("unset", "pre-allocate", "subnet-tags", "--json")).json().profile).toBe(null);
    const after = (await fleet("profiles", "--json")).json();
    expect(after.profiles).toEqual([]);
    expect(after.revision).toBeGreaterThan(revision);
  });

  it("keeps every one of the settings that are set at the same time", async () => {
    const names = ["pre-allocate", "min-allocate", "cooling-seconds"];
    const outcomes = await Promise.all(names.map((name) => fleet("set", `${name}=5`)));
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0]);
    const { profiles } = (await fleet("profiles", "--json")).json();
    expect(Object.keys(profiles[0].values).toSorted()).toEqual(names.toSorted());
  });

  it.each([
    [["pre-allocate=-1"], 2, "ENID_SETTING_INVALID", "pre-allocate"],
    [["pre-alocate=1"], 2, "ENID_SETTING_UNKNOWN", "did you mean pre-allocate?"],
    [["redis=x:1"], 2, "ENID_SETTING_INVALID", "cannot stand in a profile"],
    [["podCIDRs=10.0.0.0/24"], 2, "ENID_SETTING_INVALID", "each node's own"],
    [["min-allocate=9", "max-allocate=3"], 2, "ENID_SETTING_INVALID", "max-allocate 3 (fleet profile default)"],
    [["--profile", "Big One", "pre-allocate=1"], 2, "ENID_USAGE", "no name of a profile"],
    [["--label", "a=b", "pre-allocate=1"], 2, "ENID_USAGE", "is for every node"],
    [["--profile", "x", "--label", "a", "pre-allocate=1"], 2, "ENID_USAGE", "is no label"],
    [["--profile", "x", "--instance-type", "m5.*,?", "pre-allocate=1"], 2, "ENID_USAGE", "is no instance type"],
    [["--profile", "x"], 2, "ENID_USAGE", "NAME=VALUE is missing"],
  ])("refuses enid fleet set %j and changes nothing", async (argv, code, error, words) => {
    const answer = await fleet("set", ...argv);
    expect(answer.code).toBe(code);
    expect(answer.error).toContain(error);
    expect(answer.error).toContain(words);
    expect((await fleet("profiles", "--json")).json()).toEqual({ revision: 0, profiles: [] });
  });

  it("checks a profile together with the default one, whichever changes", async () => {
    await fleet("set", "min-allocate=9");
    expect((await fleet("set", "--profile", "small", "--label", "a=b", "max-allocate=3")).error).toContain(
      "max-allocate 3 (fleet profile small) is below min-allocate 9 (fleet profile default)",
    );
    await fleet("set", "min-allocate=2");
    expect((await fleet("set", "--profile", "small", "--label", "a=b", "max-allocate=3")).code).toBe(0);
    expect((await fleet("set", "min-allocate=9")).error).toContain("ENID_SETTING_INVALID");
  });

  it("takes rules of fixed addresses, which need a fleet: every node that hears of them has it", async () => {
    const rule = 'fixed=[{"namespace":"db","stateful-set":"pg"}]';
    expect(await fleet("set", rule)).toMatchObject({ code: 0, error: "" });
  });

  it("shows nodes that are announced, of every kind, until their time is over or enid speaks for itself", async () => {
    const announce = (...argv: string[]) => fleet("announce", "--kind", "vpc-cni", "--node-name", "old-1", ...argv);
    expect((await announce("--zone", "z-1", "--free", "3", "--leased", "9")).text).toBe(
      "old-1 is announced as vpc-cni for 600 s",
    );
    await fleet("announce", "--kind", "cilium-operator", "--node-name", "old-2", "--node-id", "i-2");
    expect((await fleet("nodes")).text).toMatch(
      /^2 nodes \(1 vpc-cni, 1 cilium-operator\), 0 not well; 3 addresses free/,
    );
    const { nodes, total } = (await fleet("nodes", "--kind", "vpc-cni", "--json")).json();
    expect([total, nodes.length]).toEqual([2, 1]);
    expect(nodes[0]).toMatchObject({ nodeId: "old-1", by: "other", zone: "z-1", ipv4: { free: 3, leased: 9 } });
    expect((await fleet("top", "--by", "leased", "--json")).json().nodes).toHaveLength(1);
    expect((await fleet("subnets")).text).toBe("no node of the fleet uses a subnet");
    expect((await fleet("budget")).text).toMatch(/^no node of the fleet has asked for a token/);
    expect((await announce("--free", "3")).error).toContain("--free and --leased go together");
    expect((await fleet("announce", "--kind", "enid")).error).toContain("--kind cannot be");
    expect((await announce("--node-id", "a b")).error).toContain("is no id");
  });

  it("says which fleet it would have asked where there is none, and which command was meant", async () => {
    configuration = await fileOf({});
    expect(await fleet("nodes")).toMatchObject({ code: 1, text: "" });
    expect((await fleet("nodes")).error).toMatch(/ENID_FLEET_NONE: .*fleet\.conf names no servers/);
    configuration = "";
    expect((await fleet("profiles", "--socket", "/nowhere/enid.sock")).error).toMatch(
      /ENID_FLEET_NONE: .*no --configuration names a file, and no daemon answers on \/nowhere\/enid.sock/,
    );
    expect((await fleet("node")).error).toContain("did you mean nodes?");
    expect((await fleet("nodes", "--by", "free")).code).toBe(2);
    expect((await fleet("help", "set")).text).toMatch(/^Usage: enid fleet set NAME=VALUE\.\.\. \[FLAGS\]/);
    expect((await fleet("--help")).text).toContain("  announce  ");
  });

  it("works as a program, with a daemon's way to a store that is away told as such", async () => {
    const shown = await runEnid(["fleet", "nodes", "--configuration", configuration]);
    expect([shown.code, shown.stderr]).toEqual([0, ""]);
    expect(shown.stdout).toBe("0 nodes, 0 not well; 0 addresses free, 0 leased; 0 pods wait\n");
    configuration = await fileOf({ redis: ["127.0.0.1:1"] });
    const away = await fleet("nodes", "--json");
    expect([away.code, away.text]).toEqual([1, ""]);
    expect(JSON.parse(away.error).error.code).toBe("ENID_FLEET_AWAY");
  });
});
