import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EnidError } from "../../../src/errors.ts";
import { CNI_VERSIONS } from "../../../src/handoff/cni/index.ts";
import {
  configuration,
  type Daemon,
  environment,
  errorOf,
  expectedError,
  makePlace,
  type Place,
  type PluginRun,
  pluginBinary,
  runPlugin,
  startDaemon,
} from "./helpers.ts";

let binary: string;
let place: Place;
let daemon: Daemon;

beforeAll(() => {
  binary = pluginBinary();
});

beforeEach(async () => {
  place = await makePlace();
  daemon = await startDaemon(place.socket);
});

afterEach(async () => {
  await daemon.close();
  await place.remove();
});

function call(verb: string, stdin: string, more: Record<string, string> = {}): Promise<PluginRun> {
  return runPlugin(binary, { environment: { ...environment(verb, more), ENID_SOCKET: place.socket }, stdin });
}

/** The specification has CHECK since 0.4.0, GC and STATUS since 1.1.0. */
function has(verb: string, version: string): boolean {
  return verb === "CHECK" ? version !== "0.3.1" : version === "1.1.0";
}

const ATTACHMENT = { network: "cilium", containerId: "c0", interfaceName: "eth0" };

describe.each(CNI_VERSIONS)("the plugin with cniVersion %s", (version) => {
  it("answers ADD with a result of that version", async () => {
    const run = await call("ADD", configuration(version));
    const ip = version.startsWith("0.") ? { version: "4", address: "10.0.0.1/32" } : { address: "10.0.0.1/32" };
    expect(run).toMatchObject({ exit: 0, stderr: "" });
    expect(JSON.parse(run.stdout)).toEqual({ cniVersion: version, ips: [ip] });
    const pod = { namespace: "shop", name: "cart-0", uid: "u-1" };
    expect(daemon.service.adds).toEqual([{ attachment: ATTACHMENT, pod, sandboxPath: "/run/netns/c0" }]);
  });

  it("answers ADD of a dual-stack pod with both addresses, IPv4 first", async () => {
    daemon.service.families = "dual";
    const run = await call("ADD", configuration(version));
    const [ipv4, ipv6] = [{ address: "10.0.0.1/32" }, { address: "2001:db8::1/128" }];
    const ips = version.startsWith("0.")
      ? [
          { version: "4", ...ipv4 },
          { version: "6", ...ipv6 },
        ]
      : [ipv4, ipv6];
    expect(JSON.parse(run.stdout)).toEqual({ cniVersion: version, ips });
    expect((await call("ADD", configuration(version))).stdout).toBe(run.stdout);
  });

  it("answers ADD of an IPv6-only pod with its one address", async () => {
    daemon.service.families = "ipv6";
    const run = await call("ADD", configuration(version));
    const ip = { ...(version.startsWith("0.") ? { version: "6" } : {}), address: "2001:db8::1/128" };
    expect(JSON.parse(run.stdout)).toEqual({ cniVersion: version, ips: [ip] });
  });

  it("gives the same address to a repeated ADD", async () => {
    const first = await call("ADD", configuration(version));
    const second = await call("ADD", configuration(version));
    expect(second.stdout).toBe(first.stdout);
  });

  it("answers DEL with nothing, also for what is unknown and without a network namespace", async () => {
    const run = await call("DEL", configuration(version), { CNI_NETNS: "" });
    expect(run).toMatchObject({ exit: 0, stdout: "", stderr: "" });
    expect(daemon.service.removed).toEqual([ATTACHMENT]);
    expect(daemon.service.removedPods).toEqual([{ namespace: "shop", name: "cart-0", uid: "u-1" }]);
  });

  it("answers with code 1 what that version does not have", async () => {
    for (const verb of ["CHECK", "GC", "STATUS"]) {
      if (has(verb, version)) continue;
      const since = verb === "CHECK" ? "0.4.0" : "1.1.0";
      expect(errorOf(await call(verb, configuration(version, { "cni.dev/valid-attachments": [] })))).toEqual(
        expectedError(new EnidError("ENID_CNI_VERB_VERSION", { verb, version, since }), 1, version),
      );
    }
    expect(daemon.service.collected).toEqual([]);
  });

  it("answers VERSION with the version asked and the versions supported", async () => {
    const run = await call("VERSION", JSON.stringify({ cniVersion: version }));
    expect(run.exit).toBe(0);
    expect(JSON.parse(run.stdout)).toEqual({ cniVersion: version, supportedVersions: [...CNI_VERSIONS] });
  });

  it("carries that version in errors", async () => {
    const run = await call("ADD", configuration(version, { name: "" }));
    expect(errorOf(run)).toMatchObject({ cniVersion: version, code: 7 });
  });
});

