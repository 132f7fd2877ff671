import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import http from "node:http";
import { createServer } from "node:net";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { systemClock, systemRandom } from "../../src/adapters/index.ts";
import { daemonClient } from "../../src/cli/client.ts";
import type { DaemonStatus } from "../../src/cli/control-routes.ts";
import { type DaemonOptions, startDaemon } from "../../src/cli/daemon.ts";
import type { EnidError } from "../../src/errors.ts";
import { createAwsProvider } from "../../src/providers/aws/index.ts";
import { loadModel, type RunningSimulator, startSimulator } from "../../src/simulator/index.ts";
import { createLogger, createTelemetry } from "../../src/telemetry/index.ts";
import { temporaryFolder } from "./fake-daemon.ts";
import { ROOT, startEnid } from "./run-enid.ts";

const INSTANCE = "i-0a000000000000001";

interface World {
  readonly folder: string;
  readonly socket: string;
  readonly file: string;
  readonly simulator: RunningSimulator;
  /** Starts a daemon of this world; stopped at the end of the test. */
  start(changes?: Partial<DaemonOptions>): Promise<{ stop(): Promise<void>; lines: string[]; base: string }>;
  status(): Promise<DaemonStatus>;
}

/** A node of a simulated cloud, a configuration file, and folders of its own. */
async function world(): Promise<World> {
  const folder = await temporaryFolder();
  const model = path.join(ROOT, "src/simulator/examples/two-pod-subnets.json");
  const description = loadModel(JSON.parse(await readFile(model, "utf8")), model);
  const simulator = await startSimulator({ description, speed: 100 });
  onTestFinished(() => simulator.close());
  const file = path.join(folder, "enid.conf");
  await writeFile(file, configuration({ "min-allocate": 3 }));
  const socket = path.join(folder, "run/enid.sock");
  const status = () => daemonClient(socket, systemClock).request<DaemonStatus>("GET", "/v1/status");

  const start: World["start"] = async (changes = {}) => {
    const lines: string[] = [];
    const logger = createLogger({
      clock: systemClock,
      level: "debug",
      stream: { write: (line: string) => void lines.push(line) },
    });
    const telemetry = createTelemetry({ clock: systemClock, logger, version: "test" });
    const environment = simulator.environment(INSTANCE);
    const daemon = await startDaemon({
      configurationFile: file,
      stateDir: path.join(folder, "state"),
      socket,
      listen: { host: "127.0.0.1", port: 0 },
      bootId: "boot-1",
      pollMs: 50,
      createProvider: () => createAwsProvider({ clock: systemClock, random: systemRandom, telemetry, environment }),
      telemetry,
      clock: systemClock,
      random: systemRandom,
      ...changes,
    });
    let stopping: Promise<void> | undefined;
    const stop = () => {
      stopping ??= daemon.stop(1_000);
      return stopping;
    };
    onTestFinished(stop);
    return { stop, lines, base: `http://127.0.0.1:${daemon.listening?.port}` };
  };
  return { folder, socket, file, simulator, start, status };
}

function configuration(ipam: Record<string, number>): string {
  const eni = { "first-interface-index": 0, "subnet-tags": { "enid.io/pods": "true" } };
  return JSON.stringify({
    cniVersion: "1.0.0",
    name: "cilium",
    type: "cilium-cni",
    eni,
    ipam: { "pre-allocate": 2, "cooling-seconds": 0, ...ipam },
  });
}

/** What the plugin sends for a sandbox. */
function call(verb: string, containerId: string): { environment: Record<string, string>; stdin: string } {
  const environment = {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: "/proc/1/ns/net",
    CNI_IFNAME: "eth0",
    CNI_PATH: "/opt/cni/bin",
    CNI_ARGS: `K8S_POD_NAMESPACE=shop;K8S_POD_NAME=pod-${containerId}`,
  };
  return {
    environment,
    stdin: JSON.stringify({ cniVersion: "1.0.0", name: "cilium", type: "cilium-cni", ipam: { type: "enid-ipam" } }),
  };
}

/** The plugin's part: POST /cni; answers with its exit code and the printed JSON. */
function cni(
  socketPath: string,
  verb: string,
  containerId: string,
): Promise<{ exit: string; body: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const request = http.request({ socketPath, method: "POST", path: "/cni", headers, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () =>
        resolve({ exit: String(response.headers["x-enid-exit"]), body: text === "" ? {} : JSON.parse(text) }),
      );
    });
    request.on("error", reject);
    request.end(JSON.stringify(call(verb, containerId)));
  });
}

async function failure(promise: Promise<unknown>): Promise<EnidError> {
  return promise.then(
    () => Promise.reject(new Error("did not fail")),
    (error: EnidError) => error,
  );
}

const LONG = { timeout: 10_000, interval: 20 };

