import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "./fake-daemon.ts";
import { callEnid } from "./run-enid.ts";

const SMALL = {
  name: "small",
  description: "Five nodes start <b>",
  seed: 42,
  hours: 1,
  nodes: [{ count: 5, type: "m5.xlarge" }],
  subnets: [{ cidr: "10.64.0.0/20" }],
  settings: { ipam: { "min-allocate": 14, "pre-allocate": 0 } },
};

async function scenarioFile(scenario: unknown = SMALL): Promise<string> {
  const file = path.join(await temporaryFolder(), "small.json");
  await writeFile(file, typeof scenario === "string" ? scenario : JSON.stringify(scenario));
  return file;
}

describe("enid simulate --seeds", () => {
  it("runs real worlds in threads; the answer does not depend on how many", async () => {
    const line = ["simulate", "--seeds", "1..3", "--nodes", "1", "--hours", "1", "--json"];
    const [one, two] = [await callEnid([...line, "--workers", "1"]), await callEnid([...line, "--workers", "2"])];
    expect([one.code, one.stderr]).toEqual([0, ""]);
    expect(two).toEqual(one);
    const report = JSON.parse(one.stdout);
    expect(report).toMatchObject({ seeds: 3, violations: [], hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(report.simulatedHours).toBeGreaterThanOrEqual(3);
    expect(report.ec2Calls.DescribeSubnets).toBeGreaterThan(0);
  }, 60_000);

  it("prints version, commit, parameters, and for one seed all that was drawn from it", async () => {
    const line = ["simulate", "--seeds", "7", "--nodes", "2", "--hours", "1", "--faults", "crash,ec2-slow"];
    const { code, stdout, stderr } = await callEnid([...line, "--only", "1", "--until-seconds", "3000"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(
      /^enid \d+\.\d+\.\d+, commit [0-9a-f]{40}\nseed 7: 2 nodes x 1 h, faults crash, ec2-slow, 1 worker\n/,
    );
    expect(stdout).toMatch(/^ +FAULT +AT +WHERE +KIND\n +1 +0:\d\d:\d\d\.\d{3}.* (?:crash|ec2-slow) /m);
    expect(stdout).toMatch(/^hash +[0-9a-f]{64}\nno violation$/m);
  }, 60_000);

  it("tells the story of one machine", async () => {
    const line = ["simulate", "--seeds", "7", "--nodes", "2", "--hours", "1", "--faults", "none", "--trace", "node-1"];
    const { code, stdout } = await callEnid(line);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^0:\d\d:\d\d\.\d{3} {2}node-1 +\w+ /m);
    expect(stdout).not.toMatch(/^0:\d\d:\d\d\.\d{3} {2}node-2 /m);
  }, 60_000);
});

describe("enid simulate --scenario", () => {
  it("prints the figures of the policies side by side and writes the report in the place of an older one", async () => {
    const file = await scenarioFile();
    const report = path.join(path.dirname(file), "report.html");
    await writeFile(report, "an older report");
    const line = ["simulate", "--scenario", file, "--policy", "enid,oracle", "--report", report];
    const { code, stdout, stderr } = await callEnid(line);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^ +enid +oracle$/m);
    expect(stdout).toMatch(/^nodes ready +5 of 5 +5 of 5$/m);
    expect(stdout).toMatch(/^ {2}bound \[s\] +[\d.]+ +[\d.]+$/m);
    const page = await readFile(report, "utf8");
    expect(page).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
    expect(page).toContain("<h1>small</h1>");
    expect(page).toContain("Five nodes start &lt;b&gt;");
    expect(page).toContain("<dt>seed</dt><dd>42</dd>");
    expect((await readdir(path.dirname(file))).toSorted()).toEqual(["report.html", "small.json"]);
  }, 60_000);

  it("with --json is one report for one policy, and an array with their names for several", async () => {
    const file = await scenarioFile();
    const one = await callEnid(["simulate", "--scenario", file, "--json"]);
    expect([one.code, one.stderr]).toEqual([0, ""]);
    const report = JSON.parse(one.stdout);
    expect(report).toMatchObject({ seeds: 1, violations: [], simulatedHours: 5 });
    expect("policy" in report).toBe(false);
    const line = ["simulate", "--scenario", file, "--policy", "enid,oracle", "--json", "--workers", "2"];
    const several = JSON.parse((await callEnid(line)).stdout);
    expect(several.map(({ policy }: { policy: string }) => policy)).toEqual(["enid", "oracle"]);
    expect(several[0]).toEqual({ policy: "enid", ...report });
  }, 60_000);
});

describe("enid simulate refuses", () => {
  it.each([
    [[], "one of --seeds FROM..TO and --scenario FILE is needed"],
    [["--seeds", "1", "--scenario", "x"], "one of --seeds FROM..TO and --scenario FILE is needed"],
    [["--seeds", "1", "--policy", "all"], "--policy is not for --seeds"],
    [["--scenario", "x", "--faults", "none"], "--faults is not for --scenario"],
    [["--seeds", "1..2", "--trace", "node-1"], "--trace is for one seed: --seeds 1"],
    [["--seeds", "1", "--faults", "fire"], '--faults knows no "fire"; '],
    [["--seeds", "1", "--nodes", "51"], '--nodes cannot be "51"; allowed is a whole number from 1 to 50'],
  ])("%j as wrong usage", async (flags, message) => {
    const { code, stdout, stderr } = await callEnid(["simulate", ...flags]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(`error ENID_USAGE: ${message}`);
  });

  it("a policy that is not there, and says which are", async () => {
    const { code, stderr } = await callEnid(["simulate", "--scenario", await scenarioFile(), "--policy", "enid,orcle"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('--policy knows no "orcle"; did you mean oracle?')]);
  });

  it.each(["{", "none.json"])("a scenario that is no JSON or not there: %s", async (text) => {
    const file = text === "{" ? await scenarioFile("{") : path.join(await temporaryFolder(), text);
    const { code, stderr } = await callEnid(["simulate", "--scenario", file]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(`error ENID_SCENARIO_INVALID: the scenario ${file}`)]);
  });

  it("a report that cannot be written, before anything is simulated", async () => {
    const folder = await temporaryFolder();
    await mkdir(path.join(folder, "taken"));
    for (const name of ["taken", "none/report.html"]) {
      const report = path.join(folder, name);
      const line = ["simulate", "--scenario", await scenarioFile(), "--report", report];
      const { code, stdout, stderr } = await callEnid(line);
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toContain(`error ENID_SIMULATION_REPORT: the report ${report} cannot be written: `);
    }
  });
});
