import {
  AttachNetworkInterfaceCommand,
  CreateNetworkInterfaceCommand,
  DescribeInstancesCommand,
  DescribeInstanceTypesCommand,
  DescribeNetworkInterfacesCommand,
} from "@aws-sdk/client-ec2";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Parameters } from "../../src/simulator/index.ts";
import {
  CARDS_NODE,
  DUAL_NODE,
  DUAL_PRIMARY,
  DUAL_SUBNET,
  EFA,
  fullModel,
  OPERATED,
  PLAIN_SUBNET,
  TRUNK,
} from "./full-model.ts";
import { errorOf, laboratory, type Running, refusalOf, running } from "./support.ts";

describe("several network cards", () => {
  let run: Running;
  beforeEach(async () => {
    run = await running({}, { maxAttempts: 1 }, fullModel());
  });
  afterEach(() => run.close());

  const attach = async (DeviceIndex: number, NetworkCardIndex?: number, InstanceId = CARDS_NODE) => {
    const made = await run.ec2.send(new CreateNetworkInterfaceCommand({ SubnetId: PLAIN_SUBNET }));
    const NetworkInterfaceId = made.NetworkInterface?.NetworkInterfaceId;
    return run.ec2.send(
      new AttachNetworkInterfaceCommand({ NetworkInterfaceId, InstanceId, DeviceIndex, NetworkCardIndex }),
    );
  };

  test("come from the launch, with the tags of the launch, and go with the instance", async () => {
    const { Reservations } = await run.ec2.send(new DescribeInstancesCommand({ InstanceIds: [CARDS_NODE] }));
    const places = Reservations?.[0]?.Instances?.[0]?.NetworkInterfaces?.map(({ Attachment }) => [
      Attachment?.NetworkCardIndex,
      Attachment?.DeviceIndex,
      Attachment?.DeleteOnTermination,
    ]);
    expect(places).toEqual([
      [0, 0, true],
      [1, 1, true],
      [2, 1, true],
    ]);
    const { NetworkInterfaces } = await run.ec2.send(
      new DescribeNetworkInterfacesCommand({ Filters: [{ Name: "tag:launched", Values: ["yes"] }] }),
    );
    expect(NetworkInterfaces).toHaveLength(4);
    expect(NetworkInterfaces?.filter((one) => one.TagSet?.some((tag) => tag.Key === "card"))).toHaveLength(1);
    const id = run.simulator.cloud.launch({
      type: "c6in.32xlarge",
      subnet: DUAL_SUBNET,
      interfaces: [{ deviceIndex: 1, networkCard: 1 }],
    }).id;
    const before = run.simulator.cloud.truth().interfaces.length;
    run.simulator.cloud.terminate(id);
    expect(run.simulator.cloud.truth().interfaces.length).toBe(before - 2);
  });

  test("have device indexes and limits of their own", async () => {
    expect((await attach(1, 3)).NetworkCardIndex).toBe(3);
    expect((await attach(1)).NetworkCardIndex).toBe(0);
    const taken = await errorOf(attach(1, 3));
    expect(taken.message).toContain("already has an interface attached at device index '1'");
    const noCard = await errorOf(attach(1, 4));
    expect(noCard).toMatchObject({ name: "InvalidParameterValue" });
    expect(noCard.message).toContain("Network card index 4 does not exist");
    for (let index = 2; index <= 15; index += 1) await attach(index, 3);
    const full = await errorOf(attach(16, 3));
    expect(full.name).toBe("AttachmentLimitExceeded");
    await attach(2, 1);
    expect((await errorOf(attach(2, 1, DUAL_NODE))).message).toContain("does not exist on instance type c5.large");
  });

  test("are what DescribeInstanceTypes says", async () => {
    const { InstanceTypes } = await run.ec2.send(
      new DescribeInstanceTypesCommand({ InstanceTypes: ["p4d.24xlarge", "c5.large"] }),
    );
    const byName = new Map(InstanceTypes?.map((one) => [String(one.InstanceType), one.NetworkInfo]));
    expect(byName.get("p4d.24xlarge")).toMatchObject({
      MaximumNetworkInterfaces: 60,
      MaximumNetworkCards: 4,
      DefaultNetworkCardIndex: 0,
      NetworkCards: [0, 1, 2, 3].map((NetworkCardIndex) => ({ NetworkCardIndex, MaximumNetworkInterfaces: 15 })),
    });
    expect(byName.get("c5.large")?.NetworkCards).toHaveLength(1);
  });

  test("are in metadata on types with several cards only; an efa-only interface has no address there", async () => {
    const { cloud } = run.simulator;
    cloud.changeMetadataOptions(CARDS_NODE, { tokens: "optional" });
    cloud.changeMetadataOptions(DUAL_NODE, { tokens: "optional" });
    const read = async (instanceId: string, interfaceId: string | undefined, key: string) => {
      const mac = cloud.truth().interfaces.find((one) => one.id === interfaceId)?.mac;
      const base = `${run.simulator.metadataEndpoint(instanceId)}/latest/meta-data/network/interfaces/macs`;
      const response = await fetch(`${base}/${mac}/${key}`);
      return response.status === 200 ? response.text() : response.status;
    };
    const onCardOne = cloud.truth().interfaces.find((one) => one.tags.card === "one")?.id;
    expect(await read(CARDS_NODE, onCardOne, "network-card")).toBe("1");
    expect(await read(CARDS_NODE, onCardOne, "device-number")).toBe("1");
    expect(await read(DUAL_NODE, DUAL_PRIMARY, "network-card")).toBe(404);
    expect(await read(CARDS_NODE, EFA, "interface-id")).toBe(EFA);
    expect(await read(CARDS_NODE, EFA, "local-ipv4s")).toBe(404);
    const { NetworkInterfaces } = await run.ec2.send(
      new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [EFA] }),
    );
    expect(NetworkInterfaces?.[0]).toMatchObject({ InterfaceType: "efa-only", PrivateIpAddresses: [] });
    expect(NetworkInterfaces?.[0]?.PrivateIpAddress).toBeUndefined();
  });
});

