import { describe, expect, it } from "vitest";
import type { EnidError } from "../../../src/errors.ts";
import { chooseSubnets, listed, missingTag } from "../../../src/providers/aws/subnets.ts";
import { actions, aNode, foreignCall } from "./driving.ts";
import {
  NEVER_SUBNET,
  NODE_GROUP,
  NODE_SUBNET,
  NOTHING_SAID,
  OTHER_VPC_SUBNET,
  OTHER_ZONE_SUBNET,
  POD_GROUP,
  POD_SUBNET,
  PRIMARY,
  SECOND_POD_SUBNET,
  VPC,
} from "./harness.ts";
import { rejection } from "./support.ts";

const PODS = { "enid.io/pods": "true" };
const ids = (list: readonly { readonly id: string }[]) => list.map((one) => one.id);

describe("the choice of subnets", () => {
  it("takes all subnets with the tags, in the node's VPC and zone only", async () => {
    const node = await aNode();
    const { subnets, refused } = await node.provider.resolve({ ...NOTHING_SAID, subnetTags: PODS });
    expect(ids(subnets)).toEqual([POD_SUBNET, SECOND_POD_SUBNET]);
    expect(subnets[0]).toMatchObject({ cidr: "10.64.1.0/24", freeAddresses: 251, tags: PODS });
    expect(refused).toEqual([
      { id: NODE_SUBNET, why: "has no tag enid.io/pods" },
      { id: NEVER_SUBNET, why: 'tag enid.io/pods is "never", not "true"' },
      { id: OTHER_ZONE_SUBNET, why: "in zone eu-central-1b" },
    ]);
    expect(actions(node).filter((action) => action === "DescribeSubnets")).toHaveLength(1);
  });

  it("wants every tag", async () => {
    const node = await aNode();
    const selection = { ...NOTHING_SAID, subnetTags: { ...PODS, team: "a" } };
    expect(ids((await node.provider.resolve(selection)).subnets)).toEqual([SECOND_POD_SUBNET]);
  });

  it("takes the subnets named, and those only, also when tags are given", async () => {
    const node = await aNode();
    const selection = { ...NOTHING_SAID, subnetIds: [NEVER_SUBNET], subnetTags: PODS };
    expect(ids((await node.provider.resolve(selection)).subnets)).toEqual([NEVER_SUBNET]);
  });

  it("falls back to the subnet of the primary interface only when nothing is said", async () => {
    const node = await aNode();
    expect(ids((await node.provider.resolve(NOTHING_SAID)).subnets)).toEqual([NODE_SUBNET]);
  });

  it("refuses rather than take another subnet, and says why each was refused", async () => {
    const node = await aNode();
    const unknown = "subnet-0fffffffffffffff0";
    const error = (await rejection(
      node.provider.resolve({ ...NOTHING_SAID, subnetIds: [OTHER_ZONE_SUBNET, OTHER_VPC_SUBNET, unknown] }),
    )) as EnidError;
    expect(error.code).toBe("ENID_SUBNET_NO_MATCH");
    expect(error.values).toMatchObject({ vpcId: VPC, availabilityZone: "eu-central-1a" });
    expect(error.message).toContain(`${OTHER_ZONE_SUBNET} (in zone eu-central-1b)`);
    expect(error.message).toContain(`${OTHER_VPC_SUBNET} (in vpc-0b000000000000001, not in the node's VPC)`);
    expect(error.message).toContain(`${unknown} (EC2 knows no such subnet)`);
    expect(error.values.selection).toBe(`subnet-ids ${OTHER_ZONE_SUBNET}, ${OTHER_VPC_SUBNET}, ${unknown}`);
  });

  it("lists what it saw when no subnet has the tags", async () => {
    const node = await aNode();
    const error = (await rejection(
      node.provider.resolve({ ...NOTHING_SAID, subnetTags: { "enid.io/pods": "yes" } }),
    )) as EnidError;
    expect(error.values.selection).toBe("subnet-tags enid.io/pods=yes");
    for (const id of [NODE_SUBNET, POD_SUBNET, SECOND_POD_SUBNET, NEVER_SUBNET, OTHER_ZONE_SUBNET]) {
      expect(error.message).toContain(id);
    }
    expect(error.message).toContain('tag enid.io/pods is "true", not "yes"');
  });

  it("takes only subnets that are available", () => {
    const home = { vpcId: "vpc-1", availabilityZone: "a", primarySubnetId: "subnet-1" };
    const subnet = { SubnetId: "subnet-1", VpcId: "vpc-1", AvailabilityZone: "a", CidrBlock: "10.0.0.0/24" };
    const choice = { subnetIds: [], subnetTags: {} };
    expect(chooseSubnets([{ ...subnet, State: "pending" }], choice, home)).toEqual({
      subnets: [],
      refused: [{ id: "subnet-1", why: "state pending" }],
    });
    expect(chooseSubnets([{ ...subnet, State: "available" }], choice, home).subnets).toHaveLength(1);
  });

  it("compares tags exactly, also those named like what objects inherit", () => {
    expect(missingTag({}, { toString: "x" })).toBe("has no tag toString");
    expect(missingTag({ a: "" }, { a: "" })).toBeUndefined();
    expect(missingTag({ a: "B" }, { a: "b" })).toBe('tag a is "B", not "b"');
  });

  it("lists twenty and counts the rest", () => {
    expect(listed([])).toBe("none");
    expect(listed(Array.from({ length: 23 }, (_, index) => `s${index}`))).toMatch(/s19 and 3 more$/);
  });
});

