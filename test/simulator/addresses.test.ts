import {
  AssignPrivateIpAddressesCommand,
  CreateNetworkInterfaceCommand,
  DeleteNetworkInterfaceCommand,
  UnassignPrivateIpAddressesCommand,
} from "@aws-sdk/client-ec2";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { errorOf, MANAGED, NODE_SUBNET, PRIMARY, type Running, running, SMALL_SUBNET, XEN_NODE } from "./support.ts";

let run: Running;
beforeEach(async () => {
  run = await running();
});
afterEach(() => run.close());

type Assign = ConstructorParameters<typeof AssignPrivateIpAddressesCommand>[0];
const assign = (input: Partial<Assign>) =>
  run.ec2.send(new AssignPrivateIpAddressesCommand({ NetworkInterfaceId: PRIMARY, ...input }));
const unassign = (input: object) =>
  run.ec2.send(new UnassignPrivateIpAddressesCommand({ NetworkInterfaceId: PRIMARY, ...input }));
const create = async (input: object) => {
  const { NetworkInterface: made } = await run.ec2.send(
    new CreateNetworkInterfaceCommand({ SubnetId: NODE_SUBNET, ...input }),
  );
  return made?.NetworkInterfaceId ?? "";
};
const truthOf = (id: string) => run.simulator.cloud.truth().interfaces.find((one) => one.id === id);
const free = (id: string) => run.simulator.cloud.truth().subnets.find((one) => one.id === id)?.freeAddresses;

