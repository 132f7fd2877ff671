import { describe, expect, it } from "vitest";
import { actions, aNode, failedExecute, foreignCall, foreignInterface, readyNode } from "./driving.ts";
import {
  addStep,
  createStep,
  INSTANCE,
  intentOf,
  NODE_SUBNET,
  NOTHING_SAID,
  type Node,
  OTHER_INSTANCE,
  POD_SUBNET,
  PRIMARY,
  Progress,
} from "./harness.ts";

const ORPHAN = "eni-0c000000000000001";
const own = { "enid.io/managed": "true", "enid.io/instance-id": INSTANCE };

const describes = (node: Node) => actions(node).filter((action) => action === "DescribeNetworkInterfaces").length;

async function created(node: Node): Promise<string> {
  const outcome = await node.provider.execute(intentOf(createStep(2)), new Progress().report);
  return outcome.kind === "done" ? outcome.interface.id : "";
}

describe("asking EC2 what the node has", () => {
  it("is one describe and nothing else once the process has looked for leftovers", async () => {
    const node = await readyNode();
    await created(node);
    await node.provider.observe("cloud");
    for (let look = 0; look < 3; look++) {
      node.simulator.cloud.log.reset();
      const observation = await node.provider.observe("cloud");
      expect(observation.interfaces.map((one) => one.deviceIndex)).toEqual([0, 1]);
      expect(actions(node)).toEqual(["DescribeNetworkInterfaces"]);
    }
  });

  it("finds at the first look what an earlier process left detached", async () => {
    const node = await aNode({
      model: {
        interfaces: [{ id: ORPHAN, subnet: POD_SUBNET, tags: own, secondaryAddresses: ["10.64.1.77"] }],
      },
    });
    const observation = await node.provider.observe("cloud");
    expect(observation.interfaces.find((one) => one.id === ORPHAN)).toMatchObject({
      attached: false,
      deviceIndex: -1,
      attachmentId: "",
      madeBy: "enid",
      foreign: false,
      addresses: ["10.64.1.77"],
      subnetCidr: "10.64.1.0/24",
    });
    // As long as there is something detached, it is looked for again.
    const again = await node.provider.observe("cloud");
    expect(again.interfaces.map((one) => one.id)).toContain(ORPHAN);
  });

  it("finds an interface of enid that somebody detached", async () => {
    const node = await readyNode();
    const id = await created(node);
    await node.provider.observe("cloud");
    const attachmentId = node.interface(id)?.attachment?.id ?? "";
    foreignCall(node, "DetachNetworkInterface", { AttachmentId: attachmentId, Force: "true" });
    const observation = await node.provider.observe("cloud");
    expect(observation.interfaces.find((one) => one.id === id)).toMatchObject({ attached: false, madeBy: "enid" });
  });

  it("looks for leftovers after a create that went wrong", async () => {
    const node = await readyNode();
    await node.provider.observe("cloud");
    node.fault("AttachNetworkInterface", { kind: "reset" });
    const { intent } = await failedExecute(node, intentOf(createStep(2)));
    const observation = await node.provider.observe("cloud");
    expect(observation.interfaces.find((one) => one.id === intent.interfaceId)).toMatchObject({ attached: false });
  });

  it("does not count as the node's what hangs on another instance", async () => {
    const attachment = { instance: OTHER_INSTANCE, deviceIndex: 1 };
    const node = await aNode({
      model: { interfaces: [{ id: ORPHAN, subnet: POD_SUBNET, tags: own, attachment }] },
    });
    expect((await node.provider.observe("cloud")).interfaces.map((one) => one.id)).toEqual([PRIMARY]);
  });

  it.each([
    ["managed by a service", { requesterManaged: true, requesterId: "amazon-elb" }],
    ["a trunk", { interfaceType: "trunk" }],
    ["an EFA", { interfaceType: "efa" }],
    ["excluded by its tags", { tags: { keep: "out", other: "x" } }],
  ])("marks as foreign an interface that is %s", async (_, more) => {
    const attachment = { instance: INSTANCE, deviceIndex: 1 };
    const node = await aNode({ model: { interfaces: [{ id: ORPHAN, subnet: POD_SUBNET, attachment, ...more }] } });
    await node.provider.resolve({ ...NOTHING_SAID, excludeInterfaceTags: { keep: "out" } });
    for (const source of ["cloud", "metadata"] as const) {
      const { interfaces } = await node.provider.observe(source);
      expect(interfaces.map((one) => [one.id, one.foreign])).toEqual([
        [PRIMARY, false],
        [ORPHAN, true],
      ]);
    }
    const { error } = await failedExecute(node, intentOf(addStep(ORPHAN, 1)));
    expect(error.code).toBe("ENID_REFUSED");
  });

  it("excludes by tags only what has all of them, with equal values", async () => {
    const attachment = { instance: INSTANCE, deviceIndex: 1 };
    const node = await aNode({
      model: { interfaces: [{ id: ORPHAN, subnet: POD_SUBNET, attachment, tags: { keep: "out" } }] },
    });
    for (const [excludeInterfaceTags, foreign] of [
      [{}, false],
      [{ keep: "out", team: "a" }, false],
      [{ keep: "outside" }, false],
      [{ keep: "out" }, true],
    ] as const) {
      await node.provider.resolve({ ...NOTHING_SAID, excludeInterfaceTags });
      const { interfaces } = await node.provider.observe("cloud");
      expect(interfaces.find((one) => one.id === ORPHAN)?.foreign).toBe(foreign);
    }
  });

  it("asks for the ranges of subnets it has not seen, once", async () => {
    const node = await aNode();
    await node.provider.observe("cloud");
    await node.provider.observe("cloud");
    expect(actions(node).filter((action) => action === "DescribeSubnets")).toHaveLength(1);
  });

  it("does not forget its newest answers for a list that lags them", async () => {
    const node = await readyNode();
    await node.provider.observe("cloud");
    node.settings({ describeLagMs: 100_000_000 });
    const id = await created(node);
    const lagging = await node.provider.observe("cloud");
    expect(lagging.interfaces.find((one) => one.id === id)?.attached).toBe(false);
    node.simulator.cloud.log.reset();
    const outcome = await node.provider.execute(intentOf(addStep(id, 1)), new Progress().report);
    expect(outcome).toMatchObject({ kind: "done", interface: { id, attached: true } });
    expect(describes(node)).toBe(0);
  });
});

