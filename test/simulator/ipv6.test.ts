import {
  AssignIpv6AddressesCommand,
  CreateNetworkInterfaceCommand,
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
  UnassignIpv6AddressesCommand,
} from "@aws-sdk/client-ec2";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DUAL_NODE, DUAL_PRIMARY, DUAL_SUBNET, fullModel, PLAIN_SUBNET, TRUNK } from "./full-model.ts";
import { errorOf, laboratory, type Running, refusalOf, running } from "./support.ts";

let run: Running;
beforeEach(async () => {
  run = await running({}, {}, fullModel());
});
afterEach(() => run.close());

const interfaceNow = (id = DUAL_PRIMARY) => run.simulator.cloud.truth().interfaces.find((one) => one.id === id);
const PREFIX = /^2001:db8:6:1:[0-9a-f]{1,4}::\/80$/;

describe("AssignIpv6Addresses", () => {
  test("gives a /80 by count and answers with it alone", async () => {
    const first = await run.ec2.send(
      new AssignIpv6AddressesCommand({ NetworkInterfaceId: DUAL_PRIMARY, Ipv6PrefixCount: 1 }),
    );
    expect(first.NetworkInterfaceId).toBe(DUAL_PRIMARY);
    expect(first.AssignedIpv6Prefixes).toEqual([expect.stringMatching(PREFIX)]);
    expect(first.AssignedIpv6Addresses ?? []).toEqual([]);
    const second = await run.ec2.send(
      new AssignIpv6AddressesCommand({ NetworkInterfaceId: DUAL_PRIMARY, Ipv6PrefixCount: 2 }),
    );
    expect(second.AssignedIpv6Prefixes).toHaveLength(2);
    const all = [...(first.AssignedIpv6Prefixes ?? []), ...(second.AssignedIpv6Prefixes ?? [])];
    expect(interfaceNow()?.ipv6Prefixes).toEqual(all);
    expect(new Set(all).size).toBe(3);
  });

  test("gives addresses by count and by name, in their canonical form", async () => {
    const counted = await run.ec2.send(
      new AssignIpv6AddressesCommand({ NetworkInterfaceId: DUAL_PRIMARY, Ipv6AddressCount: 2 }),
    );
    expect(counted.AssignedIpv6Addresses).toHaveLength(2);
    const named = await run.ec2.send(
      new AssignIpv6AddressesCommand({
        NetworkInterfaceId: DUAL_PRIMARY,
        Ipv6Addresses: ["2001:0DB8:6:1:5:0:0:9"],
      }),
    );
    expect(named.AssignedIpv6Addresses).toEqual(["2001:db8:6:1:5::9"]);
    expect(interfaceNow()?.ipv6Addresses).toEqual([...(counted.AssignedIpv6Addresses ?? []), "2001:db8:6:1:5::9"]);
  });

  test.each([
    ["an address that is held", { Ipv6Addresses: ["2001:db8:6:1:5::9"] }, "assigned, but move is not allowed"],
    ["an address of a held prefix", { Ipv6Addresses: ["2001:db8:6:1:7::1"] }, "assigned, but move is not allowed"],
    ["the prefix around a held address", { Ipv6Prefixes: ["2001:db8:6:1:5::/80"] }, "assigned, but move"],
    ["an address of another network", { Ipv6Addresses: ["2001:db8:7::1"] }, "does not fall within"],
    ["a reserved address", { Ipv6Addresses: ["2001:db8:6:1::3"] }, "reserved"],
    ["the first prefix", { Ipv6Prefixes: ["2001:db8:6:1::/80"] }, "reserved"],
    ["the last prefix", { Ipv6Prefixes: ["2001:db8:6:1:ffff::/80"] }, "reserved"],
    ["a prefix of another size", { Ipv6Prefixes: ["2001:db8:6:1:9::/96"] }, "invalid value for parameter prefix"],
    ["an IPv4 address", { Ipv6Addresses: ["10.6.0.99"] }, "invalid value for parameter address"],
  ])("refuses %s and changes nothing", async (_what, parameters, text) => {
    await run.ec2.send(
      new AssignIpv6AddressesCommand({ NetworkInterfaceId: DUAL_PRIMARY, Ipv6Addresses: ["2001:db8:6:1:5::9"] }),
    );
    await run.ec2.send(
      new AssignIpv6AddressesCommand({ NetworkInterfaceId: DUAL_PRIMARY, Ipv6Prefixes: ["2001:db8:6:1:7::/80"] }),
    );
    const before = interfaceNow();
    const refused = await errorOf(
      run.ec2.send(new AssignIpv6AddressesCommand({ NetworkInterfaceId: DUAL_PRIMARY, ...parameters })),
    );
    expect(refused).toMatchObject({ name: "InvalidParameterValue", status: 400 });
    expect(refused.message).toContain(text);
    expect(interfaceNow()).toEqual(before);
  });

  test("refuses two ways at once, none, and a count below one", async () => {
    const ask = (parameters: object) =>
      errorOf(run.ec2.send(new AssignIpv6AddressesCommand({ NetworkInterfaceId: DUAL_PRIMARY, ...parameters })));
    expect((await ask({ Ipv6AddressCount: 1, Ipv6PrefixCount: 1 })).name).toBe("InvalidParameterCombination");
    expect((await ask({})).name).toBe("MissingParameter");
    expect((await ask({ Ipv6PrefixCount: 0 })).name).toBe("InvalidParameterValue");
  });

  test("refuses an interface in a subnet without an IPv6 CIDR, and says so", async () => {
    const { NetworkInterface } = await run.ec2.send(new CreateNetworkInterfaceCommand({ SubnetId: PLAIN_SUBNET }));
    const refused = await errorOf(
      run.ec2.send(
        new AssignIpv6AddressesCommand({
          NetworkInterfaceId: NetworkInterface?.NetworkInterfaceId,
          Ipv6PrefixCount: 1,
        }),
      ),
    );
    expect(refused.name).toBe("InvalidParameterValue");
    expect(refused.message).toContain(`'${PLAIN_SUBNET}' does not have an IPv6 CIDR block`);
  });

  test("refuses managed interfaces", async () => {
    const refused = run.ec2.send(new AssignIpv6AddressesCommand({ NetworkInterfaceId: TRUNK, Ipv6PrefixCount: 1 }));
    expect((await errorOf(refused)).name).toBe("OperationNotPermitted");
  });

  test("counts IPv6 slots apart from those of IPv4", () => {
    const { cloud } = laboratory({}, 1, fullModel());
    const target = { NetworkInterfaceId: DUAL_PRIMARY };
    cloud.call("AssignPrivateIpAddresses", { ...target, SecondaryPrivateIpAddressCount: 9 });
    cloud.call("AssignIpv6Addresses", { ...target, Ipv6PrefixCount: 6 });
    cloud.call("AssignIpv6Addresses", { ...target, Ipv6AddressCount: 4 });
    const full = refusalOf(() => cloud.call("AssignIpv6Addresses", { ...target, Ipv6PrefixCount: 1 }));
    expect(full.code).toBe("PrivateIpAddressLimitExceeded");
    expect(cloud.truth().interfaces.find((one) => one.id === DUAL_PRIMARY)).toMatchObject({
      secondaryAddresses: { length: 9 },
      ipv6Prefixes: { length: 6 },
      ipv6Addresses: { length: 4 },
    });
  });
});

