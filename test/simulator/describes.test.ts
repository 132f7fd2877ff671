import {
  CreateNetworkInterfaceCommand,
  DescribeInstancesCommand,
  DescribeInstanceTypesCommand,
  DescribeNetworkInterfacesCommand,
  type DescribeNetworkInterfacesCommandInput,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
  paginateDescribeNetworkInterfaces,
} from "@aws-sdk/client-ec2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  CARD_NODE,
  errorOf,
  GROUP,
  MANAGED,
  NODE,
  NODE_SUBNET,
  OTHER_VPC,
  PRIMARY,
  type Running,
  running,
  SMALL_SUBNET,
  VPC,
  XEN_NODE,
  ZONE_B_SUBNET,
} from "./support.ts";

let run: Running;
const extra: string[] = [];
beforeAll(async () => {
  run = await running({ throttling: false });
  for (let index = 0; index < 9; index += 1) {
    const { NetworkInterface: made } = await run.ec2.send(
      new CreateNetworkInterfaceCommand({
        SubnetId: ZONE_B_SUBNET,
        Description: `number ${index}`,
        TagSpecifications: [{ ResourceType: "network-interface", Tags: [{ Key: "number", Value: `n*${index}` }] }],
      }),
    );
    extra.push(made?.NetworkInterfaceId ?? "");
  }
});
afterAll(() => run.close());

const ids = async (input: DescribeNetworkInterfacesCommandInput) => {
  const answer = await run.ec2.send(new DescribeNetworkInterfacesCommand(input));
  return (answer.NetworkInterfaces ?? []).map((one) => one.NetworkInterfaceId).sort();
};
const filtered = (name: string, ...values: string[]) => ids({ Filters: [{ Name: name, Values: values }] });

describe("DescribeNetworkInterfaces", () => {
  test("shows everything for an empty list of ids, as EC2 does", async () => {
    expect(await ids({ NetworkInterfaceIds: [] })).toEqual(await ids({}));
    expect((await ids({})).length).toBe(4 + extra.length);
  });

  test("fails as a whole when one id is unknown", async () => {
    const unknown = "eni-0000000000000ffff";
    expect(await errorOf(ids({ NetworkInterfaceIds: [PRIMARY, unknown] }))).toEqual({
      name: "InvalidNetworkInterfaceID.NotFound",
      message: `The networkInterface ID '${unknown}' does not exist`,
      status: 400,
    });
    expect(await filtered("network-interface-id", PRIMARY, unknown)).toEqual([PRIMARY]);
  });

  test.each([
    ["attachment.instance-id", [NODE], [PRIMARY]],
    ["attachment.device-index", ["1"], []],
    ["addresses.private-ip-address", ["10.0.0.10"], [PRIMARY]],
    ["private-ip-address", ["10.0.0.1?"], 4],
    ["private-dns-name", ["ip-10-0-0-10.*"], [PRIMARY]],
    ["requester-managed", ["true"], [MANAGED]],
    ["interface-type", ["lambda"], [MANAGED]],
    ["group-id", [GROUP], [PRIMARY]],
    ["subnet-id", [ZONE_B_SUBNET], 9],
    ["vpc-id", [VPC], 13],
    ["availability-zone", ["eu-west-1b"], 9],
    ["availability-zone-id", ["euw1-az2"], 9],
    ["status", ["available"], 10],
    ["status", ["available", "in-use"], 13],
    ["description", ["number ?"], 9],
    ["description", ["Number*"], 0],
    ["tag:number", ["n*"], 9],
    ["tag:number", ["n\\*3"], 1],
    ["tag:number", ["*3", "*4"], 2],
    ["tag-key", ["number"], 9],
    ["tag-key", ["num?er"], 9],
    ["association.public-ip", ["*"], 0],
  ])("filters by %s %j", async (name, values, wanted) => {
    const found = await filtered(name, ...values);
    if (typeof wanted === "number") expect(found).toHaveLength(wanted);
    else expect(found).toEqual(wanted);
  });

  test("needs every filter to match", async () => {
    const both = [
      { Name: "subnet-id", Values: [ZONE_B_SUBNET] },
      { Name: "description", Values: ["number 3"] },
    ];
    expect(await ids({ Filters: both })).toEqual([extra[3]]);
  });

  test("refuses unknown filters and too many values", async () => {
    expect(await errorOf(filtered("public-ip", "x"))).toMatchObject({
      name: "InvalidParameterValue",
      message: "The filter 'public-ip' is invalid",
    });
    const many = Array.from({ length: 201 }, (_, index) => `10.0.0.${index}`);
    expect((await errorOf(filtered("private-ip-address", ...many))).name).toBe("FilterLimitExceeded");
  });
});

