import {
  AttachNetworkInterfaceCommand,
  CreateNetworkInterfaceCommand,
  DeleteNetworkInterfaceCommand,
  DescribeNetworkInterfaceAttributeCommand,
  DescribeNetworkInterfacesCommand,
  DetachNetworkInterfaceCommand,
  ModifyNetworkInterfaceAttributeCommand,
} from "@aws-sdk/client-ec2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  CARD_NODE,
  errorOf,
  GROUP,
  MANAGED,
  NODE,
  NODE_SUBNET,
  OTHER_VPC_GROUP,
  OTHER_VPC_SUBNET,
  PRIMARY,
  type Running,
  running,
  SMALL_SUBNET,
  XEN_NODE,
  ZONE_B_SUBNET,
} from "./support.ts";

let run: Running;
beforeAll(async () => {
  run = await running({ throttling: false });
});
afterAll(() => run.close());

const create = async (input: Partial<ConstructorParameters<typeof CreateNetworkInterfaceCommand>[0]> = {}) => {
  const { NetworkInterface: made } = await run.ec2.send(
    new CreateNetworkInterfaceCommand({ SubnetId: NODE_SUBNET, ...input }),
  );
  if (!made?.NetworkInterfaceId) throw new Error("no interface in the answer");
  return { ...made, id: made.NetworkInterfaceId };
};
const attach = async (id: string, index: number, instance = NODE, card?: number) => {
  const answer = await run.ec2.send(
    new AttachNetworkInterfaceCommand({
      NetworkInterfaceId: id,
      InstanceId: instance,
      DeviceIndex: index,
      NetworkCardIndex: card,
    }),
  );
  return answer.AttachmentId ?? "";
};
const describeOne = async (id: string) => {
  const answer = await run.ec2.send(new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [id] }));
  return answer.NetworkInterfaces?.[0];
};
const remove = async (id: string) => {
  const attachment = (await describeOne(id))?.Attachment?.AttachmentId;
  if (attachment) await run.ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId: attachment, Force: true }));
  await run.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: id }));
};