describe("managed interfaces", () => {
  const CHANGES: readonly (readonly [string, (id: string) => Parameters])[] = [
    ["AssignPrivateIpAddresses", (NetworkInterfaceId) => ({ NetworkInterfaceId, SecondaryPrivateIpAddressCount: 1 })],
    ["UnassignPrivateIpAddresses", (NetworkInterfaceId) => ({ NetworkInterfaceId, PrivateIpAddress: ["10.6.1.9"] })],
    ["AssignIpv6Addresses", (NetworkInterfaceId) => ({ NetworkInterfaceId, Ipv6AddressCount: 1 })],
    ["UnassignIpv6Addresses", (NetworkInterfaceId) => ({ NetworkInterfaceId, Ipv6Addresses: ["2001:db8::9"] })],
    [
      "ModifyNetworkInterfaceAttribute",
      (NetworkInterfaceId) => ({ NetworkInterfaceId, Description: { Value: "mine now" } }),
    ],
  ];

  test.each(CHANGES)("refuse %s", (action, parameters) => {
    const { cloud } = laboratory({}, 1, fullModel());
    for (const id of [TRUNK, OPERATED, EFA]) {
      expect(refusalOf(() => cloud.call(action, parameters(id))).code, id).toBe("OperationNotPermitted");
    }
  });

  test("refuse to be attached, detached and deleted", () => {
    const { cloud } = laboratory({}, 1, fullModel());
    const attachmentId = cloud.truth().interfaces.find((one) => one.id === TRUNK)?.attachment?.id ?? "";
    const attach = { NetworkInterfaceId: OPERATED, InstanceId: DUAL_NODE, DeviceIndex: 1 };
    const calls: [string, Parameters][] = [
      ["DetachNetworkInterface", { AttachmentId: attachmentId, Force: true }],
      ["AttachNetworkInterface", attach],
      ["DeleteNetworkInterface", { NetworkInterfaceId: OPERATED }],
    ];
    for (const [action, parameters] of calls) {
      expect(refusalOf(() => cloud.call(action, parameters)).code, action).toBe("OperationNotPermitted");
    }
  });

  test("show who manages them, and are found by it", () => {
    const { cloud } = laboratory({}, 1, fullModel());
    const find = (Name: string, Value: string) => {
      const found = cloud.call("DescribeNetworkInterfaces", { Filter: [{ Name, Value: [Value] }] });
      return (found.networkInterfaceSet as { networkInterfaceId: string }[]).map((one) => one.networkInterfaceId);
    };
    expect(find("operator.managed", "true")).toEqual([OPERATED]);
    expect(find("operator.principal", "eks.amazonaws.com")).toEqual([OPERATED]);
    expect(find("requester-managed", "true")).toEqual([TRUNK, EFA]);
    expect(find("interface-type", "trunk")).toEqual([TRUNK]);
    const described = cloud.call("DescribeNetworkInterfaces", { NetworkInterfaceId: [OPERATED] });
    expect(described.networkInterfaceSet).toMatchObject([
      { requesterManaged: false, operator: { managed: true, principal: "eks.amazonaws.com" } },
    ]);
  });

  test("can be placed at run time; an interface of another type can be the account's own", () => {
    const { cloud } = laboratory({}, 1, fullModel());
    const branch = cloud.place({
      subnet: DUAL_SUBNET,
      interfaceType: "branch",
      attachment: { instance: DUAL_NODE, deviceIndex: 1 },
    });
    expect(branch).toMatchObject({ requesterManaged: true, status: "in-use", attachment: { status: "attached" } });
    const own = cloud.place({ subnet: DUAL_SUBNET, interfaceType: "efa", requesterManaged: false });
    cloud.call("AssignPrivateIpAddresses", { NetworkInterfaceId: own.id, SecondaryPrivateIpAddressCount: 1 });
    const full = () => cloud.place({ subnet: DUAL_SUBNET, attachment: { instance: DUAL_NODE, deviceIndex: 3 } });
    expect(refusalOf(full).code).toBe("AttachmentLimitExceeded");
  });
});

