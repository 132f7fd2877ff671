import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EnidError, type ErrorCode } from "../../../src/errors.ts";
import {
  configuration,
  type Daemon,
  environment,
  errorOf,
  makePlace,
  type Place,
  type PluginRun,
  pluginBinary,
  runPlugin,
  startDaemon,
  startRawServer,
} from "./helpers.ts";

/**
 * The table "Conformance" of docs/cni.md, row by row, through the executable that is installed and a socket. Whoever adds a
 * row to the one must add it to the other.
 */

const DOCUMENT = join(import.meta.dirname, "../../../docs/cni.md");
const TRY_LATER_MS = "150";

interface Row {
  readonly verb: string;
  readonly condition: string;
  /** 0 = it succeeds. */
  readonly code: number;
  readonly error?: ErrorCode;
  /** More than one call: each must end as the row says. */
  readonly run: () => Promise<PluginRun | readonly PluginRun[]>;
  /** What else must hold. */
  readonly also?: (runs: readonly PluginRun[]) => unknown;
}

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

interface Call {
  /** The variables set to undefined are not set. */
  readonly variables?: Readonly<Record<string, string | undefined>>;
  readonly version?: string;
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly stdin?: string;
}

function call(verb: string, { variables = {}, version = "1.1.0", fields = {}, stdin }: Call = {}): Promise<PluginRun> {
  const all = { ...environment(verb), ENID_SOCKET: place.socket, ...variables };
  const set = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return runPlugin(binary, {
    environment: Object.fromEntries(set),
    stdin: stdin ?? configuration(version, fields),
  });
}

function callEach(verbs: readonly string[], how: Call): Promise<PluginRun[]> {
  return Promise.all(verbs.map((verb) => call(verb, how)));
}

const away = { ENID_SOCKET: "/nonexistent/enid.sock" };

/** The same call while something hangs, or is not enid, in the daemon's place. */
async function instead(verb: string, answer: string | undefined, how: Call = {}): Promise<PluginRun> {
  const socket = join(place.folder, "other.sock");
  const server = await startRawServer(socket, (connection) => {
    if (answer !== undefined) connection.once("data", () => connection.end(answer));
  });
  const variables = { ...how.variables, ENID_SOCKET: socket, ENID_TIMEOUT_MS: TRY_LATER_MS };
  return call(verb, { ...how, variables }).finally(() => server.close());
}

const ALL = ["ADD", "DEL", "CHECK", "GC", "STATUS"];
const VALID = "cni.dev/valid-attachments";
const PREVIOUS = { prevResult: { cniVersion: "1.1.0", ips: [{ address: "10.0.0.1/32" }] } };
const refusal = () => new EnidError("ENID_STATE_WRITE_FAILED", { detail: "disk full" });

