import { describe, expect, it } from "vitest";
import type { OtherIpam } from "../../../src/manager/ports/index.ts";
import { OTHER_IPAM_NAMES, offLimits, otherIpamOf } from "../../../src/providers/aws/foreign.ts";
import type { InterfaceDescription } from "../../../src/simulator/model/description.ts";
import { actions, aNode, failedExecute, foreignCall } from "./driving.ts";
import {
  addStep,
  INSTANCE,
  intentOf,
  NOTHING_SAID,
  type Node,
  POD_SUBNET,
  PRIMARY,
  Progress,
  releaseStep,
  removeStep,
} from "./harness.ts";

const FOREIGN = "eni-0c000000000000001";
const attachment = { instance: INSTANCE, deviceIndex: 1 };
const vpcCni = { "node.k8s.amazonaws.com/instance_id": INSTANCE, "node.k8s.amazonaws.com/createdAt": "2026-01-01" };
const cilium = { "io.cilium/cilium-managed": "true", "io.cilium/cluster-name": "blue" };

async function nodeWith(more: Partial<InterfaceDescription>): Promise<Node> {
  const interfaces = [{ id: FOREIGN, subnet: POD_SUBNET, attachment, ...more }];
  const node = await aNode({ model: { interfaces } });
  await node.provider.resolve(NOTHING_SAID);
  return node;
}

async function judged(node: Node) {
  const seen = [];
  for (const source of ["cloud", "metadata"] as const) {
    const { interfaces } = await node.provider.observe(source);
    const one = interfaces.find(({ id }) => id === FOREIGN);
    seen.push([one?.foreign, one?.foreignBecause]);
    const primary = interfaces.find(({ id }) => id === PRIMARY);
    expect(primary?.foreign).toBe(false);
    expect(primary).not.toHaveProperty("foreignBecause");
  }
  expect(seen[1]).toEqual(seen[0]);
  return seen[0];
}

describe("an interface of somebody else", () => {
  it.each([
    ["managed by amazon-elb", { requesterManaged: true, requesterId: "amazon-elb" }],
    ["of type trunk", { interfaceType: "trunk", requesterManaged: false }],
    ["of type branch", { interfaceType: "branch", requesterManaged: false }],
    ["of type efa", { interfaceType: "efa", requesterManaged: false }],
    ["of the VPC CNI", { tags: { "node.k8s.amazonaws.com/instance_id": INSTANCE } }],
    ["of the VPC CNI", { tags: { "node.k8s.amazonaws.com/createdAt": "2026-01-01T00:00:00Z" } }],
    ["of Cilium's operator", { tags: { "io.cilium/cilium-managed": "true" } }],
    ["of Cilium's operator", { tags: { "io.cilium/cluster-name": "blue" } }],
    ["of Cilium's operator", { description: `Cilium-CNI (${INSTANCE})` }],
    ["tagged node.k8s.amazonaws.com/no_manage", { tags: { "node.k8s.amazonaws.com/no_manage": "true" } }],
  ] as const)("is foreign because it is %s: %j", async (because, more) => {
    const node = await nodeWith(more);
    expect(await judged(node)).toEqual([true, because]);
    const { error } = await failedExecute(node, intentOf(addStep(FOREIGN, 1, POD_SUBNET)));
    expect(error.code).toBe("ENID_REFUSED");
    expect(error.message).toContain(because);
    expect(actions(node, true)).toEqual([]);
  });

  it("is foreign by its operator, and by a type that nobody knows yet", () => {
    expect(offLimits({ Operator: { Managed: true, Principal: "eks.amazonaws.com" } }, {}, false)).toBe(
      "managed by eks.amazonaws.com",
    );
    expect(offLimits({ InterfaceType: "efa-only" as "efa" }, {}, false)).toBe("of type efa-only");
    expect(offLimits({ InterfaceType: "interface" }, {}, false)).toBeUndefined();
  });

  it("is not foreign by a no_manage that is not true, nor is the primary one by any", async () => {
    const node = await nodeWith({ tags: { "node.k8s.amazonaws.com/no_manage": "false" } });
    expect(await judged(node)).toEqual([false, undefined]);
    expect(offLimits({}, { "node.k8s.amazonaws.com/no_manage": "true" }, true)).toBeUndefined();
  });

  it("is nobody's by what only looks like a mark", () => {
    expect(otherIpamOf({ Description: "not Cilium-CNI (i-1)" }, { "io.cilium": "", constructor: "x" })).toBeUndefined();
    expect(Object.keys(OTHER_IPAM_NAMES).sort()).toEqual(["cilium", "vpc-cni"]);
  });

  it("follows its tags: each observation of EC2 reads them again", async () => {
    const node = await nodeWith({});
    await node.provider.resolve({ ...NOTHING_SAID, excludeInterfaceTags: { keep: "out" } });
    expect(await judged(node)).toEqual([false, undefined]);
    // A step of just now must not keep the tags of before.
    await node.provider.execute(intentOf(addStep(FOREIGN, 1, POD_SUBNET)), new Progress().report);
    foreignCall(node, "CreateTags", { ResourceId: [FOREIGN], Tag: [{ Key: "keep", Value: "out" }] });
    expect(await judged(node)).toEqual([true, "excluded by exclude-interface-tags"]);
    const { error } = await failedExecute(node, intentOf(addStep(FOREIGN, 1, POD_SUBNET)));
    expect(error.message).toContain("excluded by exclude-interface-tags");
    await node.provider.resolve({ ...NOTHING_SAID, excludeInterfaceTags: { keep: "off" } });
    expect(await judged(node)).toEqual([false, undefined]);
  });
});

