import { writeFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { startFakeDaemon, temporaryFolder } from "./fake-daemon.ts";
import { callEnid, ROOT, runEnid, startEnid } from "./run-enid.ts";

const VALID =
  '{ "cniVersion": "1.0.0", "name": "cilium", "type": "cilium-cni", "ipam": { "type": "enid-ipam", "min-allocate": 10 } }';

describe("enid without a command", () => {
  it("shows the help on standard error and fails as wrong usage", async () => {
    const { code, stdout, stderr } = await runEnid([]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("Usage: enid COMMAND");
  });

  it.each([["--help"], ["-h"], ["help"]])("shows the help for %s", async (argument) => {
    const { code, stdout, stderr } = await callEnid([argument]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("Usage: enid COMMAND");
  });

  it.each([["--version"], ["-V"], ["version"]])("shows the version for %s", async (argument) => {
    const { code, stdout } = await callEnid([argument]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^enid \d+\.\d+\.\d+ \(commit (?:[0-9a-f]{40}|unknown), build unknown, \w+-\w+, Node\.js v24\.\d+\.\d+\)\n$/,
    );
  });

  it("shows the help of a command for help COMMAND", async () => {
    expect((await callEnid(["help", "set"])).stdout).toBe((await callEnid(["set", "--help"])).stdout);
  });
});

describe("wrong usage", () => {
  it.each([
    [["statsu"], 'error ENID_USAGE: unknown command "statsu"; did you mean status?'],
    [["--jsn"], 'error ENID_USAGE: unknown flag "--jsn"'],
    [["constructor"], 'error ENID_USAGE: unknown command "constructor"'],
    [["status", "--jsn"], "error ENID_USAGE: unknown flag --jsn; did you mean --json?"],
    [["explain"], "error ENID_USAGE: POD|ADDRESS is missing"],
    [["simulator"], "error ENID_USAGE: --vpc FILE is missing"],
    [
      ["run", "--listen", "9610"],
      'error ENID_USAGE: --listen cannot be "9610"; allowed is ADDRESS:PORT such as 127.0.0.1:9610',
    ],
    [
      ["run", "--log-level", "loud"],
      'error ENID_USAGE: --log-level cannot be "loud"; allowed are debug, info, warn, error, silent',
    ],
    [
      ["set", "pre-alocate=4"],
      'error ENID_SETTING_UNKNOWN: no setting is called "pre-alocate"; did you mean pre-allocate?',
    ],
  ])("%j ends with exit code 2 and says what to do", async (args, message) => {
    const { code, stdout, stderr } = await callEnid(args);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr.split("\n")[0]).toBe(message);
    expect(stderr.split("\n")[1]).toMatch(/^ {2}(Run `enid .*--help`\.|`enid status --settings` lists)/);
  });

  it("is one JSON document on standard error with --json", async () => {
    const { code, stdout, stderr } = await runEnid(["status", "--json", "--socet", "x"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: "ENID_USAGE",
        message: "unknown flag --socet; did you mean --socket?",
        remedy: "Run `enid status --help`.",
      },
    });
  });
});

describe("enid validate", () => {
  it("answers 0 for valid files and shows what each says", async () => {
    const folder = await temporaryFolder();
    await writeFile(path.join(folder, "a.conf"), VALID);
    await writeFile(path.join(folder, "b.conf"), '{ "cniVersion": "1.0.0", "name": "cilium", "type": "cilium-cni" }');
    const { code, stdout } = await runEnid(["validate", "a.conf", "b.conf"], { cwd: folder });
    expect(code).toBe(0);
    expect(stdout).toBe(
      [
        "valid a.conf (a single network configuration, network cilium)",
        "  min-allocate  line 1  10",
        "",
        "valid b.conf (a single network configuration, network cilium)",
        "  says nothing about enid's settings: all defaults",
        '  notice b.conf:1:1: the file has none of "eni", "ipam", "bgp", "fleet" and "kubernetes": every setting has its default',
        "",
      ].join("\n"),
    );
  });

  it("answers 3 when one of several is invalid, with the place of every problem", async () => {
    const folder = await temporaryFolder();
    await writeFile(path.join(folder, "good.conf"), VALID);
    await writeFile(path.join(folder, "bad.conf"), VALID.replace("10", '"ten"'));
    const { code, stdout } = await callEnid([
      "validate",
      ...["bad.conf", "good.conf", "none.conf", ""].map((name) => path.join(folder, name)),
    ]);
    expect(code).toBe(3);
    expect(stdout).toMatch(
      /^invalid .*\/bad\.conf: 1 problem \(ENID_CONFIG_INVALID\)\n {2}.*\/bad\.conf:1:\d+ \/ipam\/min-allocate: /,
    );
    expect(stdout).toContain(`\nvalid ${path.join(folder, "good.conf")} `);
    expect(stdout).toContain(
      `\ninvalid configuration ${path.join(folder, "none.conf")} cannot be read: there is no such file`,
    );
    expect(stdout).toContain("it is a directory");
  });

  it("puts the caret under the column even in a line of a megabyte with control characters", async () => {
    const folder = await temporaryFolder();
    const text = `{ "name": "${"x".repeat(500_000)}",\t"ipam": { "type": "enid-ipam", "min-allocate": true } }`;
    await writeFile(path.join(folder, "long.conf"), text);
    const { code, stdout } = await callEnid(["validate", path.join(folder, "long.conf")]);
    expect(code).toBe(3);
    const excerpts = stdout.split("\n").filter((line) => line.startsWith("    | "));
    const caret = (excerpts[1] ?? "").indexOf("^");
    expect(excerpts[0]?.slice(caret, caret + 4)).toBe("true");
    expect(Math.max(...excerpts.map((line) => line.length))).toBeLessThan(120);
    expect(stdout).not.toContain("\t");
  });

  it("prints settings, facts and notices, or the error, as JSON", async () => {
    const folder = await temporaryFolder();
    await writeFile(path.join(folder, "good.conf"), VALID);
    await writeFile(path.join(folder, "bad.conf"), "{");
    const { code, stdout } = await callEnid([
      "validate",
      path.join(folder, "good.conf"),
      path.join(folder, "bad.conf"),
      "--json",
    ]);
    expect(code).toBe(3);
    const { files } = JSON.parse(stdout);
    expect(files[0]).toMatchObject({
      file: path.join(folder, "good.conf"),
      valid: true,
      network: "cilium",
      notices: [],
      facts: {},
    });
    expect(files[0].settings.values["min-allocate"]).toBe(10);
    expect(files[0].settings.origins["pre-allocate"]).toEqual({ kind: "default" });
    expect(files[1]).toMatchObject({
      file: path.join(folder, "bad.conf"),
      valid: false,
      error: { code: "ENID_CONFIG_SYNTAX" },
    });
  });
});

describe("the commands that ask the daemon", () => {
  it("end with exit code 4 and what to do when none answers", async () => {
    const socket = path.join(await temporaryFolder(), "enid.sock");
    for (const args of [["status"], ["plan"], ["explain", "shop/cart-0"]]) {
      const { code, stdout, stderr } = await callEnid([...args, "--socket", socket]);
      expect([code, stdout]).toEqual([4, ""]);
      expect(stderr).toContain(
        `error ENID_DAEMON_UNREACHABLE: no enid daemon answers on ${socket}: the socket does not exist\n`,
      );
      expect(stderr).toContain("Start it with `enid run`");
    }
  });

  it("show status, settings, leases and events of the daemon whose socket is in ENID_SOCKET", async () => {
    const { socket } = await startFakeDaemon();
    const env = { ENID_SOCKET: socket };
    const status = await runEnid(["status"], { env });
    expect([status.code, status.stderr]).toEqual([0, ""]);
    expect(status.stdout).toContain("enid 9.9.9, aws, up");
    expect(status.stdout).not.toContain("\u001b[");
    const parts = await callEnid(["status", "--settings", "--leases", "--events"], env);
    expect(parts.stdout).toContain("SETTING ");
    expect(parts.stdout).toContain("\n\nADDRESS ");
    expect(parts.stdout).toContain("state loaded");
    expect(parts.stdout).not.toContain("INTERFACE  INDEX");
    const json = JSON.parse((await callEnid(["status", "--json", "--leases"], env)).stdout);
    expect(json).toMatchObject({ version: "9.9.9", phase: "ready", leases: [{ address: "10.0.1.7" }] });
    expect(json.events).toBeUndefined();
  });

  it("plan and explain", async () => {
    const { socket } = await startFakeDaemon();
    const plan = await callEnid(["plan", "--waiting", "3", "--socket", socket]);
    expect([plan.code, plan.stdout.split("\n")[0]]).toEqual([0, "1 step with 3 pods waiting: 4 of 4 wanted addresses"]);
    const explained = await callEnid(["explain", "shop/cart-0", "--socket", socket]);
    expect([explained.code, explained.stdout.split("\n")[0]]).toEqual([0, "shop/cart-0 has 10.0.1.7 since its ADD."]);
    const unknown = await callEnid(["explain", "shop/none", "--socket", socket, "--json"]);
    expect(unknown.code).toBe(1);
    expect(JSON.parse(unknown.stderr).error).toMatchObject({
      code: "ENID_NOTHING_KNOWN",
      message: "nothing is known of shop/none",
    });
  });

  it("set and unset through the daemon, and leave the state alone", async () => {
    const { socket, manager } = await startFakeDaemon();
    const stateDir = path.join(await temporaryFolder(), "never-made");
    const flags = ["--socket", socket, "--state-dir", stateDir];
    const set = await runEnid(["set", "pre-allocate=8", ...flags]);
    expect(set).toEqual({ code: 0, stdout: "pre-allocate = 8 (override, set 2026-08-01T11:00:00Z)\n", stderr: "" });
    const unset = await callEnid(["unset", "min-allocate", "--json", ...flags]);
    expect(JSON.parse(unset.stdout)).toMatchObject({ name: "min-allocate", value: 10, writtenTo: "daemon" });
    expect(manager.told).toEqual(["set pre-allocate=8", "unset min-allocate"]);
    const refused = await callEnid(["set", "min-allocate=3", ...flags]);
    expect([refused.code, refused.stdout]).toEqual([2, ""]);
  });
});

describe("enid set without a daemon", () => {
  async function place() {
    const folder = await temporaryFolder();
    const stateDir = path.join(folder, "state");
    return { stateDir, flags: ["--socket", path.join(folder, "none.sock"), "--state-dir", stateDir] };
  }

  it("writes the override to the state and says when it counts; unset takes it back", async () => {
    const { stateDir, flags } = await place();
    const set = await runEnid(["set", "pre-allocate=16", ...flags]);
    expect([set.code, set.stderr]).toEqual([0, ""]);
    expect(set.stdout).toMatch(
      /^pre-allocate = 16 \(override, set .*\)\nno daemon answers on .*: written to the state in .*; it takes effect when enid starts\n$/,
    );
    const second = await callEnid(["set", "max-allocate=20", "--json", ...flags]);
    expect(JSON.parse(second.stdout)).toMatchObject({ name: "max-allocate", value: 20, writtenTo: "state" });
    const unset = await callEnid(["unset", "pre-allocate", "--json", ...flags]);
    expect(JSON.parse(unset.stdout)).toMatchObject({ name: "pre-allocate", value: 8, origin: { kind: "default" } });
    const conflict = await callEnid(["set", "min-allocate=21", ...flags]);
    expect(conflict.code).toBe(2);
    expect(conflict.stderr).toContain("max-allocate 20 (override) is below min-allocate 21 (override)");
    const database = new DatabaseSync(path.join(stateDir, "state.db"), { readOnly: true });
    expect(JSON.stringify(database.prepare("SELECT * FROM overrides").all())).toContain("max-allocate");
    expect(database.prepare("SELECT count(*) AS n FROM overrides").get()).toEqual({ n: 1 });
    database.close();
  });

  it("fails without a change when the state cannot be opened", async () => {
    const folder = await temporaryFolder();
    await writeFile(path.join(folder, "file"), "");
    const flags = ["--socket", path.join(folder, "none.sock"), "--state-dir", path.join(folder, "file")];
    const { code, stderr } = await callEnid(["set", "pre-allocate=16", ...flags]);
    expect(code).toBe(1);
    expect(stderr).toContain("error ENID_STATE_UNAVAILABLE");
  });
});

describe("enid plan against the cloud", () => {
  it("says which node metadata could not be read instead of planning for nothing", async () => {
    const folder = await temporaryFolder();
    await writeFile(path.join(folder, "a.conf"), VALID);
    const { code, stdout, stderr } = await callEnid(["plan", "--read-cni-conf", path.join(folder, "a.conf")]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain(
      "error ENID_METADATA_UNREACHABLE: instance metadata at http://127.0.0.1:9 does not answer",
    );
  });

  it("plans for a simulated node with describes only", async () => {
    const folder = await temporaryFolder();
    const configuration = { cniVersion: "1.0.0", name: "cilium", type: "cilium-cni" };
    const eni = { "subnet-tags": { "enid.io/pods": "true" }, "first-interface-index": 1 };
    await writeFile(
      path.join(folder, "a.conf"),
      JSON.stringify({ ...configuration, eni, ipam: { "min-allocate": 10 } }),
    );
    const model = path.join(ROOT, "src/simulator/examples/two-pod-subnets.json");
    const simulator = startEnid(["simulator", "--vpc", model, "--json"]);
    const { endpoint, instances } = await firstLine(simulator);
    const env = Object.values(instances)[0]?.environment ?? {};
    const { code, stdout, stderr } = await runEnid(
      ["plan", "--json", "--read-eni-configuration", path.join(folder, "a.conf")],
      { env },
    );
    expect([code, stderr]).toEqual([0, ""]);
    const report = JSON.parse(stdout);
    expect(report.plan).toMatchObject({ needed: 10, planned: 10 });
    expect(report.calls.flat().map((call: { action: string }) => call.action)).toContain("CreateNetworkInterface");
    const again = JSON.parse(
      (await callEnid(["plan", "--json", "--read-eni-configuration", path.join(folder, "a.conf")], env)).stdout,
    );
    expect(again.plan).toEqual(report.plan);
    const { counts } = (await (await fetch(`${endpoint}/_simulator/counts`)).json()) as {
      counts: Record<string, { isMutating: boolean }>;
    };
    expect(Object.keys(counts)).toContain("DescribeNetworkInterfaces");
    expect(Object.values(counts).filter(({ isMutating }) => isMutating)).toEqual([]);
    simulator.child.kill("SIGTERM");
    expect((await simulator.ended).code).toBe(0);
  });

  it("fails with the subnets seen when the file matches none", async () => {
    const folder = await temporaryFolder();
    const configuration = {
      cniVersion: "1.0.0",
      name: "cilium",
      type: "cilium-cni",
      eni: { "subnet-tags": { no: "where" } },
    };
    await writeFile(path.join(folder, "a.conf"), JSON.stringify(configuration));
    const model = path.join(ROOT, "src/simulator/examples/two-pod-subnets.json");
    const simulator = startEnid(["simulator", "--vpc", model, "--json"]);
    const env = Object.values((await firstLine(simulator)).instances)[0]?.environment ?? {};
    const { code, stdout, stderr } = await callEnid(
      ["plan", "--read-eni-configuration", path.join(folder, "a.conf")],
      env,
    );
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("error ENID_SUBNET_NO_MATCH");
    expect(stderr).toContain("subnet-0a000000000000002");
  });
});

describe("enid simulator", () => {
  it("prints shell lines for the chosen instance and ends with 0 at a signal", async () => {
    const model = path.join(ROOT, "src/simulator/examples/two-pod-subnets.json");
    const simulator = startEnid(["simulator", "--vpc", model, "--instance", "i-0a000000000000001"]);
    await waitFor(() => simulator.stdout().includes("AWS_REGION="));
    expect(simulator.stdout()).toMatch(/^export AWS_ENDPOINT_URL_EC2='http:\/\/127\.0\.0\.1:\d+'\n/);
    simulator.child.kill("SIGINT");
    expect((await simulator.ended).code).toBe(0);
  });

  it.each([
    [["--instance", "i-none"], 2, 'the model has no instance "i-none"; it has i-0a000000000000001'],
    [["--listen", "192.0.2.1:80"], 1, "error ENID_LISTEN_FAILED: cannot listen on 192.0.2.1:80"],
  ])("with %j fails and says why", async (args, exit, message) => {
    const model = path.join(ROOT, "src/simulator/examples/two-pod-subnets.json");
    const { code, stderr } = await callEnid(["simulator", "--vpc", model, ...args]);
    expect(code).toBe(exit);
    expect(stderr).toContain(message);
  });

  it("refuses a model that is not JSON, or not there", async () => {
    const folder = await temporaryFolder();
    await writeFile(path.join(folder, "model.json"), "{");
    for (const name of ["model.json", "none.json"]) {
      const { code, stderr } = await callEnid(["simulator", "--vpc", path.join(folder, name)]);
      expect(code).toBe(2);
      expect(stderr).toContain(`error ENID_SIMULATOR_MODEL: the model ${path.join(folder, name)} is not usable: `);
    }
  });
});

interface Endpoints {
  readonly endpoint: string;
  readonly instances: Record<string, { environment: Record<string, string> }>;
}

async function firstLine(running: { stdout(): string }): Promise<Endpoints> {
  await waitFor(() => running.stdout().includes("\n"));
  return JSON.parse(running.stdout().split("\n")[0] ?? "");
}

async function waitFor(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("waited 15 s in vain");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