describe("UnassignIpv6Addresses", () => {
  test("takes addresses and prefixes away and answers with them; they can be given again", async () => {
    const target = { NetworkInterfaceId: DUAL_PRIMARY };
    await run.ec2.send(new AssignIpv6AddressesCommand({ ...target, Ipv6Prefixes: ["2001:db8:6:1:7::/80"] }));
    await run.ec2.send(new AssignIpv6AddressesCommand({ ...target, Ipv6Addresses: ["2001:db8:6:1:8::1"] }));
    const answer = await run.ec2.send(
      new UnassignIpv6AddressesCommand({
        ...target,
        Ipv6Prefixes: ["2001:db8:6:1:7::/80"],
        Ipv6Addresses: ["2001:db8:6:1:8::1"],
      }),
    );
    expect(answer).toMatchObject({
      NetworkInterfaceId: DUAL_PRIMARY,
      UnassignedIpv6Prefixes: ["2001:db8:6:1:7::/80"],
      UnassignedIpv6Addresses: ["2001:db8:6:1:8::1"],
    });
    expect(interfaceNow()).toMatchObject({ ipv6Addresses: [], ipv6Prefixes: [] });
    await run.ec2.send(new AssignIpv6AddressesCommand({ ...target, Ipv6Prefixes: ["2001:db8:6:1:7::/80"] }));
  });

  test("fails as a whole when one is not there", async () => {
    const target = { NetworkInterfaceId: DUAL_PRIMARY };
    await run.ec2.send(new AssignIpv6AddressesCommand({ ...target, Ipv6Prefixes: ["2001:db8:6:1:7::/80"] }));
    const refused = await errorOf(
      run.ec2.send(
        new UnassignIpv6AddressesCommand({ ...target, Ipv6Prefixes: ["2001:db8:6:1:7::/80", "2001:db8:6:1:8::/80"] }),
      ),
    );
    expect(refused.message).toContain("Some of the specified addresses are not assigned");
    expect(interfaceNow()?.ipv6Prefixes).toEqual(["2001:db8:6:1:7::/80"]);
  });
});

