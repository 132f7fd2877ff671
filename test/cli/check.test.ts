import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type RunningSimulator, startSimulator } from "../../src/simulator/index.ts";
import { temporaryFolder } from "./fake-daemon.ts";
import { callEnid, runEnid } from "./run-enid.ts";

const INSTANCE = "i-0a000000000000001";
const PRIMARY = "eni-0a000000000000001";
const VPC = "vpc-0a000000000000001";

let simulator: RunningSimulator;
let environment: Record<string, string>;
beforeEach(async () => {
  simulator = await startSimulator({
    description: {
      region: "eu-central-1",
      account: "123456789012",
      vpcs: [{ id: VPC, cidrs: ["10.64.0.0/16"] }],
      subnets: [{ id: "subnet-0a000000000000001", vpc: VPC, cidr: "10.64.0.0/24", zone: "eu-central-1a" }],
      securityGroups: [{ id: "sg-0a000000000000001", vpc: VPC, name: "nodes" }],
      instances: [
        {
          id: INSTANCE,
          type: "m5.large",
          subnet: "subnet-0a000000000000001",
          primaryInterface: PRIMARY,
          primaryAddress: "10.64.0.10",
          securityGroups: ["sg-0a000000000000001"],
        },
      ],
      settings: { speed: 100, describeLagMs: 0, metadataLagMs: 0 },
    },
  });
  environment = simulator.environment(INSTANCE);
});
afterEach(() => simulator.close());

describe("enid check permissions", () => {
  it("ends with 0 where every call is allowed, and shows a line for each", async () => {
    const { code, stdout, stderr } = await runEnid(["check", "permissions"], { env: environment });
    expect([code, stderr]).toEqual([0, ""]);
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toBe(`${INSTANCE} in eu-central-1, ${VPC}`);
    expect(lines.slice(1, -1).every((line) => line.startsWith("  allowed  "))).toBe(true);
    expect(lines.at(-1)).toBe("15 actions: 15 allowed");
    expect(stdout).toContain("AssignIpv6Addresses");
    expect(stdout).toContain("only needed for ip-families ipv6 or dual");
    expect(simulator.cloud.log.calls().filter((call) => call.isMutating && call.hadEffect)).toEqual([]);
  });

  it("ends with 1 where one is denied, and names the statement", async () => {
    simulator.cloud.deny(["AssignPrivateIpAddresses"]);
    const { code, stdout } = await callEnid(["check", "permissions"], environment);
    expect(code).toBe(1);
    const lines = stdout.trimEnd().split("\n");
    const at = lines.findIndex((line) => line.startsWith("  denied   AssignPrivateIpAddresses"));
    expect(lines[at]).toContain(PRIMARY);
    expect(lines[at + 1]).toBe(
      "           statement ChangeAddresses for interfaces is missing, or its condition does not hold: it is in the VPC of the statement",
    );
    expect(lines.slice(-2)).toEqual([
      "15 actions: 14 allowed, 1 denied",
      "deploy/iam/enid-node.json has the statements; docs/permissions.md explains them.",
    ]);
  });

  it("counts what the configuration needs", async () => {
    simulator.cloud.deny(["AssignIpv6Addresses"]);
    const without = await callEnid(["check", "permissions"], environment);
    expect(without.code).toBe(0);
    expect(without.stdout).toContain("15 actions: 14 allowed, 1 denied");
    const file = path.join(await temporaryFolder(), "dual.conf");
    const conf = {
      cniVersion: "1.0.0",
      name: "n",
      type: "cilium-cni",
      ipam: { type: "enid-ipam", "ip-families": "dual" },
    };
    await writeFile(file, JSON.stringify(conf));
    const dual = await callEnid(["check", "permissions", "--config", file], environment);
    expect([dual.code, dual.stderr]).toEqual([1, ""]);
    expect(dual.stdout).toContain("  needed for ip-families ipv6 or dual");
  });

  it("answers with one JSON document", async () => {
    simulator.cloud.deny(["DescribeSubnets"]);
    const { code, stdout } = await callEnid(["check", "permissions", "--json"], environment);
    const report = JSON.parse(stdout);
    expect(code).toBe(1);
    expect(report).toMatchObject({ granted: false, instanceId: INSTANCE, region: "eu-central-1", vpcId: VPC });
    expect(report.checks).toHaveLength(15);
    expect(report.checks[0]).toEqual({
      action: "DescribeSubnets",
      verdict: "denied",
      needed: true,
      neededFor: "always",
      on: VPC,
      statements: ["Look"],
      detail: "statement Look is missing",
    });
    expect(report.notes).toHaveLength(1);
  });

  it("says what is wrong where nothing can be tried", async () => {
    const { code, stdout, stderr } = await callEnid(["check", "permissions"]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^error ENID_METADATA_UNREACHABLE: /);
    const missing = await callEnid(["check", "permissions", "--config", "/nonexistent/enid.conf"], environment);
    expect([missing.code, missing.stderr.split(":")[0]]).toEqual([3, "error ENID_CONFIG_UNREADABLE"]);
  });

  it("knows nothing else to check", async () => {
    const { code, stderr } = await callEnid(["check", "weather"]);
    expect(code).toBe(2);
    expect(stderr.split("\n")[0]).toBe('error ENID_USAGE: "weather" cannot be checked; allowed is permissions');
  });
});