describe.each(CNI_VERSIONS.filter((version) => has("CHECK", version)))("CHECK with cniVersion %s", (version) => {
  it("is answered with nothing when the lease is in the previous result", async () => {
    await call("ADD", configuration(version));
    const prevResult = { cniVersion: version, ips: [{ version: "4", address: "10.0.0.1/24", interface: 0 }] };
    const run = await call("CHECK", configuration(version, { prevResult }));
    expect(run).toMatchObject({ exit: 0, stdout: "", stderr: "" });
  });

  it("is answered with nothing when both addresses of a dual-stack pod are there, however they are written", async () => {
    daemon.service.families = "dual";
    const { stdout } = await call("ADD", configuration(version));
    expect(await call("CHECK", configuration(version, { prevResult: JSON.parse(stdout) }))).toMatchObject({ exit: 0 });
    const ips = [{ address: "2001:0DB8:0:0::1/64" }, { address: "10.0.0.1/24" }];
    const run = await call("CHECK", configuration(version, { prevResult: { cniVersion: version, ips } }));
    expect(run).toMatchObject({ exit: 0, stdout: "" });
  });
});

it("answers STATUS with nothing when ADD can be served", async () => {
  expect(await call("STATUS", configuration())).toMatchObject({ exit: 0, stdout: "" });
});