describe("pagination", () => {
  test("leads through everything once, in pages", async () => {
    const seen: (string | undefined)[] = [];
    let pages = 0;
    for await (const page of paginateDescribeNetworkInterfaces({ client: run.ec2, pageSize: 5 }, {})) {
      pages += 1;
      seen.push(...(page.NetworkInterfaces ?? []).map((one) => one.NetworkInterfaceId));
    }
    expect(pages).toBe(3);
    expect(seen.sort()).toEqual(await ids({}));
  });

  test("has a floor and a ceiling, and no place beside ids", async () => {
    expect(await errorOf(ids({ MaxResults: 4 }))).toMatchObject({
      name: "InvalidParameterValue",
      message: "Value ( 4 ) for parameter maxResults is invalid. Expecting a value greater than 5.",
    });
    expect((await errorOf(ids({ MaxResults: 1001 }))).name).toBe("InvalidParameterValue");
    expect(await errorOf(ids({ MaxResults: 5, NetworkInterfaceIds: [PRIMARY] }))).toMatchObject({
      name: "InvalidParameterCombination",
      message: "The parameter networkInterfaceSet cannot be used with the parameter maxResults",
    });
    const instances = run.ec2.send(new DescribeInstancesCommand({ MaxResults: 5, InstanceIds: [NODE] }));
    expect((await errorOf(instances)).message).toContain("instancesSet");
    expect((await errorOf(run.ec2.send(new DescribeRouteTablesCommand({ MaxResults: 101 })))).name).toBe(
      "InvalidParameterValue",
    );
  });

  test("refuses a token of another call", async () => {
    const page = await run.ec2.send(new DescribeNetworkInterfacesCommand({ MaxResults: 5 }));
    const NextToken = page.NextToken;
    expect(NextToken).toBeTypeOf("string");
    expect((await errorOf(ids({ MaxResults: 5, NextToken: "nonsense" }))).name).toBe("InvalidNextToken");
    const other = ids({ MaxResults: 5, NextToken, Filters: [{ Name: "status", Values: ["in-use"] }] });
    expect((await errorOf(other)).name).toBe("InvalidNextToken");
    expect((await errorOf(run.ec2.send(new DescribeSubnetsCommand({ MaxResults: 5, NextToken })))).name).toBe(
      "InvalidNextToken",
    );
  });
});