describe("AssignPrivateIpAddresses", () => {
  test("answers with the newly assigned addresses only", async () => {
    const first = await assign({ SecondaryPrivateIpAddressCount: 2 });
    const second = await assign({ PrivateIpAddresses: ["10.0.0.200"] });
    expect(first.AssignedPrivateIpAddresses).toHaveLength(2);
    expect(second).toMatchObject({
      NetworkInterfaceId: PRIMARY,
      AssignedPrivateIpAddresses: [{ PrivateIpAddress: "10.0.0.200" }],
    });
    expect(truthOf(PRIMARY)?.secondaryAddresses).toEqual([
      ...(first.AssignedPrivateIpAddresses ?? []).map((one) => one.PrivateIpAddress),
      "10.0.0.200",
    ]);
  });

  test("holds the limit of the instance type, prefixes included", async () => {
    await assign({ SecondaryPrivateIpAddressCount: 8 });
    expect(await errorOf(assign({ SecondaryPrivateIpAddressCount: 2 }))).toEqual({
      name: "PrivateIpAddressLimitExceeded",
      message: "Number of private addresses will exceed limit.",
      status: 400,
    });
    await assign({ Ipv4PrefixCount: 1 });
    expect((await errorOf(assign({ SecondaryPrivateIpAddressCount: 1 }))).name).toBe("PrivateIpAddressLimitExceeded");
    expect(truthOf(PRIMARY)?.secondaryAddresses).toHaveLength(8);
  });

  test("is all or nothing", async () => {
    const before = free(NODE_SUBNET);
    const refused = errorOf(assign({ PrivateIpAddresses: ["10.0.0.210", "10.0.0.11", "10.0.0.12"] }));
    expect(await refused).toMatchObject({
      name: "InvalidParameterValue",
      message: "[10.0.0.11, 10.0.0.12] assigned, but move is not allowed.",
    });
    expect(truthOf(PRIMARY)?.secondaryAddresses).toEqual([]);
    expect(free(NODE_SUBNET)).toBe(before);
  });

  test("moves a secondary address of another interface only when told so, and never a primary one", async () => {
    const other = await create({
      PrivateIpAddresses: [{ PrivateIpAddress: "10.0.0.30", Primary: true }, { PrivateIpAddress: "10.0.0.31" }],
    });
    expect((await errorOf(assign({ PrivateIpAddresses: ["10.0.0.31"] }))).message).toBe(
      "[10.0.0.31] assigned, but move is not allowed.",
    );
    await assign({ PrivateIpAddresses: ["10.0.0.31"], AllowReassignment: true });
    expect(truthOf(other)?.secondaryAddresses).toEqual([]);
    expect(truthOf(PRIMARY)?.secondaryAddresses).toEqual(["10.0.0.31"]);
    const primary = errorOf(assign({ PrivateIpAddresses: ["10.0.0.30"], AllowReassignment: true }));
    expect((await primary).message).toContain("secondary-addresses");
    run.simulator.cloud.occupy(NODE_SUBNET, ["10.0.0.40"]);
    const foreign = errorOf(assign({ PrivateIpAddresses: ["10.0.0.40"], AllowReassignment: true }));
    expect((await foreign).name).toBe("Resource.AlreadyAssigned");
  });

  test("moves an address to another instance: none is freed or taken, and a full one takes none", async () => {
    const { interfaces } = run.simulator.cloud.truth();
    const other = interfaces.find((one) => one.attachment?.instanceId === XEN_NODE)?.id ?? "";
    const move = (address: string, NetworkInterfaceId: string) =>
      assign({ NetworkInterfaceId, PrivateIpAddresses: [address], AllowReassignment: true });
    const carried = () => [PRIMARY, other].map((id) => truthOf(id)?.secondaryAddresses);
    await assign({ PrivateIpAddresses: ["10.0.0.211", "10.0.0.212"] });
    const before = free(NODE_SUBNET);
    await move("10.0.0.211", other);
    expect(carried()).toEqual([["10.0.0.212"], ["10.0.0.211"]]);
    expect(free(NODE_SUBNET)).toBe(before);
    // A t2.micro has two addresses on an interface.
    expect((await errorOf(move("10.0.0.212", other))).name).toBe("PrivateIpAddressLimitExceeded");
    expect(carried()).toEqual([["10.0.0.212"], ["10.0.0.211"]]);
    await move("10.0.0.211", PRIMARY);
    expect(carried()).toEqual([["10.0.0.212", "10.0.0.211"], []]);
  });

  test("takes an address that is there already only with AllowReassignment, and no slot for it", async () => {
    const { AssignedPrivateIpAddresses = [] } = await assign({ SecondaryPrivateIpAddressCount: 9 });
    const own = AssignedPrivateIpAddresses.map((one) => one.PrivateIpAddress ?? "").slice(0, 2);
    expect((await errorOf(assign({ PrivateIpAddresses: own.slice(0, 1) }))).message).toContain("move is not allowed");
    await assign({ PrivateIpAddresses: own, AllowReassignment: true });
    expect(truthOf(PRIMARY)?.secondaryAddresses).toHaveLength(9);
  });

  test("refuses nothing, several ways at once, bad literals and managed interfaces", async () => {
    expect((await errorOf(assign({}))).name).toBe("MissingParameter");
    expect((await errorOf(assign({ PrivateIpAddresses: [] }))).name).toBe("MissingParameter");
    expect((await errorOf(assign({ SecondaryPrivateIpAddressCount: 1, Ipv4PrefixCount: 1 }))).name).toBe(
      "InvalidParameterCombination",
    );
    expect((await errorOf(assign({ SecondaryPrivateIpAddressCount: 0 }))).name).toBe("InvalidParameterValue");
    expect((await errorOf(assign({ PrivateIpAddresses: ["10.0.0.0x"] }))).message).toBe(
      "invalid value for parameter address: 10.0.0.0x",
    );
    expect((await errorOf(assign({ PrivateIpAddresses: ["10.0.1.5"] }))).message).toBe(
      "Address does not fall within the subnet's address range",
    );
    expect((await errorOf(assign({ PrivateIpAddresses: ["10.0.0.1"] }))).message).toBe(
      "Address is in subnet's reserved address range",
    );
    expect((await errorOf(assign({ NetworkInterfaceId: MANAGED, SecondaryPrivateIpAddressCount: 1 }))).name).toBe(
      "OperationNotPermitted",
    );
  });
});