const ROWS: readonly Row[] = [
  {
    verb: "any",
    condition: "`CNI_COMMAND` is not set",
    code: 4,
    error: "ENID_CNI_ENVIRONMENT",
    run: () => call("", { variables: { CNI_COMMAND: undefined } }),
  },
  {
    verb: "any",
    condition: "a verb that the specification does not have",
    code: 4,
    error: "ENID_CNI_VERB",
    run: () => callEach(["UPDATE", "add", "VERSIONS"], {}),
  },
  {
    verb: "any but VERSION",
    condition: "standard input is no JSON object in UTF-8",
    code: 6,
    error: "ENID_CNI_DECODE",
    run: async () => (await Promise.all(["", "{", "[]"].map((stdin) => callEach(ALL, { stdin })))).flat(),
  },
  {
    verb: "any but VERSION",
    condition: "standard input has more than 1 MiB",
    code: 5,
    error: "ENID_PLUGIN_INPUT",
    run: () => callEach(ALL, { stdin: configuration().padEnd(1024 * 1024 + 1) }),
  },
  {
    verb: "any but VERSION",
    condition: "`cniVersion` is missing, or none that enid speaks",
    code: 1,
    error: "ENID_CNI_VERSION",
    run: async () => [
      ...(await callEach(ALL, { version: "0.2.0" })),
      ...(await callEach(ALL, { stdin: '{"name":"cilium"}' })),
    ],
  },
  {
    verb: "any but VERSION",
    condition: "`name` is missing or against the rule",
    code: 7,
    error: "ENID_CNI_CONFIG",
    run: async () => [
      ...(await callEach(ALL, { fields: { name: undefined } })),
      ...(await callEach(ALL, { fields: { name: "a b" } })),
    ],
  },
  {
    verb: "ADD",
    condition: "there is an address",
    code: 0,
    run: () => call("ADD"),
    also: ([run]) =>
      expect(JSON.parse(run?.stdout ?? "")).toEqual({ cniVersion: "1.1.0", ips: [{ address: "10.0.0.1/32" }] }),
  },
  {
    verb: "ADD",
    condition: "again for the same attachment",
    code: 0,
    run: async () => [await call("ADD"), await call("ADD")],
    also: ([first, again]) => expect(again?.stdout).toBe(first?.stdout),
  },
  {
    verb: "ADD",
    condition: "`CNI_PATH` and `CNI_ARGS` are not set",
    code: 0,
    run: () => call("ADD", { variables: { CNI_PATH: undefined, CNI_ARGS: undefined } }),
  },
  {
    verb: "ADD",
    condition: "`CNI_CONTAINERID`, `CNI_NETNS` or `CNI_IFNAME` is missing or malformed",
    code: 4,
    error: "ENID_CNI_ENVIRONMENT",
    run: () =>
      Promise.all([
        ...["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"].flatMap((name) =>
          [undefined, ""].map((value) => call("ADD", { variables: { [name]: value } })),
        ),
        call("ADD", { variables: { CNI_CONTAINERID: "a/b" } }),
        call("ADD", { variables: { CNI_IFNAME: "sixteen-letters!" } }),
      ]),
  },
  {
    verb: "ADD",
    condition: "`CNI_ARGS` is malformed, or has an unknown key without `IgnoreUnknown`",
    code: 4,
    error: "ENID_CNI_ENVIRONMENT",
    run: () => Promise.all(["K8S_POD_NAME", "GATEWAY=10.0.0.1"].map((text) => call("ADD", args(text)))),
  },
  {
    verb: "ADD",
    condition: "`IP` in `CNI_ARGS` is no address, or two of one family",
    code: 4,
    error: "ENID_CNI_ENVIRONMENT",
    run: () => Promise.all(["IP=10.0.0", "IP=10.0.0.1,10.0.0.2"].map((text) => call("ADD", args(text)))),
  },
  {
    verb: "ADD",
    condition: "`runtimeConfig.ips` or `args.cni.ips` has what is no address, or two of one family",
    code: 7,
    error: "ENID_CNI_CONFIG",
    run: () =>
      Promise.all(
        [["10.0.0.1/33"], ["::1", "::2"], "10.0.0.1", [7]].flatMap((ips) => [
          call("ADD", { fields: { runtimeConfig: { ips } } }),
          call("ADD", { fields: { args: { cni: { ips } } } }),
        ]),
      ),
  },
  {
    verb: "ADD",
    condition:
      '`runtimeConfig["io.kubernetes.cri.pod-annotations"]` is no object, or one under `enid.io/` is no text or too long',
    code: 7,
    error: "ENID_CNI_CONFIG",
    run: () =>
      Promise.all(
        ["true", [], { "enid.io/fixed-address": true }, { "enid.io/fixed-address": "x".repeat(257) }].map(
          (annotations) =>
            call("ADD", { fields: { runtimeConfig: { "io.kubernetes.cri.pod-annotations": annotations } } }),
        ),
      ),
  },
  {
    verb: "ADD",
    condition: "`runtimeConfig.ipRanges`: a capability that enid does not have",
    code: 2,
    error: "ENID_CNI_FIELD",
    run: () => call("ADD", { fields: { runtimeConfig: { ipRanges: [[{ subnet: "10.1.2.0/24" }]] } } }),
    // "The error message must contain the key and value of the unsupported field."
    also: ([run]) => expect(run?.stdout).toMatch(/runtimeConfig\.ipRanges.*10\.1\.2\.0\/24/),
  },
  {
    verb: "ADD",
    condition: "the address that is asked for cannot be had",
    code: 103,
    error: "ENID_ADDRESS_UNAVAILABLE",
    run: () => failing("ENID_ADDRESS_UNAVAILABLE", { address: "10.0.0.9", pod: "shop/cart-0", reason: "taken" }),
  },
  {
    verb: "ADD",
    condition: "there is no address in time",
    code: 11,
    error: "ENID_NO_ADDRESS",
    run: () => failing("ENID_NO_ADDRESS", { pod: "shop/cart-0", waitedMs: 30_000, reason: "the subnet is empty" }),
  },
  {
    verb: "ADD",
    condition: "the lease cannot be written",
    code: 11,
    error: "ENID_STATE_WRITE_FAILED",
    run: () => failing("ENID_STATE_WRITE_FAILED", { detail: "disk full" }),
  },
  {
    verb: "ADD",
    condition: "a promise of enid would be broken",
    code: 101,
    error: "ENID_REFUSED",
    run: () => failing("ENID_REFUSED", { detail: "10.0.0.1 is leased twice" }),
  },
  {
    verb: "ADD",
    condition: "a fault of enid",
    code: 100,
    error: "ENID_INTERNAL",
    run: () => {
      daemon.service.onAdd = () => Promise.reject(new TypeError("x is not a function"));
      return call("ADD");
    },
  },
  {
    verb: "DEL",
    condition: "of a lease, again, and of what is unknown",
    code: 0,
    run: async () => [
      await call("ADD"),
      await call("DEL"),
      await call("DEL"),
      await call("DEL", { variables: { CNI_CONTAINERID: "unknown" } }),
    ],
    also: ([, ...runs]) => {
      expect(runs.map(({ stdout }) => stdout)).toEqual(["", "", ""]);
      expect(daemon.service.leases.size).toBe(0);
    },
  },
  {
    verb: "DEL",
    condition: "`CNI_NETNS` or `prevResult` is missing, `CNI_ARGS` is malformed",
    code: 0,
    run: () => call("DEL", { variables: { CNI_NETNS: undefined, CNI_ARGS: "no pairs" } }),
  },
  {
    verb: "DEL",
    condition: "`CNI_CONTAINERID` or `CNI_IFNAME` is missing",
    code: 4,
    error: "ENID_CNI_ENVIRONMENT",
    run: () =>
      Promise.all(["CNI_CONTAINERID", "CNI_IFNAME"].map((name) => call("DEL", { variables: { [name]: undefined } }))),
  },
  {
    verb: "DEL",
    condition: "the end of the lease cannot be written",
    code: 11,
    error: "ENID_STATE_WRITE_FAILED",
    run: () => {
      daemon.service.onRemove = () => Promise.reject(refusal());
      return call("DEL");
    },
  },
  {
    verb: "DEL",
    condition: "the daemon is away or late: queued",
    code: 0,
    run: async () => [
      await call("DEL", { variables: { ENID_SOCKET: join(place.folder, "away.sock") } }),
      await instead("DEL", undefined),
    ],
    also: async () => expect(await readdir(join(place.folder, "del-queue"))).toHaveLength(2),
  },
  {
    verb: "CHECK",
    condition: "the addresses of the lease are in `prevResult`",
    code: 0,
    run: async () => [await call("ADD"), await call("CHECK", { fields: PREVIOUS })],
    also: ([, run]) => expect(run?.stdout).toBe(""),
  },
  {
    verb: "CHECK",
    condition: "`cniVersion` is older than 0.4.0",
    code: 1,
    error: "ENID_CNI_VERB_VERSION",
    run: () => call("CHECK", { version: "0.3.1", fields: PREVIOUS }),
  },
  {
    verb: "CHECK",
    condition: "the attachment has no lease",
    code: 3,
    error: "ENID_LEASE_MISSING",
    run: () => call("CHECK", { fields: PREVIOUS }),
  },
  {
    verb: "CHECK",
    condition: "`CNI_CONTAINERID`, `CNI_NETNS` or `CNI_IFNAME` is missing",
    code: 4,
    error: "ENID_CNI_ENVIRONMENT",
    run: () =>
      Promise.all(
        ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"].map((name) =>
          call("CHECK", { variables: { [name]: undefined }, fields: PREVIOUS }),
        ),
      ),
  },
  {
    verb: "CHECK",
    condition: "`prevResult` is missing or malformed",
    code: 7,
    error: "ENID_CNI_CONFIG",
    run: () =>
      Promise.all([undefined, [], { ips: [{}] }].map((prevResult) => call("CHECK", { fields: { prevResult } }))),
  },
  {
    verb: "CHECK",
    condition: "an address of the lease is not in `prevResult`",
    code: 102,
    error: "ENID_LEASE_DIFFERS",
    run: async () => {
      await call("ADD");
      return call("CHECK", { fields: { prevResult: { ips: [{ address: "10.0.0.2/32" }] } } });
    },
  },
  {
    verb: "CHECK",
    condition: "EC2 denied twice that the node has an address of the lease",
    code: 104,
    error: "ENID_ADDRESS_LOST",
    run: async () => {
      await call("ADD");
      daemon.service.lostBy = new EnidError("ENID_ADDRESS_LOST", { cidr: "10.0.0.1/32", interfaceId: "eni-1" });
      return call("CHECK", { fields: PREVIOUS });
    },
  },
  {
    verb: "GC",
    condition: "`cni.dev/valid-attachments` names those that are still there, or none",
    code: 0,
    run: async () => [
      await call("GC", { ...bare, fields: { [VALID]: [{ containerID: "c1", ifname: "eth0" }] } }),
      await call("GC", { ...bare, fields: { [VALID]: [] } }),
      await call("GC", { ...bare, fields: { [VALID]: null } }),
    ],
    also: (runs) => {
      expect(runs.map(({ stdout }) => stdout)).toEqual(["", "", ""]);
      expect(daemon.service.collected).toEqual([
        { network: "cilium", valid: [{ containerId: "c1", interfaceName: "eth0" }] },
        { network: "cilium", valid: [] },
        { network: "cilium", valid: [] },
      ]);
    },
  },
  {
    verb: "GC",
    condition: "`cniVersion` is older than 1.1.0",
    code: 1,
    error: "ENID_CNI_VERB_VERSION",
    run: () =>
      Promise.all(["0.3.1", "0.4.0", "1.0.0"].map((version) => call("GC", { version, fields: { [VALID]: [] } }))),
  },
  {
    verb: "GC",
    condition: "`cni.dev/valid-attachments` is missing, or an entry of it is not whole",
    code: 7,
    error: "ENID_CNI_CONFIG",
    run: () =>
      Promise.all(
        [
          undefined,
          {},
          "x",
          [7],
          [{ containerID: "c1" }],
          [{ ifname: "eth0" }],
          [{ containerID: "", ifname: "x" }],
        ].map((valid) => call("GC", { fields: { [VALID]: valid } })),
      ),
    also: () => expect(daemon.service.collected).toEqual([]),
  },
  {
    verb: "GC",
    condition: "the end of a lease cannot be written",
    code: 11,
    error: "ENID_STATE_WRITE_FAILED",
    run: () => {
      daemon.service.onCollect = () => Promise.reject(refusal());
      return call("GC", { fields: { [VALID]: [] } });
    },
  },
  {
    verb: "STATUS",
    condition: "ADD can be served",
    code: 0,
    run: () => call("STATUS", bare),
    also: ([run]) => expect(run?.stdout).toBe(""),
  },
  {
    verb: "STATUS",
    condition: "`cniVersion` is older than 1.1.0",
    code: 1,
    error: "ENID_CNI_VERB_VERSION",
    run: () => Promise.all(["0.3.1", "0.4.0", "1.0.0"].map((version) => call("STATUS", { version }))),
  },
  {
    verb: "STATUS",
    condition: "fewer addresses than `min-allocate`",
    code: 50,
    error: "ENID_NOT_READY",
    run: () => unready("ENID_NOT_READY", { available: 1, wanted: 10, reason: "throttled" }),
  },
  {
    verb: "STATUS",
    condition: "the daemon starts",
    code: 50,
    error: "ENID_STARTING",
    run: () => unready("ENID_STARTING", { waitingFor: "the state is being loaded" }),
  },
  {
    verb: "STATUS",
    condition: "pods that run may not be reached (host routes or BIRD), whether or not there are addresses",
    code: 51,
    error: "ENID_LIMITED",
    run: async () => {
      daemon.service.limitedBy = new EnidError("ENID_LIMITED", { reason: "the rules of 10.0.0.1 are missing" });
      const limited = await call("STATUS");
      return [limited, await unready("ENID_STARTING", { waitingFor: "EC2" })];
    },
    also: ([, both]) =>
      expect(both?.stdout).toContain(
        "the rules of 10.0.0.1 are missing; and no pod gets an address: the daemon is starting: EC2",
      ),
  },
  {
    verb: "STATUS",
    condition: "the daemon is away",
    code: 50,
    error: "ENID_DAEMON_UNREACHABLE",
    run: () => call("STATUS", { variables: away }),
  },
  {
    verb: "STATUS",
    condition: "the daemon does not answer in time",
    code: 50,
    error: "ENID_DAEMON_LATE",
    run: () => instead("STATUS", undefined),
  },
  {
    verb: "ADD, CHECK, GC",
    condition: "the daemon is away",
    code: 11,
    error: "ENID_DAEMON_UNREACHABLE",
    run: () => callEach(["ADD", "CHECK", "GC"], { variables: away }),
  },
  {
    verb: "ADD, CHECK, GC",
    condition: "the daemon does not answer in time",
    code: 11,
    error: "ENID_DAEMON_LATE",
    run: async () => [
      await instead("ADD", undefined),
      await instead("CHECK", undefined),
      await instead("GC", undefined),
    ],
  },
  {
    verb: "any but VERSION",
    condition: "what answers on the socket is not enid",
    code: 5,
    error: "ENID_DAEMON_STRANGE",
    run: async () => {
      const runs: PluginRun[] = [];
      for (const verb of ALL) runs.push(await instead(verb, "SSH-2.0-OpenSSH_9.2\r\n"));
      return runs;
    },
  },
  {
    verb: "VERSION",
    condition: "with a daemon and without, whatever standard input says",
    code: 0,
    run: () =>
      Promise.all(
        [{}, away].flatMap((variables) => [
          call("VERSION", { variables, stdin: '{"cniVersion":"1.0.0"}' }),
          call("VERSION", { variables, version: "1.0.0" }),
        ]),
      ),
    also: (runs) => {
      const supportedVersions = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"];
      for (const { stdout } of runs) expect(JSON.parse(stdout)).toEqual({ cniVersion: "1.0.0", supportedVersions });
    },
  },
];