test("a launch that cannot have one of its interfaces leaves nothing behind, in no view", () => {
  const { cloud } = laboratory(
    { describeLagMs: 60_000, metadataLagMs: 60_000 },
    1,
    fullModel({ describeLagMs: 60_000 }),
  );
  const before = JSON.stringify({ ...cloud.truth(), nowMs: 0 });
  const described = JSON.stringify(cloud.call("DescribeNetworkInterfaces", {}));
  const launch = () =>
    cloud.launch({
      type: "c5.large",
      subnet: DUAL_SUBNET,
      interfaces: [{ deviceIndex: 1 }, { deviceIndex: 1, secondaryAddresses: ["10.6.0.77"] }],
    });
  expect(refusalOf(launch).message).toContain("already has an interface attached at device index '1'");
  expect(JSON.stringify({ ...cloud.truth(), nowMs: 0 })).toBe(before);
  expect(JSON.stringify(cloud.call("DescribeNetworkInterfaces", {}))).toBe(described);
});

test("an efa-only interface of the account takes no addresses", () => {
  const { cloud } = laboratory({}, 1, fullModel());
  const made = cloud.call("CreateNetworkInterface", { SubnetId: DUAL_SUBNET, InterfaceType: "efa-only" });
  const { networkInterfaceId, privateIpAddress } = made.networkInterface as Record<string, string>;
  expect(privateIpAddress).toBeUndefined();
  const assign = () =>
    cloud.call("AssignPrivateIpAddresses", {
      NetworkInterfaceId: networkInterfaceId ?? "",
      SecondaryPrivateIpAddressCount: 1,
    });
  expect(refusalOf(assign).code).toBe("UnsupportedOperation");
});
