import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildDaemon } from "../../scripts/build.ts";

const folder = mkdtempSync(join(tmpdir(), "enid-bundle-"));
let launcher: string;
let code: string;

beforeAll(async () => {
  [launcher] = await buildDaemon(join(folder, "dist"));
  const files = readdirSync(join(folder, "dist"), { recursive: true, encoding: "utf8" });
  code = files
    .filter((file) => file.endsWith(".mjs"))
    .map((file) => readFileSync(join(folder, "dist", file), "utf8"))
    .join("\n");
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(program: string, ...args: string[]) {
  // The Node that runs the tests, and nothing of the checkout.
  const env = { PATH: "/usr/bin:/bin", ENID_NODE: process.execPath };
  return spawnSync(program, args, { env, cwd: folder, encoding: "utf8", timeout: 30_000 });
}

describe("the bundle", () => {
  it("runs away from the checkout, also through a link", () => {
    const link = join(folder, "enid");
    symlinkSync(launcher, link);
    for (const program of [launcher, link]) {
      expect(run(program, "version")).toMatchObject({
        status: 0,
        stderr: "",
        stdout: expect.stringMatching(/^enid \d/),
      });
    }
  });

  it("brings schemas and tables along", () => {
    expect(run(launcher, "validate", join(folder, "missing.conf"))).toMatchObject({ status: 3 });
    expect(run(launcher, "run", "--help")).toMatchObject({ status: 0 });
    expect(code).toContain("c5.18xlarge");
  });

  it("simulates in worker threads and writes the report, with the commit that it was built from", () => {
    const seed = run(launcher, "simulate", "--seeds", "1..2", "--nodes", "1", "--hours", "1", "--faults", "none");
    expect(seed).toMatchObject({ status: 0, stderr: "" });
    expect(seed.stdout).toMatch(/^enid \d+\.\d+\.\d+, commit (?:[0-9a-f]{40}|unknown)\n/);
    const scenario = {
      name: "two",
      description: "Two nodes.",
      hours: 1,
      nodes: [{ count: 2, type: "m5.large" }],
      subnets: [{ cidr: "10.64.0.0/24" }],
    };
    writeFileSync(join(folder, "two.json"), JSON.stringify(scenario));
    const capacity = run(launcher, "simulate", "--scenario", "two.json", "--report", "two.html");
    expect(capacity).toMatchObject({ status: 0, stderr: "" });
    expect(readFileSync(join(folder, "two.html"), "utf8")).toContain("var uPlot=");
  }, 60_000);

  it("holds the descriptions of the EC2 operations that enid calls, not of the 700 others", () => {
    expect(code).toContain('"AssignPrivateIpAddresses"');
    expect(code).not.toMatch(/VpnConnection|TransitGateway|ReservedInstances/);
  });

  it("passes the flags that keep it small", () => {
    const text = readFileSync(launcher, "utf8");
    for (const flag of ["--max-semi-space-size=1", "--optimize-for-size", "--no-concurrent-recompilation"]) {
      expect(text).toContain(flag);
    }
  });
});
