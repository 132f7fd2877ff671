import {
  CreateNetworkInterfaceCommand,
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  EC2Client,
} from "@aws-sdk/client-ec2";
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadModel, type SimulatedCloud } from "../../src/simulator/index.ts";
import {
  ACCOUNT,
  CARDS_NODE,
  DUAL_NODE,
  DUAL_PRIMARY,
  DUAL_SUBNET,
  fullJson,
  fullModel,
  OTHER_ACCOUNT,
  OTHER_KEY,
  OTHER_NODE,
  OTHER_PRIMARY,
  OTHER_SUBNET,
} from "./full-model.ts";
import { errorOf, laboratory, type Running, refusalOf, running } from "./support.ts";

let run: Running;
let other: EC2Client;
let otherSts: STSClient;
beforeEach(async () => {
  run = await running({}, { maxAttempts: 1 }, fullModel());
  const configuration = {
    endpoint: run.simulator.endpoint,
    region: "eu-west-1",
    credentials: { accessKeyId: OTHER_KEY, secretAccessKey: "test" },
    maxAttempts: 1,
  };
  other = new EC2Client(configuration);
  otherSts = new STSClient(configuration);
});
afterEach(async () => {
  other.destroy();
  otherSts.destroy();
  await run.close();
});

const idsOf = async (client: EC2Client) => {
  const { Reservations = [] } = await client.send(new DescribeInstancesCommand({}));
  return Reservations.flatMap((one) => one.Instances ?? []).map((one) => one.InstanceId);
};

describe("each account", () => {
  test("sees only its own", async () => {
    expect((await idsOf(run.ec2)).toSorted()).toEqual([DUAL_NODE, CARDS_NODE].toSorted());
    expect(await idsOf(other)).toEqual([OTHER_NODE]);
    const foreign = other.send(new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [DUAL_PRIMARY] }));
    expect((await errorOf(foreign)).name).toBe("InvalidNetworkInterfaceID.NotFound");
    const elsewhere = other.send(new CreateNetworkInterfaceCommand({ SubnetId: DUAL_SUBNET }));
    expect((await errorOf(elsewhere)).name).toBe("InvalidSubnetID.NotFound");
    const { Subnets } = await other.send(new DescribeSubnetsCommand({}));
    expect(Subnets).toMatchObject([{ SubnetId: OTHER_SUBNET, OwnerId: OTHER_ACCOUNT }]);
    expect((await otherSts.send(new GetCallerIdentityCommand({}))).Account).toBe(OTHER_ACCOUNT);
    expect((await run.sts.send(new GetCallerIdentityCommand({}))).Account).toBe(ACCOUNT);
  });

  test("is reached by a role of it, and by the environment of its instances", async () => {
    const { Credentials } = await run.sts.send(
      new AssumeRoleCommand({ RoleArn: `arn:aws:iam::${OTHER_ACCOUNT}:role/node`, RoleSessionName: "session" }),
    );
    for (const accessKeyId of [
      Credentials?.AccessKeyId ?? "",
      run.simulator.environment(OTHER_NODE).AWS_ACCESS_KEY_ID ?? "",
    ]) {
      const credentials = { accessKeyId, secretAccessKey: "simulated" };
      const client = new EC2Client({ endpoint: run.simulator.endpoint, region: "eu-west-1", credentials });
      expect(await idsOf(client)).toEqual([OTHER_NODE]);
      client.destroy();
    }
  });

  test("has token buckets of its own", async () => {
    run.simulator.cloud.changeSettings({ buckets: { DescribeSubnets: { capacity: 2, refillPerSecond: 0 } } });
    const ask = (client: EC2Client) => client.send(new DescribeSubnetsCommand({ SubnetIds: [] }));
    await ask(run.ec2);
    await ask(run.ec2);
    expect(await errorOf(ask(run.ec2))).toMatchObject({ name: "RequestLimitExceeded", status: 503 });
    await ask(other);
    expect(run.simulator.cloud.log.calls().map((call) => call.account)).toEqual([
      ACCOUNT,
      ACCOUNT,
      ACCOUNT,
      OTHER_ACCOUNT,
    ]);
    run.simulator.cloud.changeSettings({ throttling: false });
    await ask(run.ec2);
  });

  test("has its own state behind the control endpoint, which finds the account by the id", async () => {
    const { cloud } = run.simulator;
    expect(cloud.accounts().map((one) => one.account)).toEqual([ACCOUNT, OTHER_ACCOUNT]);
    cloud.occupy(OTHER_SUBNET, 7);
    expect(cloud.truth(OTHER_ACCOUNT).subnets).toMatchObject([{ id: OTHER_SUBNET, usedByOthers: 7 }]);
    const launched = cloud.launch({ type: "m5.large", subnet: OTHER_SUBNET });
    expect(cloud.truth(OTHER_ACCOUNT).instances.map((one) => one.id)).toContain(launched.id);
    cloud.foreignCall("AssignPrivateIpAddresses", {
      NetworkInterfaceId: OTHER_PRIMARY,
      SecondaryPrivateIpAddressCount: 2,
    });
    const primary = cloud.truth(OTHER_ACCOUNT).interfaces.find((one) => one.id === OTHER_PRIMARY);
    expect(primary?.secondaryAddresses).toHaveLength(2);
    expect(() => cloud.truth("000000000000")).toThrow(RangeError);
  });

  test("can be hit by faults of its own", async () => {
    run.simulator.cloud.faults.add({
      action: "*",
      account: OTHER_ACCOUNT,
      effect: { kind: "error", code: "InternalError" },
      times: "unlimited",
    });
    expect((await idsOf(run.ec2)).length).toBe(2);
    expect((await errorOf(idsOf(other))).name).toBe("InternalError");
  });
});