describe("CreateNetworkInterface", () => {
  test("gives a pending interface with everything asked for, which is available afterwards", async () => {
    const made = await create({
      Description: "for <pods> & more",
      Groups: [GROUP],
      SecondaryPrivateIpAddressCount: 4,
      TagSpecifications: [{ ResourceType: "network-interface", Tags: [{ Key: "enid.io/node", Value: "n1" }] }],
    });
    expect(made).toMatchObject({
      Status: "pending",
      SubnetId: NODE_SUBNET,
      AvailabilityZone: "eu-west-1a",
      AvailabilityZoneId: "euw1-az1",
      Description: "for <pods> & more",
      OwnerId: "111122223333",
      RequesterManaged: false,
      SourceDestCheck: true,
      InterfaceType: "interface",
      Groups: [{ GroupId: GROUP, GroupName: "nodes" }],
      TagSet: [{ Key: "enid.io/node", Value: "n1" }],
    });
    expect(made.id).toMatch(/^eni-[0-9a-f]{17}$/);
    expect(made.MacAddress).toMatch(/^02(:[0-9a-f]{2}){5}$/);
    expect(made.PrivateIpAddresses?.map((one) => one.Primary)).toEqual([true, false, false, false, false]);
    expect(made.Attachment).toBeUndefined();
    expect(await describeOne(made.id)).toMatchObject({ Status: "available" });
    await remove(made.id);
  });

  test("takes the VPC's default group when none is named", async () => {
    const made = await create();
    expect(made.Groups?.map((group) => group.GroupName)).toEqual(["default"]);
    await remove(made.id);
  });

  test("takes explicit addresses and refuses one that is taken", async () => {
    const made = await create({
      PrivateIpAddresses: [{ PrivateIpAddress: "10.0.0.100", Primary: true }, { PrivateIpAddress: "10.0.0.101" }],
    });
    expect(made.PrivateIpAddresses?.map((one) => one.PrivateIpAddress)).toEqual(["10.0.0.100", "10.0.0.101"]);
    expect(await errorOf(create({ PrivateIpAddress: "10.0.0.101" }))).toEqual({
      name: "InvalidIPAddress.InUse",
      message: "The specified address is already in use.",
      status: 400,
    });
    await remove(made.id);
  });

  test("repeats the answer for the same token and parameters, and refuses other parameters", async () => {
    const first = await create({ ClientToken: "token-1", SecondaryPrivateIpAddressCount: 2 });
    const again = await create({ ClientToken: "token-1", SecondaryPrivateIpAddressCount: 2 });
    expect(again.id).toBe(first.id);
    expect(again.PrivateIpAddresses).toEqual(first.PrivateIpAddresses);
    const other = errorOf(create({ ClientToken: "token-1", SecondaryPrivateIpAddressCount: 3 }));
    expect((await other).name).toBe("IdempotentParameterMismatch");
    expect((await errorOf(create({ ClientToken: "x".repeat(65) }))).name).toBe("InvalidClientToken");
    await remove(first.id);
  });

  test.each([
    ["an unknown subnet", { SubnetId: "subnet-0000000000000ffff" }, "InvalidSubnetID.NotFound"],
    ["a malformed subnet", { SubnetId: "subnet-x" }, "InvalidSubnetID.Malformed"],
    ["an unknown group", { Groups: ["sg-0000000000000ffff"] }, "InvalidGroup.NotFound"],
    ["a group of another VPC", { Groups: [OTHER_VPC_GROUP] }, "InvalidGroup.NotFound"],
    ["an address outside the subnet", { PrivateIpAddress: "10.0.1.5" }, "InvalidParameterValue"],
    ["a reserved address", { PrivateIpAddress: "10.0.0.3" }, "InvalidParameterValue"],
    ["the broadcast address", { PrivateIpAddress: "10.0.0.255" }, "InvalidParameterValue"],
    ["no address at all", { PrivateIpAddress: "10.0.0.256" }, "InvalidParameterValue"],
    [
      "two primary addresses",
      { PrivateIpAddress: "10.0.0.90", PrivateIpAddresses: [{ PrivateIpAddress: "10.0.0.91", Primary: true }] },
      "InvalidParameterCombination",
    ],
    [
      "a count beside addresses",
      { SecondaryPrivateIpAddressCount: 1, PrivateIpAddresses: [{ PrivateIpAddress: "10.0.0.91" }] },
      "InvalidParameterCombination",
    ],
    [
      "a count beside prefixes",
      { SecondaryPrivateIpAddressCount: 1, Ipv4PrefixCount: 1 },
      "InvalidParameterCombination",
    ],
    [
      "tags of another resource type",
      { TagSpecifications: [{ ResourceType: "instance" as const, Tags: [{ Key: "a", Value: "b" }] }] },
      "InvalidParameterValue",
    ],
    [
      "a reserved tag key",
      { TagSpecifications: [{ ResourceType: "network-interface" as const, Tags: [{ Key: "aws:x", Value: "b" }] }] },
      "InvalidParameterValue",
    ],
    ["IPv6, which no subnet has", { Ipv6AddressCount: 1 }, "InvalidParameterValue"],
    ["something that is not simulated", { EnablePrimaryIpv6: true }, "UnsupportedOperation"],
  ])("refuses %s", async (_what, input, code) => {
    const before = run.simulator.cloud.truth().interfaces.length;
    expect(await errorOf(create(input))).toMatchObject({ name: code, status: 400 });
    expect(run.simulator.cloud.truth().interfaces.length).toBe(before);
  });

  test("knows the quotas of interfaces and of groups per interface", async () => {
    const { interfaceQuota, securityGroupsPerInterface } = run.simulator.cloud.settings;
    run.simulator.cloud.changeSettings({ interfaceQuota: 4, securityGroupsPerInterface: 1 });
    expect((await errorOf(create())).name).toBe("NetworkInterfaceLimitExceeded");
    const [fallback] = run.simulator.cloud.truth().securityGroups.filter((group) => group.name === "default");
    expect((await errorOf(create({ Groups: [GROUP, fallback?.id ?? ""] }))).name).toBe(
      "SecurityGroupsPerInterfaceLimitExceeded",
    );
    run.simulator.cloud.changeSettings({ interfaceQuota, securityGroupsPerInterface });
  });
});

