import { describe, expect, it } from "vitest";
import type { InterfaceDescription } from "../../../src/simulator/model/description.ts";
import { actions, aNode, failedExecute, foreignCall } from "./driving.ts";
import {
  addStep,
  INSTANCE,
  intentOf,
  MODEL,
  NOTHING_SAID,
  type Node,
  OTHER_INSTANCE,
  orphanStep,
  POD_SUBNET,
  Progress,
  VPC,
} from "./harness.ts";

const CREATED_AT = "2026-03-01T10:20:30.400Z";
const ORPHAN = "eni-0c000000000000001";
const OTHER = "eni-0c000000000000002";
const own = {
  "enid.io/managed": "true",
  "enid.io/cluster": "blue",
  "enid.io/instance-id": "i-0d000000000000009",
  "enid.io/created-at": CREATED_AT,
};
const orphan = (more: Partial<InterfaceDescription> = {}): InterfaceDescription => ({
  id: ORPHAN,
  subnet: POD_SUBNET,
  tags: own,
  ...more,
});

async function nodeWith(...interfaces: InterfaceDescription[]): Promise<Node> {
  const node = await aNode({ model: { interfaces } });
  await node.provider.identify();
  node.simulator.cloud.log.reset();
  return node;
}

const remove = (node: Node, cluster = "blue") =>
  node.provider.execute(intentOf(orphanStep(ORPHAN, cluster)), new Progress().report);

describe("leftovers of the cluster", () => {
  it("are found by one describe, whichever node made them", async () => {
    const node = await nodeWith(orphan(), orphan({ id: OTHER, tags: { ...own, "enid.io/instance-id": INSTANCE } }));
    expect(await node.provider.leftovers("blue")).toEqual([
      { id: ORPHAN, instanceId: "i-0d000000000000009", createdAtMs: Date.parse(CREATED_AT) },
      { id: OTHER, instanceId: INSTANCE, createdAtMs: Date.parse(CREATED_AT) },
    ]);
    expect(actions(node)).toEqual(["DescribeNetworkInterfaces"]);
  });

  it("are read over all pages", async () => {
    const wide = { id: "subnet-0e000000000000001", vpc: VPC, cidr: "10.64.128.0/20", zone: "eu-central-1a" };
    const many = Array.from({ length: 1_003 }, (_, position) => ({
      id: `eni-0e${position.toString(16).padStart(15, "0")}`,
      subnet: wide.id,
      tags: own,
    }));
    // A page is a megabyte of XML: a busy machine takes longer for it than a quick limit allows, and it is asked for again.
    const limits = { requestTimeoutMs: 30_000 };
    const node = await aNode({ limits, model: { subnets: [...MODEL.subnets, wide], interfaces: many } });
    expect(await node.provider.leftovers("blue")).toHaveLength(1_003);
    expect(actions(node)).toEqual(["DescribeNetworkInterfaces", "DescribeNetworkInterfaces"]);
  });

  it.each([
    ["of another cluster", { tags: { ...own, "enid.io/cluster": "green" } }],
    ["not managed by enid", { tags: { ...own, "enid.io/managed": "no" } }],
    ["attached", { attachment: { instance: OTHER_INSTANCE, deviceIndex: 1 } }],
    ["without a time", { tags: { ...own, "enid.io/created-at": "yesterday" } }],
    ["with a time of another form", { tags: { ...own, "enid.io/created-at": "2026-03-01" } }],
    ["with a time that does not exist", { tags: { ...own, "enid.io/created-at": "2026-02-30T10:20:30.400Z" } }],
    ["without an instance", { tags: { ...own, "enid.io/instance-id": "" } }],
    ["managed by a service", { requesterManaged: true, requesterId: "amazon-elb" }],
    ["a trunk", { interfaceType: "trunk" }],
  ])("do not include what is %s", async (_, more) => {
    const node = await nodeWith(orphan(more));
    expect(await node.provider.leftovers("blue")).toEqual([]);
  });

  it("take a wildcard in the name of the cluster for what it is, and no name for no cluster", async () => {
    const node = await nodeWith(orphan());
    expect(await node.provider.leftovers("bl*")).toEqual([]);
    node.simulator.cloud.log.reset();
    expect(await node.provider.leftovers("")).toEqual([]);
    expect(actions(node)).toEqual([]);
  });

  it("do not include what the settings exclude by tags", async () => {
    const node = await nodeWith(orphan({ tags: { ...own, keep: "out" } }));
    await node.provider.resolve({ ...NOTHING_SAID, excludeInterfaceTags: { keep: "out" } });
    expect(await node.provider.leftovers("blue")).toEqual([]);
    const { error } = await failedExecute(node, intentOf(orphanStep(ORPHAN, "blue")));
    expect(error.message).toContain("excluded by exclude-interface-tags");
  });

  it("include those that the VPC CNI of the node tagged as well", async () => {
    const tags = { ...own, "node.k8s.amazonaws.com/instance_id": "i-0d000000000000009" };
    const node = await nodeWith(orphan({ tags }));
    expect(await node.provider.leftovers("blue")).toMatchObject([{ id: ORPHAN }]);
    expect(await remove(node)).toMatchObject({ kind: "gone" });
  });
});