describe("adoption", () => {
  const cases: [OtherIpam, Record<string, string>][] = [
    ["vpc-cni", vpcCni],
    ["cilium", cilium],
  ];

  it.each(cases)("of %s makes its interfaces usable, and only its own", async (ipam, tags) => {
    const node = await nodeWith({ tags, secondaryAddresses: ["10.64.1.77"] });
    const other = cases.find(([name]) => name !== ipam)?.[0] ?? ipam;
    await node.provider.resolve({ ...NOTHING_SAID, adoptInterfacesOf: [other] });
    expect(await judged(node)).toEqual([true, `of ${OTHER_IPAM_NAMES[ipam]}`]);
    await node.provider.resolve({ ...NOTHING_SAID, adoptInterfacesOf: [ipam] });
    expect(await judged(node)).toEqual([false, undefined]);
    const added = await node.provider.execute(intentOf(addStep(FOREIGN, 1, POD_SUBNET)), new Progress().report);
    expect(added).toMatchObject({ kind: "done", interface: { madeBy: "other", foreign: false } });
    await node.provider.execute(intentOf(releaseStep(FOREIGN, ["10.64.1.77/32"])), new Progress().report);
    expect(node.interface(FOREIGN)?.secondaryAddresses).not.toContain("10.64.1.77");
    // What enid did not make it does not remove.
    const { error } = await failedExecute(node, intentOf(removeStep(FOREIGN)));
    expect(error.message).toContain("was not made by enid");
    expect(node.interface(FOREIGN)).toBeDefined();
  });

  it("does not lift what keeps every program off", async () => {
    const tags = { ...vpcCni, "node.k8s.amazonaws.com/no_manage": "true" };
    const node = await nodeWith({ tags });
    await node.provider.resolve({ ...NOTHING_SAID, adoptInterfacesOf: ["vpc-cni", "cilium"] });
    expect(await judged(node)).toEqual([true, "tagged node.k8s.amazonaws.com/no_manage"]);
  });

  it("is not needed for what enid made, whoever tagged it later", async () => {
    const node = await nodeWith({ tags: { ...vpcCni, "enid.io/instance-id": INSTANCE, "enid.io/managed": "true" } });
    expect(await judged(node)).toEqual([false, undefined]);
  });
});
