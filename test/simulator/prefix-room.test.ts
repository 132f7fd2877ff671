import {
  CreateSubnetCidrReservationCommand,
  DeleteSubnetCidrReservationCommand,
  GetSubnetCidrReservationsCommand,
} from "@aws-sdk/client-ec2";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Result } from "../../src/simulator/index.ts";
import { loadModel } from "../../src/simulator/index.ts";
import { DUAL_PRIMARY, DUAL_SUBNET, fullJson, fullModel, OTHER_SUBNET, PLAIN_SUBNET } from "./full-model.ts";
import { errorOf, laboratory, type Running, refusalOf, running } from "./support.ts";

const lab = () => laboratory({ throttling: false }, 3, fullModel()).cloud;
type Cloud = ReturnType<typeof lab>;

const create = (cloud: Cloud, more: Record<string, number>) => {
  const made = cloud.call("CreateNetworkInterface", { SubnetId: DUAL_SUBNET, ...more }).networkInterface as Result;
  return cloud.truth().interfaces.find((one) => one.id === made.networkInterfaceId);
};
const reserve = (cloud: Cloud, cidr: string, type: "prefix" | "explicit") =>
  (
    cloud.call("CreateSubnetCidrReservation", { SubnetId: DUAL_SUBNET, Cidr: cidr, ReservationType: type })
      .subnetCidrReservation as Result
  ).subnetCidrReservationId as string;

describe("subnet CIDR reservations over the wire", () => {
  let run: Running;
  beforeEach(async () => {
    run = await running({}, { maxAttempts: 1 }, fullModel());
  });
  afterEach(() => run.close());

  test("are made, shown by family and deleted, with tags and filters", async () => {
    const made = await run.ec2.send(
      new CreateSubnetCidrReservationCommand({
        SubnetId: DUAL_SUBNET,
        Cidr: "10.6.0.128/25",
        ReservationType: "prefix",
        Description: "for pods",
        TagSpecifications: [{ ResourceType: "subnet-cidr-reservation", Tags: [{ Key: "of", Value: "enid" }] }],
      }),
    );
    expect(made.SubnetCidrReservation).toEqual({
      SubnetCidrReservationId: expect.stringMatching(/^scr-[0-9a-f]{17}$/),
      SubnetId: DUAL_SUBNET,
      Cidr: "10.6.0.128/25",
      ReservationType: "prefix",
      OwnerId: "111122223333",
      Description: "for pods",
      Tags: [{ Key: "of", Value: "enid" }],
    });
    await run.ec2.send(
      new CreateSubnetCidrReservationCommand({
        SubnetId: DUAL_SUBNET,
        Cidr: "2001:db8:6:1:8000::/66",
        ReservationType: "explicit",
      }),
    );
    const all = await run.ec2.send(new GetSubnetCidrReservationsCommand({ SubnetId: DUAL_SUBNET }));
    expect(all.SubnetIpv4CidrReservations).toEqual([made.SubnetCidrReservation]);
    expect(all.SubnetIpv6CidrReservations?.map((one) => one.Cidr)).toEqual(["2001:db8:6:1:8000::/66"]);
    const explicit = await run.ec2.send(
      new GetSubnetCidrReservationsCommand({
        SubnetId: DUAL_SUBNET,
        Filters: [{ Name: "reservationType", Values: ["explicit"] }],
      }),
    );
    expect([explicit.SubnetIpv4CidrReservations, explicit.SubnetIpv6CidrReservations]).toMatchObject([[], [{}]]);
    expect(run.simulator.cloud.truth().subnets.find((one) => one.id === DUAL_SUBNET)?.reservations).toHaveLength(2);
    const SubnetCidrReservationId = made.SubnetCidrReservation?.SubnetCidrReservationId;
    const deleted = await run.ec2.send(new DeleteSubnetCidrReservationCommand({ SubnetCidrReservationId }));
    expect(deleted.DeletedSubnetCidrReservation).toEqual(made.SubnetCidrReservation);
    const again = await errorOf(run.ec2.send(new DeleteSubnetCidrReservationCommand({ SubnetCidrReservationId })));
    expect(again.name).toBe("InvalidSubnetCidrReservationID.NotFound");
  });

  test.each([
    ["a range outside the subnet", "10.6.9.0/28", "prefix", "is not within"],
    ["host bits", "10.6.0.1/28", "prefix", "not a valid CIDR"],
    ["an overlap", "10.6.0.64/28", "explicit", "has overlap with existing reserved CIDR block"],
    ["another type", "10.6.0.128/28", "both", "reservationType"],
  ])("refuse %s", async (_what, Cidr, type, text) => {
    const ask = (cidr: string, ReservationType: string) =>
      run.ec2.send(
        new CreateSubnetCidrReservationCommand({
          SubnetId: DUAL_SUBNET,
          Cidr: cidr,
          ReservationType: ReservationType as "prefix",
        }),
      );
    await ask("10.6.0.64/26", "prefix");
    const refused = await errorOf(ask(Cidr, type));
    expect(refused.name).toBe("InvalidParameterValue");
    expect(refused.message).toContain(text);
  });

  test("are refused for an IPv6 range in a subnet without one", async () => {
    const refused = run.ec2.send(
      new CreateSubnetCidrReservationCommand({
        SubnetId: PLAIN_SUBNET,
        Cidr: "2001:db8:6:1::/66",
        ReservationType: "prefix",
      }),
    );
    expect((await errorOf(refused)).message).toContain("does not have an IPv6 CIDR block");
  });
});