describe("the IPv6 CIDR of a subnet", () => {
  const home = { vpcId: VPC, availabilityZone: "eu-central-1a", primarySubnetId: NODE_SUBNET };
  const subnet = (...states: string[]) => ({
    SubnetId: NODE_SUBNET,
    VpcId: VPC,
    AvailabilityZone: "eu-central-1a",
    State: "available" as const,
    CidrBlock: "10.64.0.0/24",
    Ipv6CidrBlockAssociationSet: states.map((State, position) => ({
      Ipv6CidrBlock: `2001:DB8:0:${position}:0:0:0:0/64`,
      Ipv6CidrBlockState: { State: State as "associated" },
    })),
  });
  const cidr = (...states: string[]) =>
    chooseSubnets([subnet(...states)], { subnetIds: [], subnetTags: {} }, home).subnets[0]?.ipv6Cidr;

  it("is that of the block that is associated", () => {
    expect(cidr("associated")).toBe("2001:db8::/64");
    expect(cidr("disassociated", "associated")).toBe("2001:db8:0:1::/64");
  });

  it("is absent while none is associated", () => {
    expect(cidr()).toBeUndefined();
    for (const state of ["associating", "disassociating", "disassociated", "failing", "failed"]) {
      expect(cidr(state), state).toBeUndefined();
    }
  });
});

describe("the choice of security groups", () => {
  it("takes those named, in that order, without doubles", async () => {
    const node = await aNode();
    const securityGroups = [POD_GROUP, NODE_GROUP, POD_GROUP];
    const resolution = await node.provider.resolve({ ...NOTHING_SAID, securityGroups });
    expect(resolution.securityGroups).toEqual([POD_GROUP, NODE_GROUP]);
  });

  it("refuses all when one of those named is not in the VPC", async () => {
    const node = await aNode();
    for (const wrong of ["sg-0b000000000000001", "sg-0fffffffffffffff0"]) {
      const error = (await rejection(
        node.provider.resolve({ ...NOTHING_SAID, securityGroups: [POD_GROUP, wrong] }),
      )) as EnidError;
      expect(error.code).toBe("ENID_SECURITY_GROUP_NO_MATCH");
      expect(error.values.selection).toBe(`security-groups ${wrong}`);
    }
  });

  it("takes all with the tags, in the node's VPC", async () => {
    const node = await aNode();
    const resolution = await node.provider.resolve({ ...NOTHING_SAID, securityGroupTags: { role: "pod" } });
    expect(resolution.securityGroups).toEqual([POD_GROUP]);
  });

  it("takes a wildcard in a tag's value for what it is", async () => {
    const node = await aNode();
    const error = await rejection(node.provider.resolve({ ...NOTHING_SAID, securityGroupTags: { role: "po*" } }));
    expect(error).toMatchObject({ code: "ENID_SECURITY_GROUP_NO_MATCH" });
    expect(String(error)).toContain(`${POD_GROUP} (pods, ${VPC}, tags role=pod, team=a)`);
  });

  it("follows a change on the primary interface when they are inherited from it", async () => {
    const node = await aNode();
    expect((await node.provider.resolve(NOTHING_SAID)).securityGroups).toEqual([NODE_GROUP]);
    foreignCall(node, "ModifyNetworkInterfaceAttribute", {
      NetworkInterfaceId: PRIMARY,
      SecurityGroupId: [NODE_GROUP, POD_GROUP],
    });
    const { securityGroups } = await node.provider.resolve(NOTHING_SAID);
    expect([...securityGroups].sort()).toEqual([NODE_GROUP, POD_GROUP]);
  });

  it("takes those of the primary interface when nothing is said, without asking EC2", async () => {
    const node = await aNode();
    expect((await node.provider.resolve(NOTHING_SAID)).securityGroups).toEqual([NODE_GROUP]);
    expect(actions(node)).not.toContain("DescribeSecurityGroups");
  });
});
