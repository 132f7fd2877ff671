/**
 * The AWS clients of Debian (packages awscli and python3-boto3) against the simulated cloud. They are needed: without
 * them these tests fail.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NODE, NODE_SUBNET, PRIMARY, type Running, running } from "./support.ts";

const execute = promisify(execFile);
const LIMIT_MS = 60_000;

let run: Running;
let home: string;
beforeAll(async () => {
  run = await running({ throttling: false });
  home = await mkdtemp(join(tmpdir(), "enid-simulator-clients-"));
});
afterAll(async () => {
  await run.close();
  await rm(home, { recursive: true, force: true });
});

/** Nothing of this machine's own AWS settings reaches a client. */
const environment = (more: Record<string, string> = {}) => ({
  PATH: "/usr/bin:/bin",
  HOME: home,
  AWS_CONFIG_FILE: "/dev/null",
  AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
  ...more,
});
const STATIC = { AWS_ACCESS_KEY_ID: "AKIATEST", AWS_SECRET_ACCESS_KEY: "test", AWS_DEFAULT_REGION: "eu-west-1" };

describe("boto3", () => {
  test("walks through every action, with credentials from instance metadata", { timeout: LIMIT_MS }, async () => {
    const script = new URL("./clients/walk.py", import.meta.url).pathname;
    const { stdout } = await execute("/usr/bin/python3", [script, run.simulator.endpoint, NODE_SUBNET, NODE], {
      env: environment({ AWS_EC2_METADATA_SERVICE_ENDPOINT: run.simulator.metadataEndpoint(NODE) }),
      timeout: LIMIT_MS,
    });
    expect(JSON.parse(stdout)).toEqual({
      arn: `arn:aws:sts::111122223333:assumed-role/enid-node/${NODE}`,
      created: ["pending", 3, [{ Key: "by", Value: "boto3" }]],
      assigned: 3,
      moved: [["explicit"], "InvalidParameterValue 400", true, true],
      described: ["in-use", true, true, 5],
      paginated: 5,
      instance: "m5.large",
      type: {
        MaximumNetworkInterfaces: 3,
        MaximumNetworkCards: 1,
        DefaultNetworkCardIndex: 0,
        NetworkCards: [{ NetworkCardIndex: 0, MaximumNetworkInterfaces: 3 }],
        Ipv4AddressesPerInterface: 10,
        Ipv6AddressesPerInterface: 10,
      },
      subnet: "10.0.0.0/24",
      vpcs: 2,
      groups: 4,
      tables: 2,
      tags: [["more", "tags"]],
      errors: [
        "InvalidParameterValue 400",
        "InvalidSubnetID.NotFound 400",
        "DryRunOperation 412",
        "ValidationError 400",
      ],
      role: "arn:aws:sts::111122223333:assumed-role/other/session",
    });
  });
});

describe("the AWS CLI", () => {
  const aws = async (...parameters: string[]): Promise<unknown> => {
    const all = ["--endpoint-url", run.simulator.endpoint, "--output", "json", ...parameters];
    const { stdout } = await execute("/usr/bin/aws", all, { env: environment(STATIC), timeout: LIMIT_MS });
    return stdout === "" ? undefined : JSON.parse(stdout);
  };

  test("assigns, describes page by page and reports errors by their code", { timeout: LIMIT_MS }, async () => {
    const addresses = ["--network-interface-id", PRIMARY, "--private-ip-addresses", "10.0.0.99"];
    expect(await aws("ec2", "assign-private-ip-addresses", ...addresses)).toMatchObject({
      NetworkInterfaceId: PRIMARY,
      AssignedPrivateIpAddresses: [{ PrivateIpAddress: "10.0.0.99" }],
    });
    const filters = "Name=addresses.private-ip-address,Values=10.0.0.99,10.0.0.11";
    const listed = await aws("ec2", "describe-network-interfaces", "--page-size", "5", "--filters", filters);
    const { NetworkInterfaces } = listed as { NetworkInterfaces: { NetworkInterfaceId: string }[] };
    expect(NetworkInterfaces.map((one) => one.NetworkInterfaceId)).toContain(PRIMARY);
    expect(NetworkInterfaces).toHaveLength(2);
    const refused = aws("ec2", "delete-network-interface", "--network-interface-id", PRIMARY);
    await expect(refused).rejects.toThrow(/InvalidParameterValue.*is currently in use/);
  });
});