describe("CreateNetworkInterface", () => {
  test("gives IPv6 prefixes or addresses with the interface, which describes and deletion know", async () => {
    const made = await run.ec2.send(
      new CreateNetworkInterfaceCommand({ SubnetId: DUAL_SUBNET, Ipv4PrefixCount: 1, Ipv6PrefixCount: 1 }),
    );
    const id = made.NetworkInterface?.NetworkInterfaceId;
    const [prefix] = made.NetworkInterface?.Ipv6Prefixes ?? [];
    expect(prefix?.Ipv6Prefix).toMatch(PREFIX);
    const named = await run.ec2.send(
      new CreateNetworkInterfaceCommand({
        SubnetId: DUAL_SUBNET,
        Ipv6Addresses: [{ Ipv6Address: "2001:db8:6:1:9::1" }],
      }),
    );
    const described = await run.ec2.send(
      new DescribeNetworkInterfacesCommand({
        Filters: [{ Name: "ipv6-addresses.ipv6-address", Values: ["2001:db8:6:1:9::1"] }],
      }),
    );
    expect(described.NetworkInterfaces).toHaveLength(1);
    expect(described.NetworkInterfaces?.[0]).toMatchObject({
      NetworkInterfaceId: named.NetworkInterface?.NetworkInterfaceId,
      Ipv6Address: "2001:db8:6:1:9::1",
      Ipv6Addresses: [{ Ipv6Address: "2001:db8:6:1:9::1", IsPrimaryIpv6: false }],
    });
    const taken = run.ec2.send(
      new CreateNetworkInterfaceCommand({
        SubnetId: DUAL_SUBNET,
        Ipv6Prefixes: [{ Ipv6Prefix: prefix?.Ipv6Prefix }],
      }),
    );
    expect((await errorOf(taken)).name).toBe("InvalidIPAddress.InUse");
    run.simulator.cloud.call("DeleteNetworkInterface", { NetworkInterfaceId: id ?? "" });
    await run.ec2.send(
      new CreateNetworkInterfaceCommand({
        SubnetId: DUAL_SUBNET,
        Ipv6Prefixes: [{ Ipv6Prefix: prefix?.Ipv6Prefix }],
      }),
    );
  });

  test("takes Ipv6AddressCount 0 everywhere and refuses more without an IPv6 CIDR", async () => {
    await run.ec2.send(new CreateNetworkInterfaceCommand({ SubnetId: PLAIN_SUBNET, Ipv6AddressCount: 0 }));
    const before = run.simulator.cloud.truth().interfaces.length;
    for (const parameters of [{ Ipv6AddressCount: 1 }, { Ipv6PrefixCount: 1 }]) {
      const refused = run.ec2.send(new CreateNetworkInterfaceCommand({ SubnetId: PLAIN_SUBNET, ...parameters }));
      expect((await errorOf(refused)).name).toBe("InvalidParameterValue");
    }
    expect(run.simulator.cloud.truth().interfaces.length).toBe(before);
  });
});