describe("AttachNetworkInterface and DetachNetworkInterface", () => {
  test("lead through in-use back to available", async () => {
    const { id } = await create();
    const attachmentId = await attach(id, 1);
    expect(attachmentId).toMatch(/^eni-attach-[0-9a-f]{17}$/);
    expect(await describeOne(id)).toMatchObject({
      Status: "in-use",
      Attachment: {
        AttachmentId: attachmentId,
        InstanceId: NODE,
        DeviceIndex: 1,
        NetworkCardIndex: 0,
        Status: "attached",
        DeleteOnTermination: false,
      },
    });
    expect(await errorOf(attach(id, 2))).toMatchObject({
      name: "InvalidNetworkInterface.InUse",
      message: `Interface: [${id}] in use.`,
    });
    await run.ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId: attachmentId }));
    const after = await describeOne(id);
    expect(after?.Status).toBe("available");
    expect(after?.Attachment).toBeUndefined();
    const again = errorOf(run.ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId: attachmentId })));
    expect((await again).name).toBe("InvalidAttachmentID.NotFound");
    await remove(id);
  });

  test("refuse a taken index, then everything beyond the limit of the type", async () => {
    const made = [await create(), await create(), await create()];
    const [one, two, three] = made.map(({ id }) => id) as [string, string, string];
    await attach(one, 1);
    expect(await errorOf(attach(two, 1))).toMatchObject({
      name: "InvalidParameterValue",
      message: `Instance '${NODE}' already has an interface attached at device index '1'.`,
    });
    await attach(two, 2);
    expect(await errorOf(attach(three, 3))).toMatchObject({
      name: "AttachmentLimitExceeded",
      message: "Interface count 4 exceeds the limit for m5.large",
    });
    for (const id of [one, two, three]) await remove(id);
  });

  test("count each network card by itself", async () => {
    const onFirst = await create();
    const onSecond = await create();
    await attach(onFirst.id, 1, CARD_NODE);
    await attach(onSecond.id, 1, CARD_NODE, 1);
    expect((await describeOne(onSecond.id))?.Attachment).toMatchObject({ NetworkCardIndex: 1, DeviceIndex: 1 });
    const { id } = await create();
    expect((await errorOf(attach(id, 1, CARD_NODE, 4))).name).toBe("InvalidParameterValue");
    for (const one of [onFirst, onSecond, { id }]) await remove(one.id);
  });

  test("refuse another zone, another VPC, unknown ids and too many addresses for the type", async () => {
    const inB = await create({ SubnetId: ZONE_B_SUBNET });
    expect((await errorOf(attach(inB.id, 1))).message).toContain("same availability zone");
    const elsewhere = await create({ SubnetId: OTHER_VPC_SUBNET });
    expect((await errorOf(attach(elsewhere.id, 1))).name).toBe("InvalidParameterValue");
    expect((await errorOf(attach("eni-0000000000000ffff", 1))).name).toBe("InvalidNetworkInterfaceID.NotFound");
    expect((await errorOf(attach("eni-1", 1))).name).toBe("InvalidNetworkInterfaceId.Malformed");
    expect((await errorOf(attach(inB.id, 1, "i-0000000000000ffff"))).name).toBe("InvalidInstanceID.NotFound");
    const large = await create({ SecondaryPrivateIpAddressCount: 2 });
    expect((await errorOf(attach(large.id, 1, XEN_NODE))).name).toBe("PrivateIpAddressLimitExceeded");
    const prefixed = await create({ Ipv4PrefixCount: 1 });
    expect((await errorOf(attach(prefixed.id, 1, XEN_NODE))).name).toBe("Unsupported");
    for (const one of [inB, elsewhere, large, prefixed]) await remove(one.id);
  });

  test("leave the primary interface and managed interfaces alone", async () => {
    const primary = (await describeOne(PRIMARY))?.Attachment?.AttachmentId;
    expect(await errorOf(run.ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId: primary })))).toMatchObject({
      name: "OperationNotPermitted",
      message: "The network interface at device index 0 and networkCard index 0 cannot be detached.",
    });
    expect((await errorOf(attach(MANAGED, 1))).name).toBe("OperationNotPermitted");
    expect((await errorOf(run.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: MANAGED })))).name).toBe(
      "OperationNotPermitted",
    );
    const malformed = errorOf(run.ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId: "eni-1" })));
    expect((await malformed).name).toBe("InvalidNetworkInterfaceAttachmentId.Malformed");
  });
});

