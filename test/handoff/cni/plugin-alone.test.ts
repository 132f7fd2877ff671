import { chmod, copyFile, mkdir, readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EnidError } from "../../../src/errors.ts";
import { CNI_VERSIONS } from "../../../src/handoff/cni/index.ts";
import {
  configuration,
  environment,
  errorOf,
  expectedError,
  makePlace,
  type Place,
  type PluginRun,
  pluginBinary,
  type RawServer,
  runPlugin,
  sanitizedBinary,
  startDaemon,
  startRawServer,
} from "./helpers.ts";

let place: Place;
let server: RawServer | undefined;

beforeEach(async () => {
  place = await makePlace();
  server = undefined;
});

afterEach(async () => {
  await server?.close();
  await place.remove();
});

/** All of this is run twice: as it is installed, and with the sanitizers that end it on any memory error. */
describe.each([
  ["as installed", pluginBinary],
  ["with sanitizers", sanitizedBinary],
])("the plugin %s", (_kind, build) => {
  let binary: string;

  beforeAll(() => {
    binary = build();
  }, 60_000);

  function call(verb: string, stdin: string | null = configuration(), more: Record<string, string> = {}) {
    return runPlugin(binary, {
      environment: { ...environment(verb), ENID_SOCKET: place.socket, ENID_TIMEOUT_MS: "5000", ...more },
      stdin,
    });
  }

  async function queued(): Promise<string[]> {
    return readdir(join(place.folder, "del-queue")).catch(() => []);
  }

  /** What each verb must end with when the daemon gave no answer for the reason `error`. */
  function expectUnanswered(runs: Readonly<Record<string, PluginRun>>, error: (verb: string) => EnidError): void {
    const { ADD, CHECK, GC, STATUS, VERSION, DEL } = runs as Record<string, PluginRun | undefined>;
    if (!ADD || !CHECK || !GC || !STATUS || !VERSION || !DEL) throw new Error("a verb was not run");
    expect(errorOf(ADD)).toEqual(expectedError(error("ADD"), 11, "0.4.0"));
    expect(errorOf(CHECK)).toEqual(expectedError(error("CHECK"), 11, "0.4.0"));
    expect(errorOf(GC)).toEqual(expectedError(error("GC"), 11, "0.4.0"));
    expect(errorOf(STATUS)).toEqual(expectedError(error("STATUS"), 50, "0.4.0"));
    expect(VERSION.exit).toBe(0);
    expect(JSON.parse(VERSION.stdout)).toEqual({ cniVersion: "0.4.0", supportedVersions: [...CNI_VERSIONS] });
    expect(DEL).toMatchObject({ exit: 0, stdout: "", stderr: "" });
  }

  async function callAll(more: Record<string, string> = {}): Promise<Record<string, PluginRun>> {
    const verbs = ["ADD", "CHECK", "GC", "STATUS", "VERSION", "DEL"];
    const runs = await Promise.all(verbs.map((verb) => call(verb, configuration("0.4.0"), more)));
    return Object.fromEntries(verbs.map((verb, index) => [verb, runs[index] as PluginRun]));
  }

  it("ends each verb as it must when no daemon listens", async () => {
    const detail = "No such file or directory";
    expectUnanswered(await callAll(), () => new EnidError("ENID_DAEMON_UNREACHABLE", { socket: place.socket, detail }));
    expect(await queued()).toHaveLength(1);
  });

  it("ends each verb as it must when the socket is a stale file", async () => {
    const daemon = await startRawServer(place.socket, () => {});
    await leaveStaleSocket(place.socket, daemon);
    expectUnanswered(
      await callAll(),
      () => new EnidError("ENID_DAEMON_UNREACHABLE", { socket: place.socket, detail: "Connection refused" }),
    );
  });

  it("ends each verb as it must when the daemon hangs", async () => {
    server = await startRawServer(place.socket, () => {});
    const runs = await callAll({ ENID_TIMEOUT_MS: "300" });
    expectUnanswered(runs, (verb) => new EnidError("ENID_DAEMON_LATE", { socket: place.socket, verb, waitedMs: 300 }));
    for (const run of Object.values(runs)) expect(run.durationMs).toBeGreaterThan(290);
  });

  it.each([
    ["at once", ""],
    ["in the middle of the header", "HTTP/1.1 200 OK\r\nContent-Le"],
    ["in the middle of the body", "HTTP/1.1 200 OK\r\nX-Enid-Exit: 0\r\nContent-Length: 10\r\n\r\nabc"],
  ])("ends each verb as it must when the daemon dies %s", async (_when, start) => {
    server = await startRawServer(place.socket, (connection) => {
      connection.once("data", () => connection.end(start));
    });
    expectUnanswered(
      await callAll(),
      () =>
        new EnidError("ENID_DAEMON_UNREACHABLE", {
          socket: place.socket,
          detail: "it closed the connection before its answer was complete",
        }),
    );
    expect(await queued()).toHaveLength(1);
  });

  it("answers locally that a verb is unknown or missing", async () => {
    expect(errorOf(await call("UPDATE"))).toEqual(expectedError(new EnidError("ENID_CNI_VERB", { verb: "UPDATE" }), 4));
    const hostile = `X"\\\u0007${"y".repeat(100)}`;
    expect(errorOf(await call(hostile)).msg).toContain('CNI_COMMAND X"\\\u0007yyy');
    expect(errorOf(await runPlugin(binary, { environment: { ENID_SOCKET: place.socket }, stdin: null }))).toEqual(
      expectedError(new EnidError("ENID_CNI_ENVIRONMENT", { variable: "CNI_COMMAND", detail: "is not set" }), 4),
    );
  });

  const ok = "HTTP/1.1 200 OK\r\n";
  it.each([
    ["garbage", "SSH-2.0-OpenSSH_9.2\r\n", "its answer is not HTTP/1.1"],
    ["HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n", "its answer is not HTTP/1.1"],
    ["no exit code", `${ok}Content-Length: 0\r\n\r\n`, 'its answer "HTTP/1.1 200 OK" has no header X-Enid-Exit'],
    [
      "another exit code",
      `${ok}X-Enid-Exit: 2\r\nContent-Length: 0\r\n\r\n`,
      "its header X-Enid-Exit is not one 0 or 1",
    ],
    ["two exit codes", `${ok}X-Enid-Exit: 0\r\nx-enid-exit: 1\r\n\r\n`, "its header X-Enid-Exit is not one 0 or 1"],
    ["no length", `${ok}X-Enid-Exit: 0\r\n\r\n`, "its answer has no Content-Length"],
    ["a length that is none", `${ok}X-Enid-Exit: 0\r\nContent-Length: -1\r\n\r\n`, "its Content-Length is not usable"],
    ["two lengths", `${ok}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, "its Content-Length is not usable"],
    ["a length of 12 digits", `${ok}Content-Length: 123456789012\r\n\r\n`, "its Content-Length is not usable"],
    [
      "chunks",
      `${ok}X-Enid-Exit: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      "its answer has a Transfer-Encoding",
    ],
    [
      "too much",
      `${ok}X-Enid-Exit: 0\r\nContent-Length: 1048577\r\n\r\n`,
      "its answer has 1048577 bytes, more than 1048576",
    ],
    ["a header without end", `${ok}${"X: y\r\n".repeat(5000)}`, "its header has more than 16384 bytes"],
    ["a long header", `${ok}X: ${"y".repeat(17_000)}\r\n\r\n`, "its header has more than 16384 bytes"],
  ])("refuses an answer that is not enid's: %s", async (_what, response, detail) => {
    server = await startRawServer(place.socket, (connection) => {
      connection.once("data", () => connection.write(response));
    });
    const error = expectedError(new EnidError("ENID_DAEMON_STRANGE", { socket: place.socket, detail }), 5);
    expect(errorOf(await call("ADD"))).toEqual(error);
    expect(errorOf(await call("DEL"))).toEqual(error);
    expect(await queued()).toEqual([]);
  });

  it("takes an answer in single bytes, with header names in any case", async () => {
    const body = '{"msg":"ü"}';
    const response = Buffer.from(
      `HTTP/1.1 500 Oops\r\nx-ENID-exit:1 \r\nCONTENT-LENGTH:\t${Buffer.byteLength(body)}\r\nA:\r\n\r\n${body}surplus`,
    );
    server = await startRawServer(place.socket, (connection) => {
      connection.setNoDelay(true);
      connection.once("data", async () => {
        for (const byte of response) await new Promise((resolve) => connection.write(Buffer.from([byte]), resolve));
      });
    });
    expect(await call("ADD")).toMatchObject({ exit: 1, stdout: body });
  });

  it("takes the largest answer allowed", async () => {
    const body = "x".repeat(1024 * 1024);
    server = await startRawServer(place.socket, (connection) => {
      const head = `${ok}X-Enid-Exit: 0\r\nContent-Length: ${body.length}\r\n\r\n`;
      connection.once("data", () => connection.write(head + body));
    });
    expect((await call("ADD")).stdout).toBe(body);
  });

  it("reads an answer that comes before the daemon has read the request", async () => {
    const body = '{"code":6}';
    server = await startRawServer(place.socket, (connection) => {
      connection.pause();
      connection.write(`HTTP/1.1 413 Large\r\nX-Enid-Exit: 1\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    });
    expect(await call("ADD", configuration("1.1.0", { filler: "f".repeat(900_000) }))).toMatchObject({
      exit: 1,
      stdout: body,
    });
  });

  it("refuses more than 1 MiB of standard input, and passes on exactly 1 MiB", async () => {
    const daemon = await startDaemon(place.socket);
    const limit = 1024 * 1024;
    const full = configuration().padEnd(limit, "\n");
    expect(await call("ADD", full)).toMatchObject({ exit: 0 });
    expect(errorOf(await call("ADD", `${full} `))).toEqual(
      expectedError(new EnidError("ENID_PLUGIN_INPUT", { detail: "has more than 1048576 bytes" }), 5),
    );
    await daemon.close();
  });

  it("does not wait for ever for the end of standard input", async () => {
    const run = await call("DEL", null, { ENID_TIMEOUT_MS: "100" });
    expect(errorOf(run)).toEqual(
      expectedError(new EnidError("ENID_PLUGIN_INPUT", { detail: "was not closed in time" }), 5),
    );
  });

  it("refuses a variable longer than 32 KiB and passes on one of exactly 32 KiB", async () => {
    const detail = "is longer than 32768 bytes";
    expect(errorOf(await call("ADD", undefined, { CNI_PATH: "p".repeat(32_769) }))).toEqual(
      expectedError(new EnidError("ENID_CNI_ENVIRONMENT", { variable: "CNI_PATH", detail }), 4),
    );
    expect(errorOf(await call("ADD", undefined, { CNI_PATH: "p".repeat(32_768) })).code).toBe(11);
  });

  it.each(["", "0", "9", "600001", "5s", "-5", " 50", "99999999999999999999"])(
    "takes no time limit of %j",
    async (value) => {
      const detail = "must be a whole number of milliseconds from 10 to 600000";
      const run = await call("ADD", undefined, { ENID_TIMEOUT_MS: value });
      const expected =
        value === ""
          ? new EnidError("ENID_DAEMON_UNREACHABLE", { socket: place.socket, detail: "No such file or directory" })
          : new EnidError("ENID_CNI_ENVIRONMENT", { variable: "ENID_TIMEOUT_MS", detail });
      expect(errorOf(run).msg).toBe(`${expected.code}: ${expected.message}`);
    },
  );

  it.each([
    ["relative/enid.sock", "it is not absolute"],
    [`/${"s".repeat(107)}`, "it is longer than 107 bytes"],
  ])("refuses the socket path %s", async (socket, detail) => {
    for (const verb of ["ADD", "DEL"]) {
      expect(errorOf(await call(verb, undefined, { ENID_SOCKET: socket }))).toEqual(
        expectedError(new EnidError("ENID_PLUGIN_SOCKET", { source: "ENID_SOCKET", detail }), 7),
      );
    }
  });

  it("finds the socket through the file beside the binary, since kubelet's environment is hard to set", async () => {
    const installed = join(place.folder, "opt", "enid-ipam");
    const file = join(place.folder, "opt", "enid-ipam.socket");
    await mkdir(dirname(installed));
    await copyFile(binary, installed);
    const daemon = await startRawServer(place.socket, (connection) => {
      connection.once("data", () => connection.end(`${ok}X-Enid-Exit: 0\r\nContent-Length: 5\r\n\r\nhello`));
    });
    server = daemon;
    const run = () => runPlugin(installed, { environment: environment("ADD"), stdin: configuration() });
    for (const line of [place.socket, `${place.socket}\n`, `${place.socket} \t\r\n# more\n`]) {
      await writeFile(file, line);
      expect(await run()).toMatchObject({ exit: 0, stdout: "hello" });
    }
    const source = "the file enid-ipam.socket";
    for (const [content, detail] of [
      ["\n", "it is empty"],
      ["enid.sock\n", "it is not absolute"],
      ["/x".repeat(3000), "it is longer than 107 bytes"],
    ] as const) {
      await writeFile(file, content);
      expect(errorOf(await run())).toEqual(expectedError(new EnidError("ENID_PLUGIN_SOCKET", { source, detail }), 7));
    }
  });

  it("looks for the socket in /run/enid when it is told nothing", async () => {
    const run = await runPlugin(binary, { environment: { CNI_COMMAND: "STATUS", ENID_TIMEOUT_MS: "1000" } });
    expect(errorOf(run).msg).toContain("no enid daemon answers on /run/enid/enid.sock: ");
  });

  it("keeps a queued deletion private and whole", async () => {
    const folder = join(place.folder, "deep", "er");
    await call("DEL", configuration("1.0.0"), { ENID_SOCKET: join(folder, "enid.sock") });
    const queue = join(folder, "del-queue");
    const [name, ...others] = await readdir(queue);
    expect(others).toEqual([]);
    expect(name).toMatch(/^[0-9a-f]{16}-\d{19}-\d+\.json$/);
    const mode = async (path: string) => (await stat(path)).mode & 0o777;
    expect(await mode(folder)).toBe(0o700);
    expect(await mode(queue)).toBe(0o700);
    expect(await mode(join(queue, name ?? ""))).toBe(0o600);
    const body = JSON.parse(await readFile(join(queue, name ?? ""), "utf8"));
    expect(body).toEqual({ environment: environment("DEL"), stdin: configuration("1.0.0") });
  });

  it("gives each queued deletion a file of its own", async () => {
    await Promise.all([call("DEL"), call("DEL"), call("DEL", undefined, { CNI_IFNAME: "eth1" })]);
    expect(new Set(await queued()).size).toBe(3);
  });

  it("fails DEL with code 11 when the queue cannot be written, so that the runtime tries again", async () => {
    await writeFile(join(place.folder, "del-queue"), "a file in the way");
    const folder = join(place.folder, "del-queue");
    expect(errorOf(await call("DEL"))).toEqual(
      expectedError(new EnidError("ENID_DELETION_QUEUE", { folder, detail: "Not a directory" }), 11),
    );
  });

  it("does not trust a queue folder that others may write to", async () => {
    const folder = join(place.folder, "del-queue");
    await mkdir(folder);
    await chmod(folder, 0o777);
    expect(errorOf(await call("DEL"))).toEqual(
      expectedError(new EnidError("ENID_DELETION_QUEUE", { folder, detail: "others may write to it" }), 11),
    );
    expect(await queued()).toEqual([]);
  });
});

/** Leaves a socket file that nobody listens on, as a killed daemon does. */
async function leaveStaleSocket(socket: string, daemon: RawServer): Promise<void> {
  await rename(socket, `${socket}.kept`); // the server removes its own path when it closes
  await daemon.close();
  await rename(`${socket}.kept`, socket);
}