describe("exhaustion arrives in three forms", () => {
  test("more asked than free, and nothing free", async () => {
    const id = await create({ SubnetId: SMALL_SUBNET, SecondaryPrivateIpAddressCount: 8 });
    expect(free(SMALL_SUBNET)).toBe(2);
    expect(await errorOf(assign({ NetworkInterfaceId: id, SecondaryPrivateIpAddressCount: 3 }))).toMatchObject({
      name: "InvalidParameterValue",
      message: "There aren't sufficient free Ipv4 addresses or prefixes",
    });
    await assign({ NetworkInterfaceId: id, SecondaryPrivateIpAddressCount: 2 });
    const full = {
      name: "InsufficientFreeAddressesInSubnet",
      message: "The specified subnet does not have enough free addresses to satisfy the request.",
      status: 400,
    };
    expect(await errorOf(assign({ NetworkInterfaceId: id, SecondaryPrivateIpAddressCount: 1 }))).toEqual(full);
    expect(await errorOf(create({ SubnetId: SMALL_SUBNET }))).toEqual(full);
    await run.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: id }));
    expect(free(SMALL_SUBNET)).toBe(11);
  });

  test("enough addresses free, but no whole /28", async () => {
    for (let block = 0; block < 256; block += 16) run.simulator.cloud.occupy(NODE_SUBNET, [`10.0.0.${block + 8}`]);
    expect(free(NODE_SUBNET)).toBeGreaterThan(200);
    expect(await errorOf(assign({ Ipv4PrefixCount: 1 }))).toMatchObject({
      name: "InsufficientCidrBlocks",
      message: "The specified subnet does not have enough free cidr blocks to satisfy the request.",
    });
    await assign({ SecondaryPrivateIpAddressCount: 3 });
  });
});

describe("prefixes", () => {
  test("come by count and by name, take 16 addresses each and go as a whole", async () => {
    const before = free(NODE_SUBNET) ?? 0;
    const named = await assign({ Ipv4Prefixes: ["10.0.0.224/28"] });
    const counted = await assign({ Ipv4PrefixCount: 2 });
    expect(counted.AssignedIpv4Prefixes).toHaveLength(2);
    expect(named.AssignedIpv4Prefixes).toEqual([{ Ipv4Prefix: "10.0.0.224/28" }]);
    expect(free(NODE_SUBNET)).toBe(before - 48);
    expect((await errorOf(assign({ PrivateIpAddresses: ["10.0.0.225"] }))).message).toContain("move is not allowed");
    await unassign({ Ipv4Prefixes: ["10.0.0.224/28"] });
    expect(free(NODE_SUBNET)).toBe(before - 32);
  });

  test("refuse the reserved first and last block, other sizes, overlaps, and instances without Nitro", async () => {
    for (const prefix of ["10.0.0.0/28", "10.0.0.240/28", "10.0.0.32/27", "10.0.0.33/28", "10.0.1.0/28"]) {
      expect((await errorOf(assign({ Ipv4Prefixes: [prefix] }))).name, prefix).toBe("InvalidParameterValue");
    }
    await assign({ PrivateIpAddresses: ["10.0.0.66"] });
    expect((await errorOf(assign({ Ipv4Prefixes: ["10.0.0.64/28"] }))).name).toBe("InvalidParameterValue");
    const xen = run.simulator.cloud.truth().interfaces.find((one) => one.attachment?.instanceId === XEN_NODE);
    expect((await errorOf(assign({ NetworkInterfaceId: xen?.id, Ipv4PrefixCount: 1 }))).name).toBe("Unsupported");
  });

  test("come with a new interface, by count and by name", async () => {
    const counted = await create({ Ipv4PrefixCount: 2 });
    const named = await create({ Ipv4Prefixes: [{ Ipv4Prefix: "10.0.0.192/28" }] });
    expect(truthOf(counted)?.prefixes).toHaveLength(2);
    expect(truthOf(named)?.prefixes).toEqual(["10.0.0.192/28"]);
  });
});

describe("UnassignPrivateIpAddresses", () => {
  test("removes what is named and nothing when one of it is not there", async () => {
    await assign({ PrivateIpAddresses: ["10.0.0.50", "10.0.0.51"] });
    expect(await errorOf(unassign({ PrivateIpAddresses: ["10.0.0.50", "10.0.0.52"] }))).toMatchObject({
      name: "InvalidParameterValue",
      message: `Some of the specified addresses are not assigned to interface ${PRIMARY}`,
    });
    expect(truthOf(PRIMARY)?.secondaryAddresses).toEqual(["10.0.0.50", "10.0.0.51"]);
    await unassign({ PrivateIpAddresses: ["10.0.0.50"] });
    expect(truthOf(PRIMARY)?.secondaryAddresses).toEqual(["10.0.0.51"]);
  });

  test("keeps the primary address and wants a list", async () => {
    expect((await errorOf(unassign({ PrivateIpAddresses: ["10.0.0.10"] }))).name).toBe("InvalidParameterValue");
    expect((await errorOf(unassign({}))).name).toBe("MissingParameter");
  });
});