describe("the other describes", () => {
  test("DescribeSubnets counts what is free without the five reserved addresses", async () => {
    const { Subnets } = await run.ec2.send(new DescribeSubnetsCommand({ SubnetIds: [SMALL_SUBNET, NODE_SUBNET] }));
    const byId = new Map(Subnets?.map((one) => [one.SubnetId, one]));
    expect(byId.get(SMALL_SUBNET)).toMatchObject({
      AvailableIpAddressCount: 11,
      CidrBlock: "10.0.1.0/28",
      VpcId: VPC,
      State: "available",
    });
    expect(byId.get(NODE_SUBNET)).toMatchObject({
      AvailableIpAddressCount: 251 - 4,
      Tags: [
        { Key: "Name", Value: "nodes" },
        { Key: "pods", Value: "true" },
      ],
    });
    const tagged = await run.ec2.send(
      new DescribeSubnetsCommand({ Filters: [{ Name: "tag:pods", Values: ["true"] }] }),
    );
    expect(tagged.Subnets?.map((one) => one.SubnetId)).toEqual([NODE_SUBNET]);
    const unknown = run.ec2.send(new DescribeSubnetsCommand({ SubnetIds: ["subnet-0000000000000ffff"] }));
    expect((await errorOf(unknown)).name).toBe("InvalidSubnetID.NotFound");
  });

  test("DescribeVpcs shows every CIDR", async () => {
    const { Vpcs } = await run.ec2.send(new DescribeVpcsCommand({ VpcIds: [VPC] }));
    expect(Vpcs?.[0]?.CidrBlock).toBe("10.0.0.0/16");
    expect(Vpcs?.[0]?.CidrBlockAssociationSet?.map((one) => one.CidrBlock)).toEqual(["10.0.0.0/16", "100.64.0.0/16"]);
    const unknown = run.ec2.send(new DescribeVpcsCommand({ VpcIds: ["vpc-0000000000000ffff"] }));
    expect((await errorOf(unknown)).name).toBe("InvalidVpcID.NotFound");
  });

  test("DescribeSecurityGroups knows the described and the default groups", async () => {
    const { SecurityGroups } = await run.ec2.send(
      new DescribeSecurityGroupsCommand({ Filters: [{ Name: "vpc-id", Values: [VPC] }] }),
    );
    expect(SecurityGroups?.map((one) => one.GroupName).sort()).toEqual(["default", "nodes"]);
    const tagged = await run.ec2.send(
      new DescribeSecurityGroupsCommand({ Filters: [{ Name: "tag:role", Values: ["node"] }] }),
    );
    expect(tagged.SecurityGroups?.map((one) => one.GroupId)).toEqual([GROUP]);
    const unknown = run.ec2.send(new DescribeSecurityGroupsCommand({ GroupIds: ["sg-0000000000000ffff"] }));
    expect((await errorOf(unknown)).name).toBe("InvalidGroup.NotFound");
  });

  test("DescribeRouteTables gives every VPC a main table with its local routes", async () => {
    const { RouteTables } = await run.ec2.send(
      new DescribeRouteTablesCommand({ Filters: [{ Name: "association.main", Values: ["true"] }] }),
    );
    expect(RouteTables?.map((one) => one.VpcId).sort()).toEqual([VPC, OTHER_VPC].sort());
    const routes = RouteTables?.find((one) => one.VpcId === VPC)?.Routes;
    expect(routes).toMatchObject([
      { DestinationCidrBlock: "10.0.0.0/16", GatewayId: "local", State: "active", Origin: "CreateRouteTable" },
      { DestinationCidrBlock: "100.64.0.0/16", GatewayId: "local" },
    ]);
  });

  test("DescribeInstances shows interfaces without tags, with their attachments", async () => {
    const { Reservations } = await run.ec2.send(new DescribeInstancesCommand({ InstanceIds: [NODE] }));
    const instance = Reservations?.[0]?.Instances?.[0];
    expect(instance).toMatchObject({
      InstanceId: NODE,
      InstanceType: "m5.large",
      State: { Code: 16, Name: "running" },
      Placement: { AvailabilityZone: "eu-west-1a" },
      PrivateIpAddress: "10.0.0.10",
      SubnetId: NODE_SUBNET,
      VpcId: VPC,
      MetadataOptions: { HttpTokens: "required", HttpPutResponseHopLimit: 2 },
    });
    expect(instance?.NetworkInterfaces).toMatchObject([
      { NetworkInterfaceId: PRIMARY, Attachment: { DeviceIndex: 0, DeleteOnTermination: true } },
    ]);
    expect(instance?.NetworkInterfaces?.[0]).not.toHaveProperty("TagSet");
    const byState = await run.ec2.send(
      new DescribeInstancesCommand({
        Filters: [
          { Name: "instance-state-name", Values: ["running"] },
          { Name: "instance-type", Values: ["*.micro"] },
        ],
      }),
    );
    expect(byState.Reservations?.map((one) => one.Instances?.[0]?.InstanceId)).toEqual([XEN_NODE]);
    const unknown = run.ec2.send(new DescribeInstancesCommand({ InstanceIds: ["i-0000000000000ffff"] }));
    expect((await errorOf(unknown)).name).toBe("InvalidInstanceID.NotFound");
  });

  test("DescribeInstanceTypes sums over the network cards", async () => {
    const { InstanceTypes } = await run.ec2.send(
      new DescribeInstanceTypesCommand({ InstanceTypes: ["m5.large", "p4d.24xlarge", "t2.micro", "m5.metal"] }),
    );
    const byName = new Map(InstanceTypes?.map((one) => [one.InstanceType as string, one]));
    expect(byName.get("m5.large")).toMatchObject({
      Hypervisor: "nitro",
      BareMetal: false,
      NetworkInfo: {
        MaximumNetworkInterfaces: 3,
        MaximumNetworkCards: 1,
        DefaultNetworkCardIndex: 0,
        Ipv4AddressesPerInterface: 10,
      },
    });
    expect(byName.get("p4d.24xlarge")?.NetworkInfo).toMatchObject({
      MaximumNetworkInterfaces: 60,
      MaximumNetworkCards: 4,
    });
    expect(byName.get("p4d.24xlarge")?.NetworkInfo?.NetworkCards?.[3]).toMatchObject({
      NetworkCardIndex: 3,
      MaximumNetworkInterfaces: 15,
    });
    expect(byName.get("t2.micro")).toMatchObject({ Hypervisor: "xen" });
    expect(byName.get("m5.metal")).toMatchObject({ BareMetal: true });
    expect(byName.get("m5.metal")).not.toHaveProperty("Hypervisor");
    const unknown = run.ec2.send(
      new DescribeInstanceTypesCommand({ InstanceTypes: ["m5.large", "zz.large" as "m5.large"] }),
    );
    expect(await errorOf(unknown)).toMatchObject({
      name: "InvalidInstanceType",
      message: "The following supplied instance types do not exist: [zz.large]",
    });
    expect(CARD_NODE).toBeTypeOf("string");
  });
});