describe("the plugin answers with the CNI code of each failure", () => {
  const withName = (cniVersion: string) => configuration(cniVersion);

  it("1 for versions that are not supported, with those that are", async () => {
    for (const version of ["0.2.0", "0.3.0", "2.0.0", "1.1"]) {
      const error = errorOf(await call("ADD", withName(version)));
      expect(error).toMatchObject({ code: 1, cniVersion: "1.1.0" });
      expect(error.msg).toContain(`ENID_CNI_VERSION: CNI version "${version}"`);
      expect(error.details).toContain("0.3.1, 0.4.0, 1.0.0, 1.1.0");
    }
    expect(errorOf(await call("ADD", '{"name":"cilium"}')).msg).toContain("CNI version (none)");
  });

  it("3 when CHECK finds no lease", async () => {
    const error = errorOf(await call("CHECK", configuration("1.1.0", { prevResult: { ips: [] } })));
    expect(error).toEqual(expectedError(new EnidError("ENID_LEASE_MISSING", { ...ATTACHMENT }), 3));
  });

  it("4 for a verb that is unknown or missing", async () => {
    for (const verb of ["gc", "add", "UPDATE"]) {
      expect(errorOf(await call(verb, configuration()))).toEqual(
        expectedError(new EnidError("ENID_CNI_VERB", { verb }), 4),
      );
    }
    expect(errorOf(await call("", configuration()))).toMatchObject({
      code: 4,
      msg: "ENID_CNI_ENVIRONMENT: CNI_COMMAND is not set",
    });
  });

  it.each([
    ["CNI_CONTAINERID", "", "is not set"],
    ["CNI_CONTAINERID", "-c0", "must start with a letter or digit"],
    ["CNI_CONTAINERID", "c0/..", "must start with a letter or digit"],
    ["CNI_CONTAINERID", "c".repeat(257), "is longer than 256 characters"],
    ["CNI_NETNS", "", "is not set"],
    ["CNI_NETNS", `/${"n".repeat(4096)}`, "is longer than 4096 characters"],
    ["CNI_IFNAME", "", "is not set"],
    ["CNI_IFNAME", "sixteen-letters!", "is longer than 15 bytes"],
    ["CNI_IFNAME", "..", "is not an interface name"],
    ["CNI_IFNAME", "eth 0", "white space"],
    ["CNI_IFNAME", "eth/0", "white space"],
    ["CNI_IFNAME", "eth0:1", "white space"],
    ["CNI_ARGS", "K8S_POD_NAME", "not KEY=VALUE"],
    ["CNI_ARGS", "GATEWAY=10.0.0.1", "without IgnoreUnknown"],
    ["CNI_ARGS", "IgnoreUnknown=0;MAC=aa", "without IgnoreUnknown"],
    ["CNI_ARGS", "K8S_POD_NAME=a b", "no Kubernetes name"],
    ["CNI_ARGS", `K8S_POD_UID=${"u".repeat(254)}`, "no Kubernetes name"],
  ])("4 for %s %j", async (variable, value, problem) => {
    const error = errorOf(await call("ADD", configuration(), { [variable]: value }));
    expect(error.code).toBe(4);
    expect(error.msg).toContain(`ENID_CNI_ENVIRONMENT: ${variable} `);
    expect(error.msg).toContain(problem);
    expect(daemon.service.adds).toEqual([]);
  });

  it.each([
    ["", "it is empty"],
    ["{", "Expected property name"],
    ["[]", "it is not a JSON object"],
    ["null", "it is not a JSON object"],
    ['{"a": 1}}', "after JSON at position 8"],
  ])("6 for %j on standard input", async (stdin, problem) => {
    const error = errorOf(await call("ADD", stdin));
    expect(error.code).toBe(6);
    expect(error.msg).toContain("ENID_CNI_DECODE");
    expect(error.msg).toContain(problem);
  });

  it.each([
    [{ name: undefined }, "name is missing"],
    [{ name: 7 }, "name is missing"],
    [{ name: "a b" }, "must start with"],
    [{ name: "n".repeat(257) }, "is longer than 256"],
  ])("7 for the network configuration %j", async (part, problem) => {
    const error = errorOf(await call("ADD", configuration("1.0.0", part)));
    expect(error).toMatchObject({ code: 7, cniVersion: "1.0.0" });
    expect(error.msg).toContain(problem);
  });

  it.each([
    [undefined, "prevResult is missing"],
    ["x", "prevResult is not an object"],
    [{ ips: 1 }, "prevResult.ips is not an array"],
    [{ ips: [{}] }, "prevResult.ips[0] has no address"],
  ])("7 for CHECK with prevResult %j", async (prevResult, problem) => {
    const error = errorOf(await call("CHECK", configuration("1.1.0", { prevResult })));
    expect(error.code).toBe(7);
    expect(error.msg).toContain(problem);
  });

  it("11 when no address comes, with the reason and the remedy", async () => {
    const reason = new EnidError("ENID_NO_ADDRESS", { pod: "shop/cart-0", waitedMs: 30_000, reason: "subnet empty" });
    daemon.service.onAdd = () => Promise.reject(reason);
    expect(errorOf(await call("ADD", configuration()))).toEqual(expectedError(reason, 11));
  });

  it("11 when DEL cannot be made durable", async () => {
    const reason = new EnidError("ENID_STATE_WRITE_FAILED", { detail: "disk full" });
    daemon.service.onRemove = () => Promise.reject(reason);
    expect(errorOf(await call("DEL", configuration()))).toEqual(expectedError(reason, 11));
  });

  it("50 when STATUS is asked and the pool is not filled", async () => {
    const reason = new EnidError("ENID_NOT_READY", { available: 1, wanted: 10, reason: "throttled" });
    daemon.service.unready = reason;
    expect(errorOf(await call("STATUS", configuration()))).toEqual(expectedError(reason, 50));
  });

  it("100 for what nobody foresaw", async () => {
    daemon.service.onAdd = () => Promise.reject(new TypeError("x is not a function"));
    expect(errorOf(await call("ADD", configuration()))).toMatchObject({
      code: 100,
      msg: "ENID_INTERNAL: internal error: x is not a function",
    });
  });

  it("102 when the sandbox has another address than its lease", async () => {
    await call("ADD", configuration());
    const prevResult = { ips: [{ address: "10.9.9.9/32" }, { address: "fd00::1/128" }] };
    expect(errorOf(await call("CHECK", configuration("1.1.0", { prevResult })))).toEqual(
      expectedError(
        new EnidError("ENID_LEASE_DIFFERS", {
          containerId: "c0",
          leased: "10.0.0.1",
          expected: "10.9.9.9, fd00::1",
        }),
        102,
      ),
    );
    expect(errorOf(await call("CHECK", configuration("1.1.0", { prevResult: {} }))).msg).toContain("says no address");
  });
});