test("describes show the IPv6 CIDRs of subnets and VPCs and what instances carry", async () => {
  await run.ec2.send(new AssignIpv6AddressesCommand({ NetworkInterfaceId: DUAL_PRIMARY, Ipv6AddressCount: 1 }));
  await run.ec2.send(new AssignIpv6AddressesCommand({ NetworkInterfaceId: DUAL_PRIMARY, Ipv6PrefixCount: 1 }));
  const { Subnets } = await run.ec2.send(new DescribeSubnetsCommand({ SubnetIds: [DUAL_SUBNET, PLAIN_SUBNET] }));
  expect(Subnets?.map((one) => one.Ipv6CidrBlockAssociationSet)).toEqual([
    [
      {
        AssociationId: expect.stringMatching(/^subnet-cidr-assoc-/),
        Ipv6CidrBlock: "2001:db8:6:1::/64",
        Ipv6CidrBlockState: { State: "associated" },
      },
    ],
    [],
  ]);
  const filtered = await run.ec2.send(
    new DescribeSubnetsCommand({
      Filters: [{ Name: "ipv6-cidr-block-association.ipv6-cidr-block", Values: ["2001:db8:6:1::/64"] }],
    }),
  );
  expect(filtered.Subnets?.map((one) => one.SubnetId)).toEqual([DUAL_SUBNET]);
  const { Vpcs } = await run.ec2.send(new DescribeVpcsCommand({}));
  expect(Vpcs?.[0]?.Ipv6CidrBlockAssociationSet?.[0]).toMatchObject({ Ipv6CidrBlock: "2001:db8:6::/56" });
  const { Reservations } = await run.ec2.send(new DescribeInstancesCommand({ InstanceIds: [DUAL_NODE] }));
  const shown = Reservations?.[0]?.Instances?.[0];
  const truth = interfaceNow();
  expect(shown?.Ipv6Address).toBe(truth?.ipv6Addresses[0]);
  expect(shown?.NetworkInterfaces?.[0]).toMatchObject({
    Ipv6Addresses: [{ Ipv6Address: truth?.ipv6Addresses[0] }],
    Ipv6Prefixes: [{ Ipv6Prefix: truth?.ipv6Prefixes[0] }],
  });
});

test("metadata shows IPv6 keys only where there is IPv6", () => {
  const lab = laboratory({}, 1, fullModel());
  const put = { "x-aws-ec2-metadata-token-ttl-seconds": "60" };
  const token = lab.cloud.metadata(DUAL_NODE, { method: "PUT", path: "/latest/api/token", headers: put });
  const headers = { "x-aws-ec2-metadata-token": token.kind === "reply" ? token.body : "" };
  const get = (path: string) => {
    const answer = lab.cloud.metadata(DUAL_NODE, { method: "GET", path: `/latest/meta-data/${path}`, headers });
    if (answer.kind !== "reply") throw new Error(answer.kind);
    return answer.status === 200 ? answer.body : answer.status;
  };
  const macs = `network/interfaces/macs/${get("mac")}`;
  expect([get("ipv6"), get(`${macs}/ipv6s`), get(`${macs}/ipv6-prefix`)]).toEqual([404, 404, 404]);
  expect(get(`${macs}/subnet-ipv6-cidr-blocks`)).toBe("2001:db8:6:1::/64");
  expect(get(`${macs}/vpc-ipv6-cidr-blocks`)).toBe("2001:db8:6::/56");
  lab.cloud.call("AssignIpv6Addresses", {
    NetworkInterfaceId: DUAL_PRIMARY,
    Ipv6Addresses: ["2001:db8:6:1:5::1", "2001:db8:6:1:5::2"],
  });
  lab.cloud.call("AssignIpv6Addresses", { NetworkInterfaceId: DUAL_PRIMARY, Ipv6Prefix: ["2001:db8:6:1:6::/80"] });
  expect(get(`${macs}/ipv6s`)).toBe("2001:db8:6:1:5::1\n2001:db8:6:1:5::2");
  expect(get(`${macs}/ipv6-prefix`)).toBe("2001:db8:6:1:6::/80");
  expect(get("ipv6")).toBe("2001:db8:6:1:5::1");
  const trunkMac = lab.cloud.truth().interfaces.find((one) => one.id === TRUNK)?.mac;
  expect(get(`network/interfaces/macs/${trunkMac}/subnet-ipv6-cidr-blocks`)).toBe(404);
});