describe("a prefix reservation", () => {
  test("is where automatic prefixes come from, and no single address does", () => {
    const cloud = lab();
    reserve(cloud, "10.6.0.64/27", "prefix");
    const first = create(cloud, { Ipv4PrefixCount: 2 });
    expect(first?.prefixes.toSorted()).toEqual(["10.6.0.64/28", "10.6.0.80/28"]);
    expect(refusalOf(() => create(cloud, { Ipv4PrefixCount: 1 })).code).toBe("InsufficientCidrBlocks");
  });

  test("lets no automatic address be chosen from it", () => {
    const cloud = lab();
    reserve(cloud, "10.6.0.128/25", "prefix");
    const free = () => cloud.truth().subnets.find((one) => one.id === DUAL_SUBNET)?.freeAddresses ?? 0;
    const taken: string[] = [];
    while (taken.length < 123) {
      const made = create(cloud, { SecondaryPrivateIpAddressCount: Math.min(40, 122 - taken.length) });
      taken.push(made?.primaryAddress ?? "", ...(made?.secondaryAddresses ?? []));
    }
    expect(taken.every((address) => Number(address.split(".")[3]) < 128)).toBe(true);
    expect(free()).toBe(127);
    expect(refusalOf(() => create(cloud, {})).code).toBe("InsufficientFreeAddressesInSubnet");
    expect(
      cloud.call("AssignPrivateIpAddresses", { NetworkInterfaceId: DUAL_PRIMARY, PrivateIpAddress: ["10.6.0.200"] }),
    );
  });
});

describe("an explicit reservation", () => {
  test("is for those alone who name its addresses", () => {
    const cloud = lab();
    const id = reserve(cloud, "10.6.0.16/28", "explicit");
    reserve(cloud, "10.6.0.32/27", "explicit");
    reserve(cloud, "10.6.0.64/26", "explicit");
    reserve(cloud, "10.6.0.128/26", "explicit");
    reserve(cloud, "10.6.0.192/26", "explicit");
    expect(refusalOf(() => create(cloud, { Ipv4PrefixCount: 1 })).code).toBe("InsufficientCidrBlocks");
    const named = { NetworkInterfaceId: DUAL_PRIMARY, Ipv4Prefix: ["10.6.0.32/28"] };
    cloud.call("AssignPrivateIpAddresses", named);
    cloud.call("DeleteSubnetCidrReservation", { SubnetCidrReservationId: id });
    expect(create(cloud, { Ipv4PrefixCount: 1 })?.prefixes).toEqual(["10.6.0.16/28"]);
  });

  test("and one of prefixes steer IPv6 as well", () => {
    const cloud = lab();
    reserve(cloud, "2001:db8:6:1:10::/79", "prefix");
    const prefixes = create(cloud, { Ipv6PrefixCount: 2 })?.ipv6Prefixes.toSorted();
    expect(prefixes).toEqual(["2001:db8:6:1:10::/80", "2001:db8:6:1:11::/80"]);
    expect(refusalOf(() => create(cloud, { Ipv6PrefixCount: 1 })).code).toBe("InsufficientCidrBlocks");
  });
});

describe("a fragmented subnet", () => {
  test("has free addresses and no prefix until it is defragmented", () => {
    const cloud = lab();
    cloud.call("AssignPrivateIpAddresses", { NetworkInterfaceId: DUAL_PRIMARY, Ipv4PrefixCount: 1 });
    expect(cloud.fragment(DUAL_SUBNET)).toBe(13);
    expect(cloud.fragment(DUAL_SUBNET)).toBe(0);
    expect(refusalOf(() => create(cloud, { Ipv4PrefixCount: 1 })).code).toBe("InsufficientCidrBlocks");
    expect(create(cloud, { SecondaryPrivateIpAddressCount: 3 })?.secondaryAddresses).toHaveLength(3);
    expect(cloud.defragment(DUAL_SUBNET)).toBe(13);
    expect(cloud.defragment(DUAL_SUBNET)).toBe(0);
    expect(create(cloud, { Ipv4PrefixCount: 1 })?.prefixes).toHaveLength(1);
  });

  test("keeps what others hold when it is defragmented", () => {
    const cloud = lab();
    cloud.occupy(OTHER_SUBNET, ["10.6.0.40"]);
    expect(cloud.fragment(OTHER_SUBNET)).toBe(13);
    cloud.defragment(OTHER_SUBNET);
    expect(cloud.truth("444455556666").subnets).toMatchObject([{ usedByOthers: 1 }]);
  });

  test("is described in the model file", () => {
    const json = fullJson();
    const subnets = json.subnets.map((one) => ({
      ...one,
      fragmented: true,
      reservations: [{ cidr: one.cidr.replace("0/24", "64/26"), type: "prefix" }],
    }));
    const description = loadModel({ ...json, subnets }, "fragmented.json");
    const { cloud } = laboratory({}, 1, description);
    expect(refusalOf(() => create(cloud, { Ipv4PrefixCount: 1 })).code).toBe("InsufficientCidrBlocks");
    expect(cloud.defragment(DUAL_SUBNET)).toBeGreaterThan(10);
    expect(create(cloud, { Ipv4PrefixCount: 1 })?.prefixes[0]).toMatch(/^10\.6\.0\.(64|80|96|112)\/28$/);
  });
});