describe("a daemon", () => {
  it("serves pods, commands, health and metrics, and leaves nothing behind when it stops", async () => {
    const { socket, status, start } = await world();
    const { stop, base, lines } = await start();
    await expect.poll(async () => (await status()).phase, LONG).toBe("ready");
    expect((await stat(socket)).mode & 0o777).toBe(0o600);
    const added = await cni(socket, "ADD", "c1");
    expect([added.exit, added.body.ips]).toEqual([
      "0",
      [{ address: expect.stringMatching(/^100\.64\.0\.\d+\/24$/), gateway: "100.64.0.3" }],
    ]);
    expect((await status()).pool.leased).toBe(1);
    for (const target of ["/healthz", "/readyz"]) expect((await fetch(base + target)).status).toBe(200);
    const metrics = await (await fetch(`${base}/metrics`)).text();
    expect(metrics).toContain('enid_addresses{state="leased",family="ipv4"} 1\n');
    expect(metrics).toContain('enid_cni_duration_seconds_count{verb="ADD",outcome="ok"} 1\n');
    expect(metrics).toMatch(/^enid_ec2_calls_total\{action="CreateNetworkInterface",code="ok"\} \d$/m);
    await stop();
    expect(existsSync(socket)).toBe(false);
    await expect(fetch(`${base}/healthz`)).rejects.toThrow();
    expect(lines.join("")).not.toMatch(/simulated"|SIMULATED/);
  });

  it("keeps leases and overrides over a restart, and carries out the DELs that were queued meanwhile", async () => {
    const { socket, status, start, simulator } = await world();
    const first = await start();
    await expect.poll(async () => (await status()).phase, LONG).toBe("ready");
    const kept = await cni(socket, "ADD", "kept");
    await cni(socket, "ADD", "deleted");
    await daemonClient(socket, systemClock).request("PUT", "/v1/overrides", { assignment: "pre-allocate=3" });
    await first.stop();

    const queue = path.join(path.dirname(socket), "del-queue");
    await mkdir(queue, { recursive: true, mode: 0o700 });
    const name = `0123456789abcdef-${BigInt(Date.now() + 1_000) * 1_000_000n}-1.json`;
    await writeFile(path.join(queue, name), JSON.stringify(call("DEL", "deleted")));
    simulator.cloud.log.reset();

    const second = await start();
    // At once: the socket opens only after the queue was replayed.
    const report = await status();
    expect(report.settings.values["pre-allocate"]).toBe(3);
    expect(report.pool.leased).toBe(1);
    expect(second.lines.join("")).toContain("deletions-replayed");
    expect(await cni(socket, "ADD", "kept")).toEqual(kept);
  });

  it("applies a changed file and keeps the settings when it breaks", async () => {
    const { file, status, start } = await world();
    const { base } = await start();
    await expect.poll(async () => (await status()).phase, LONG).toBe("ready");
    const replace = async (text: string) => {
      await writeFile(`${file}.new`, text);
      await rename(`${file}.new`, file);
    };
    await replace(configuration({ "min-allocate": 5 }));
    await expect.poll(async () => (await status()).settings.values["min-allocate"], LONG).toBe(5);
    await expect.poll(async () => (await status()).pool.total, LONG).toBeGreaterThanOrEqual(5);
    await replace("{ broken");
    await expect.poll(async () => (await status()).configuration.error?.code, LONG).toBe("ENID_CONFIG_SYNTAX");
    const report = await status();
    expect(report.settings.values["min-allocate"]).toBe(5);
    expect(report.degraded.map(({ name }) => name)).toContain("configuration-rejected");
    const metrics = await (await fetch(`${base}/metrics`)).text();
    expect(metrics).toContain("enid_configuration_valid 0\n");
    expect(metrics).toContain("enid_configuration_rejected_total 1\n");
  }, 30_000);

  it("starts with a broken or missing file on the last valid one, and says so", async () => {
    const { file, status, start } = await world();
    await (await start()).stop();
    await writeFile(file, "{ broken");
    const { stop } = await start();
    expect((await status()).configuration).toMatchObject({
      source: "last-valid",
      error: { code: "ENID_CONFIG_SYNTAX" },
    });
    expect((await status()).settings.values["min-allocate"]).toBe(3);
    await stop();
    await start({ configurationFile: path.join(path.dirname(file), "none.conf") });
    expect((await status()).configuration.source).toBe("last-valid");
    expect((await status()).settings.values["min-allocate"]).toBe(3);
  });
});

describe("a daemon that cannot start", () => {
  it("says what is wrong with the file when the state has no earlier one, and leaves socket and state free", async () => {
    const { file, socket, start, status } = await world();
    await writeFile(file, '{ "ipam": { "min-allocate": "three" } }');
    expect((await failure(start())).code).toBe("ENID_CONFIG_INVALID");
    const missing = await failure(start({ configurationFile: `${file}.none` }));
    expect(missing.message).toBe(`no configuration: ${file}.none is missing and the state holds no earlier valid one`);
    expect(existsSync(socket)).toBe(false);
    await writeFile(file, configuration({}));
    await start();
    expect((await status()).configuration.source).toBe("file");
  });

  it("names the address that is taken, and leaves socket and state free", async () => {
    const { socket, start } = await world();
    const taken = createServer();
    const port = await new Promise<number>((resolve) => {
      taken.listen(0, "127.0.0.1", () => {
        const address = taken.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
    onTestFinished(() => void taken.close());
    const error = await failure(start({ listen: { host: "127.0.0.1", port } }));
    expect(error.code).toBe("ENID_LISTEN_FAILED");
    expect(error.message).toContain(`cannot listen on 127.0.0.1:${port}: `);
    expect(existsSync(socket)).toBe(false);
    await start({ listen: undefined });
    expect(existsSync(socket)).toBe(true);
  });

  it("leaves the daemon alone that has the state", async () => {
    const { folder, start, status } = await world();
    await start();
    const error = await failure(start({ socket: path.join(folder, "other/enid.sock") }));
    expect(error.code).toBe("ENID_STATE_LOCKED");
    expect((await status()).version).toMatch(/^\d+\.\d+\.\d+$/);
  });
});

describe("the process enid run", () => {
  async function runDaemon(args: readonly string[] = []) {
    const { folder, file, socket, simulator } = await world();
    const flags = ["--state-dir", path.join(folder, "state"), "--socket", socket, "--listen", "127.0.0.1:0"];
    const env = { ...simulator.environment(INSTANCE), ENID_BOOT_ID: "boot-1" };
    const running = startEnid(["run", "--read-cni-conf", file, ...flags, ...args], { env });
    return { running, socket };
  }

  it("stops with 0 at SIGTERM, logs JSON lines alone, and no credentials", async () => {
    const { running, socket } = await runDaemon(["--log-level", "debug"]);
    await expect.poll(() => running.stderr(), LONG).toContain("CreateNetworkInterface ok");
    running.child.kill("SIGTERM");
    const { code, stdout, stderr } = await running.ended;
    expect([code, stdout]).toEqual([0, ""]);
    const lines = stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { event?: string });
    expect(lines[0]?.event).toBe("starting");
    expect(lines.at(-1)?.event).toBe("stopped");
    expect(stderr).not.toMatch(/AKIASIMULATED|"simulated"/);
    expect(existsSync(socket)).toBe(false);
  });

  it("stops also when the signal comes while it starts", async () => {
    const { running } = await runDaemon();
    await expect.poll(() => running.stderr(), LONG).toContain('"starting"');
    running.child.kill("SIGINT");
    expect((await running.ended).code).toBe(0);
  });

  it("ends at once at a second signal while the first one waits for what runs", async () => {
    const { folder, file, socket } = await world();
    // Metadata that accepts and never answers: identifying the node is under way when the signals come.
    const silent = createServer(() => {});
    const port = await new Promise<number>((resolve) => {
      silent.listen(0, "127.0.0.1", () => {
        const address = silent.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
    onTestFinished(() => void silent.close());
    const flags = ["--state-dir", path.join(folder, "state"), "--socket", socket, "--listen", "off"];
    const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://127.0.0.1:${port}` };
    const { child, ended, stderr } = startEnid(["run", "--read-cni-conf", file, ...flags], { env });
    await expect.poll(stderr, LONG).toContain('"listening"');
    child.kill("SIGTERM");
    await expect.poll(stderr, LONG).toContain('"stopping"');
    child.kill("SIGTERM");
    expect((await ended).code).toBe(1);
    expect(stderr()).toContain('"stopped-at-once"');
    expect(stderr()).not.toContain('"stopped"');
  });

  it.each([
    ["an exception", "throw new Error('out of order')", "uncaughtException"],
    ["a rejection", "void Promise.reject(new Error('out of order'))", "unhandledRejection"],
  ])("ends with 1 at %s that nobody caught, and logs it first", (_what, fault, origin) => {
    const script = `
      import { exitOnCrash } from "./src/cli/crash.ts";
      import { systemClock } from "./src/adapters/index.ts";
      import { createLogger, createTelemetry, standardError } from "./src/telemetry/index.ts";
      const logger = createLogger({ clock: systemClock, level: "info", stream: await standardError(false) });
      exitOnCrash(createTelemetry({ clock: systemClock, logger, version: "test" }));
      setTimeout(() => { ${fault}; }, 1);
      setTimeout(() => {}, 60_000);`;
    const ended = spawnSync(process.execPath, ["--input-type=module-typescript", "-e", script], { cwd: ROOT });
    expect(ended.status).toBe(1);
    expect(JSON.parse(ended.stderr.toString())).toMatchObject({
      level: "error",
      event: "crashed",
      origin,
      err: { message: "out of order" },
      msg: "crashed: internal error: out of order",
    });
  });

  it("ends with the error's exit code and remedy when it cannot start", async () => {
    const folder = await temporaryFolder();
    await writeFile(path.join(folder, "bad.conf"), "{");
    const flags = [
      "--state-dir",
      path.join(folder, "state"),
      "--socket",
      path.join(folder, "run/enid.sock"),
      "--listen",
      "off",
    ];
    const { code, stderr } = await startEnid(["run", "--read-cni-conf", path.join(folder, "bad.conf"), ...flags]).ended;
    expect(code).toBe(3);
    expect(stderr).toContain("\nerror ENID_CONFIG_SYNTAX: configuration ");
  });
});