it.each([
  [["10.0.0.1/32"], "10.0.0.1"],
  [["2001:db8::1/128"], "2001:db8::1"],
  [["10.0.0.1/32", "2001:db8::2/128"], "10.0.0.1, 2001:db8::2"],
])("CHECK of a dual-stack pod fails with 102 when the previous result has only %j", async (addresses, expected) => {
  daemon.service.families = "dual";
  await call("ADD", configuration());
  const prevResult = { ips: addresses.map((address) => ({ address })) };
  const leased = "10.0.0.1 and 2001:db8::1";
  expect(errorOf(await call("CHECK", configuration("1.1.0", { prevResult })))).toEqual(
    expectedError(new EnidError("ENID_LEASE_DIFFERS", { containerId: "c0", leased, expected }), 102),
  );
});

describe("the pod of an ADD", () => {
  it("is named after the container when the runtime passes no pod", async () => {
    const id = "0123456789abcdef".repeat(4);
    await call("ADD", configuration(), { CNI_ARGS: "", CNI_CONTAINERID: id });
    await call("ADD", configuration(), { CNI_ARGS: "", CNI_CONTAINERID: "cilium-ingress-node-1" });
    expect(daemon.service.adds.map((add) => add.pod)).toEqual([
      { namespace: "", name: "0123456789ab", uid: "" },
      { namespace: "", name: "cilium-ingress-node-1", uid: "" },
    ]);
  });

  it("ignores arguments it does not know when it is told to", async () => {
    await call("ADD", configuration(), { CNI_ARGS: "MAC=aa;IgnoreUnknown=True;K8S_POD_NAME=p;" });
    expect(daemon.service.adds[0]?.pod).toEqual({ namespace: "", name: "p", uid: "" });
  });
});

describe("the pod of a DEL", () => {
  it.each([
    ["", undefined],
    ["nonsense", undefined],
    ["MAC=aa;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0", undefined],
    ["IgnoreUnknown=1;K8S_POD_NAME=cart-0", undefined],
    ["IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart 0", undefined],
    ["IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0", { namespace: "shop", name: "cart-0", uid: "" }],
  ])("of the arguments %j is passed on when it is stated in full; DEL succeeds in any case", async (CNI_ARGS, pod) => {
    expect(await call("DEL", configuration(), { CNI_ARGS })).toMatchObject({ exit: 0, stdout: "" });
    expect(daemon.service.removedPods).toEqual([pod]);
  });
});

describe("many plugins at once", () => {
  it("serves 200 processes, each with an address of its own", async () => {
    const runs = await Promise.all(
      Array.from({ length: 200 }, (_, index) => call("ADD", configuration(), { CNI_CONTAINERID: `c${index}` })),
    );
    expect(runs.filter((run) => run.exit !== 0)).toEqual([]);
    expect(new Set(runs.map((run) => run.stdout)).size).toBe(200);
    expect(daemon.telemetry.verbs.filter(({ verb, outcome }) => verb === "ADD" && outcome === "ok")).toHaveLength(200);
  });
});