describe("removing a leftover", () => {
  it("deletes it, and never detaches", async () => {
    const node = await nodeWith(orphan());
    expect(await remove(node)).toEqual({ kind: "gone", cidrs: [], interfaceId: ORPHAN });
    expect(actions(node, true)).toEqual(["DeleteNetworkInterface"]);
    expect(node.interface(ORPHAN)).toBeUndefined();
    // A second time it is done already.
    expect(await remove(node)).toEqual({ kind: "gone", cidrs: [], interfaceId: ORPHAN });
    expect(actions(node, true)).toEqual(["DeleteNetworkInterface"]);
  });

  it.each([
    ["of another cluster", { tags: { ...own, "enid.io/cluster": "green" } }, "does not carry the tags"],
    ["not managed by enid", { tags: { ...own, "enid.io/managed": "" } }, "does not carry the tags"],
    ["attached", { attachment: { instance: OTHER_INSTANCE, deviceIndex: 1 } }, `attached to ${OTHER_INSTANCE}`],
    ["attached here", { attachment: { instance: INSTANCE, deviceIndex: 1 } }, `attached to ${INSTANCE}`],
    ["a branch", { interfaceType: "branch", requesterManaged: false }, "of type branch"],
  ])("refuses what is %s", async (_, more, message) => {
    const node = await nodeWith(orphan(more));
    for (const how of ["execute", "settle"] as const) {
      const intent = intentOf(orphanStep(ORPHAN, "blue"));
      const work =
        how === "execute"
          ? node.provider.execute(intent, new Progress().report)
          : node.provider.settle(intent, "finish", new Progress().report);
      await expect(work).rejects.toMatchObject({ code: "ENID_REFUSED", details: { effect: "none" } });
      await expect(work).rejects.toThrow(message);
    }
    expect(actions(node, true)).toEqual([]);
  });

  it("leaves it when EC2 says that it is in use by now", async () => {
    const node = await nodeWith(orphan());
    node.settings({ describeLagMs: 1_000_000 });
    foreignCall(node, "AttachNetworkInterface", {
      NetworkInterfaceId: ORPHAN,
      InstanceId: OTHER_INSTANCE,
      DeviceIndex: "1",
    });
    const { error, failure } = await failedExecute(node, intentOf(orphanStep(ORPHAN, "blue")));
    expect(error.message).toContain("is no leftover: it is attached to an instance by now");
    expect(failure).toMatchObject({ class: "gone", effect: "none" });
    expect(actions(node, true)).toEqual(["DeleteNetworkInterface"]);
    expect(node.interface(ORPHAN)?.attachment?.instanceId).toBe(OTHER_INSTANCE);
  });

  it.each(["lost-reply", "reset"] as const)("is settled by repeating after a %s", async (kind) => {
    const node = await nodeWith(orphan());
    node.fault("DeleteNetworkInterface", { kind });
    const { failure, intent } = await failedExecute(node, intentOf(orphanStep(ORPHAN, "blue")));
    expect(failure).toMatchObject({ class: "transient", effect: "unknown" });
    expect(await node.provider.settle(intent, "undo", new Progress().report)).toMatchObject({ kind: "gone" });
    expect(node.interface(ORPHAN)).toBeUndefined();
  });

  it("does not take blocks onto what it deleted", async () => {
    const node = await nodeWith(orphan());
    await remove(node);
    const { failure } = await failedExecute(node, intentOf(addStep(ORPHAN, 1, POD_SUBNET)));
    expect(failure).toMatchObject({ class: "gone", effect: "none" });
  });
});