describe("DeleteNetworkInterface", () => {
  test("refuses an attached interface, deletes a detached one, and a second delete finds nothing", async () => {
    const { id } = await create({ SubnetId: SMALL_SUBNET, SecondaryPrivateIpAddressCount: 3 });
    const freeOf = () =>
      run.simulator.cloud.truth().subnets.find((subnet) => subnet.id === SMALL_SUBNET)?.freeAddresses;
    expect(freeOf()).toBe(11 - 4);
    await attach(id, 1);
    expect(await errorOf(run.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: id })))).toMatchObject({
      name: "InvalidParameterValue",
      message: `Network interface '${id}' is currently in use.`,
    });
    await remove(id);
    expect(freeOf()).toBe(11);
    expect(await errorOf(run.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: id })))).toMatchObject({
      name: "InvalidNetworkInterfaceID.NotFound",
      message: `The networkInterface ID '${id}' does not exist`,
    });
  });
});

describe("ModifyNetworkInterfaceAttribute", () => {
  const modify = (input: object) =>
    run.ec2.send(new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId: PRIMARY, ...input }));

  test("changes one attribute: deletion with the instance, groups, description, source check", async () => {
    const { id } = await create();
    const AttachmentId = await attach(id, 1);
    await modify({ NetworkInterfaceId: id, Attachment: { AttachmentId, DeleteOnTermination: true } });
    await modify({ NetworkInterfaceId: id, Groups: [GROUP] });
    await modify({ NetworkInterfaceId: id, Description: { Value: "changed" } });
    await modify({ NetworkInterfaceId: id, SourceDestCheck: { Value: false } });
    expect(await describeOne(id)).toMatchObject({
      Attachment: { DeleteOnTermination: true },
      Groups: [{ GroupId: GROUP }],
      Description: "changed",
      SourceDestCheck: false,
    });
    const attribute = await run.ec2.send(
      new DescribeNetworkInterfaceAttributeCommand({ NetworkInterfaceId: id, Attribute: "attachment" }),
    );
    expect(attribute.Attachment).toMatchObject({ AttachmentId, DeleteOnTermination: true });
    await remove(id);
  });

  test("refuses two attributes, none, and an attachment that is not the current one", async () => {
    const two = modify({ Description: { Value: "a" }, SourceDestCheck: { Value: true } });
    expect((await errorOf(two)).name).toBe("InvalidParameterCombination");
    expect((await errorOf(modify({}))).name).toBe("MissingParameter");
    const other = modify({ Attachment: { AttachmentId: "eni-attach-0000000000000ffff", DeleteOnTermination: true } });
    expect((await errorOf(other)).name).toBe("InvalidAttachmentID.NotFound");
    expect((await errorOf(modify({ Groups: ["sg-0000000000000ffff"] }))).name).toBe("InvalidGroup.NotFound");
    expect(
      (await errorOf(modify({ NetworkInterfaceId: "eni-0000000000000ffff", Description: { Value: "" } }))).name,
    ).toBe("InvalidNetworkInterfaceID.NotFound");
  });
});