/** What a runtime sets for verbs that are about no container. */
const bare = {
  variables: { CNI_CONTAINERID: undefined, CNI_NETNS: undefined, CNI_IFNAME: undefined, CNI_ARGS: undefined },
};

function args(text: string): Call {
  return { variables: { CNI_ARGS: text } };
}

function failing(code: ErrorCode, values: Record<string, string | number>): Promise<PluginRun> {
  daemon.service.onAdd = () => Promise.reject(new EnidError(code, values));
  return call("ADD");
}

function unready(code: ErrorCode, values: Record<string, string | number>): Promise<PluginRun> {
  daemon.service.unready = new EnidError(code, values);
  return call("STATUS");
}

describe("the table of conformance", () => {
  it("is that of docs/cni.md", async () => {
    const document = await readFile(DOCUMENT, "utf8");
    const section = document.slice(document.indexOf("\n## Conformance\n")).split("\n## ")[1] ?? "";
    const lines = section.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| verb"));
    const documented = lines.map((line) => line.split(" | ").slice(0, 3).join(" | "));
    expect(documented).toEqual(ROWS.map(asLine));
  });

  it.each(ROWS.map((row) => [asLine(row), row] as const))("%s", async (_line, { code, error, run, also }) => {
    const result = await run();
    const runs: readonly PluginRun[] = Array.isArray(result) ? result : [result as PluginRun];
    for (const each of runs) {
      expect(each.stderr).toBe("");
      if (code === 0) {
        expect(each.exit, each.stdout).toBe(0);
        continue;
      }
      const { msg, details, ...rest } = errorOf(each);
      expect(rest, msg).toMatchObject({ code, cniVersion: expect.stringMatching(/^(0\.[2-4]|1\.[01])\.[01]$/) });
      expect(msg.split(":")[0]).toBe(error);
      expect(details).not.toBe("");
    }
    await also?.(runs);
  });
});

function asLine({ verb, condition, code, error }: Row): string {
  return `| ${verb} | ${condition} | ${code === 0 ? "success" : `${code} \`${error}\``}`;
}