describe("permissions", () => {
  const create = (DryRun: boolean) =>
    run.ec2.send(new CreateNetworkInterfaceCommand({ SubnetId: DUAL_SUBNET, DryRun }));
  const count = () => run.simulator.cloud.truth().interfaces.length;

  test("let a dry run say yes with 412 and no with 403, and change nothing", async () => {
    const before = count();
    expect(await errorOf(create(true))).toMatchObject({ name: "DryRunOperation", status: 412 });
    run.simulator.cloud.deny(["CreateNetworkInterface"]);
    expect(await errorOf(create(true))).toMatchObject({ name: "UnauthorizedOperation", status: 403 });
    const refused = await errorOf(create(false));
    expect(refused).toMatchObject({ name: "UnauthorizedOperation", status: 403 });
    expect(refused.message).toBe(
      `You are not authorized to perform this operation. User: arn:aws:iam::${ACCOUNT}:user/simulated is not authorized ` +
        `to perform: ec2:CreateNetworkInterface on resource: arn:aws:ec2:eu-west-1:${ACCOUNT}:network-interface/* ` +
        "because no identity-based policy allows the ec2:CreateNetworkInterface action. " +
        "Encoded authorization failure message: simulated",
    );
    expect(count()).toBe(before);
    run.simulator.cloud.deny([]);
    await create(false);
    expect(count()).toBe(before + 1);
  });

  test("are those of one account, by name or by the beginning of it, and bind no foreign hand", async () => {
    run.simulator.cloud.deny(["Describe*"]);
    expect((await errorOf(idsOf(run.ec2))).name).toBe("UnauthorizedOperation");
    expect(await idsOf(other)).toEqual([OTHER_NODE]);
    run.simulator.cloud.deny(["*"], OTHER_ACCOUNT);
    expect((await errorOf(idsOf(other))).name).toBe("UnauthorizedOperation");
    expect((await otherSts.send(new GetCallerIdentityCommand({}))).Account).toBe(OTHER_ACCOUNT);
    run.simulator.cloud.foreignCall("DescribeInstances", {});
  });

  test("may be in the model file", () => {
    const description = loadModel({ ...fullJson(), deniedActions: ["DeleteNetworkInterface"] }, "denied.json");
    const { cloud } = laboratory({}, 1, description);
    const remove = () => cloud.call("DeleteNetworkInterface", { NetworkInterfaceId: DUAL_PRIMARY });
    expect(refusalOf(remove).code).toBe("UnauthorizedOperation");
  });
});