describe("asking metadata what the node has", () => {
  it("costs no call to EC2", async () => {
    const node = await readyNode();
    await node.provider.observe("metadata");
    expect(node.calls()).toEqual([]);
  });

  it("knows who made an interface once EC2 has told", async () => {
    const node = await readyNode();
    await node.provider.observe("cloud");
    const id = await created(node);
    const { interfaces, complete } = await node.provider.observe("metadata");
    expect(complete).toBe(true);
    expect(interfaces.find((one) => one.id === id)).toMatchObject({ madeBy: "enid", foreign: false, deviceIndex: 1 });
    expect(interfaces.find((one) => one.id === id)?.attachmentId).toMatch(/^eni-attach-/);
    expect(interfaces.find((one) => one.id === PRIMARY)).toMatchObject({ madeBy: "other", foreign: false });
  });

  it("takes an interface for foreign that EC2 has not described to this process", async () => {
    const node = await readyNode();
    foreignInterface(node, INSTANCE, 1);
    const { interfaces } = await node.provider.observe("metadata");
    expect(interfaces.map((one) => one.foreign)).toEqual([true, true]);
  });

  it("says that it is incomplete while a mac has no keys yet", async () => {
    const node = await readyNode();
    await node.provider.observe("cloud");
    node.settings({ metadataLagMs: { minMs: 40_000, maxMs: 40_000 } });
    node.settings({ attachMs: 0 });
    await created(node);
    const looks = [];
    const deadline = Date.now() + 5_000;
    for (;;) {
      const look = await node.provider.observe("metadata");
      looks.push(look.complete);
      if (look.interfaces.length === 2) break;
      if (Date.now() > deadline) throw new Error(`metadata never showed the interface: ${looks}`);
    }
    expect(looks).toContain(false);
    expect(looks.at(-1)).toBe(true);
  });

  it("is incomplete, and shows the rest, while prefixes cannot be read; none at all is complete", async () => {
    const node = await readyNode();
    await node.provider.observe("cloud");
    await node.provider.execute(intentOf(addStep(PRIMARY, 2)), new Progress().report);
    expect((await node.provider.observe("metadata")).complete).toBe(true);
    await node.provider.execute(intentOf(addStep(PRIMARY, 1, NODE_SUBNET, "prefix")), new Progress().report);
    for (const effect of [{ kind: "error", code: "InternalError" }, { kind: "reset" }, { kind: "hang" }] as const) {
      const folder = `/latest/meta-data/network/interfaces/macs/${node.interface(PRIMARY)?.mac}`;
      node.fault(`Metadata:${folder}/ipv4-prefix`, effect, { times: "unlimited" });
      const spoilt = await node.provider.observe("metadata");
      expect(spoilt.complete).toBe(false);
      expect(spoilt.interfaces).toMatchObject([{ id: PRIMARY, prefixes: [] }]);
      expect(spoilt.interfaces[0]?.addresses).toHaveLength(2);
      node.simulator.cloud.faults.remove();
      const whole = await node.provider.observe("metadata");
      expect(whole.complete).toBe(true);
      expect(whole.interfaces[0]?.prefixes).toEqual(node.interface(PRIMARY)?.prefixes);
    }
  });

  it("rejects when metadata is away, and works again when it is back", async () => {
    const node = await readyNode();
    for (const metadataOutage of ["error", "reset", "hang"] as const) {
      node.settings({ metadataOutage });
      await expect(node.provider.observe("metadata")).rejects.toMatchObject({ code: "ENID_METADATA_UNREACHABLE" });
    }
    node.settings({ metadataOutage: "none" });
    expect((await node.provider.observe("metadata")).complete).toBe(true);
  });
});