const REQUIRED: Readonly<Record<string, Parameters<SimulatedCloud["call"]>[1]>> = {
  AssignIpv6Addresses: { NetworkInterfaceId: DUAL_PRIMARY, Ipv6PrefixCount: 1 },
  AssignPrivateIpAddresses: { NetworkInterfaceId: DUAL_PRIMARY, SecondaryPrivateIpAddressCount: 1 },
  AttachNetworkInterface: { NetworkInterfaceId: DUAL_PRIMARY, InstanceId: DUAL_NODE, DeviceIndex: 1 },
  CreateNetworkInterface: { SubnetId: DUAL_SUBNET },
  CreateSubnetCidrReservation: { SubnetId: DUAL_SUBNET, Cidr: "10.6.0.64/28", ReservationType: "prefix" },
  CreateTags: { ResourceId: [DUAL_PRIMARY], Tag: [{ Key: "a", Value: "b" }] },
  DeleteNetworkInterface: { NetworkInterfaceId: DUAL_PRIMARY },
  DeleteSubnetCidrReservation: { SubnetCidrReservationId: "scr-00000000000000001" },
  DeleteTags: { ResourceId: [DUAL_PRIMARY] },
  DescribeInstanceTypes: {},
  DescribeInstances: {},
  DescribeNetworkInterfaceAttribute: { NetworkInterfaceId: DUAL_PRIMARY, Attribute: "groupSet" },
  DescribeNetworkInterfaces: {},
  DescribeRouteTables: {},
  DescribeSecurityGroups: {},
  DescribeSubnets: {},
  DescribeTags: {},
  DescribeVpcs: {},
  DetachNetworkInterface: { AttachmentId: "eni-attach-00000000000000001" },
  GetSubnetCidrReservations: { SubnetId: DUAL_SUBNET },
  ModifyNetworkInterfaceAttribute: { NetworkInterfaceId: DUAL_PRIMARY, Description: { Value: "x" } },
  UnassignIpv6Addresses: { NetworkInterfaceId: DUAL_PRIMARY, Ipv6Prefix: ["2001:db8:6:1:7::/80"] },
  UnassignPrivateIpAddresses: { NetworkInterfaceId: DUAL_PRIMARY, PrivateIpAddress: ["10.6.0.99"] },
};

test.each(Object.entries(REQUIRED))("%s knows DryRun as EC2's API says, and can be denied", (action, parameters) => {
  const { cloud } = laboratory({}, 1, fullModel());
  const before = JSON.stringify(cloud.truth().interfaces);
  const dryRun = () => cloud.call(action, { ...parameters, DryRun: true });
  const isKnown = !/^(Una|A)ssign/.test(action);
  const [code, httpStatus] = isKnown ? ["DryRunOperation", 412] : ["UnknownParameter", 400];
  expect(refusalOf(dryRun)).toMatchObject({ code, httpStatus });
  cloud.deny([action]);
  if (isKnown) expect(refusalOf(dryRun)).toMatchObject({ code: "UnauthorizedOperation", httpStatus: 403 });
  expect(refusalOf(() => cloud.call(action, parameters)).code).toBe("UnauthorizedOperation");
  expect(JSON.stringify(cloud.truth().interfaces)).toBe(before);
});

test("quotas of interfaces and of groups per interface hold per account and can be changed", () => {
  const { cloud } = laboratory(
    { interfaceQuota: 7, securityGroupsPerInterface: 1 },
    1,
    fullModel({ interfaceQuota: 7 }),
  );
  const create = (accessKeyId: string, SubnetId: string) =>
    cloud.call("CreateNetworkInterface", { SubnetId }, { accessKeyId });
  create("AKIATEST", DUAL_SUBNET);
  expect(refusalOf(() => create("AKIATEST", DUAL_SUBNET)).code).toBe("NetworkInterfaceLimitExceeded");
  create(OTHER_KEY, OTHER_SUBNET);
  cloud.changeSettings({ interfaceQuota: 8, securityGroupsPerInterface: 1 });
  create("AKIATEST", DUAL_SUBNET);
  const groups = cloud.truth().securityGroups.map((one) => one.id);
  expect(groups).toHaveLength(2);
  const modify = () =>
    cloud.call("ModifyNetworkInterfaceAttribute", { NetworkInterfaceId: DUAL_PRIMARY, SecurityGroupId: groups });
  expect(refusalOf(modify).code).toBe("SecurityGroupsPerInterfaceLimitExceeded");
});
