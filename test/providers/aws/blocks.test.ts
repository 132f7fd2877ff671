import { describe, expect, it } from "vitest";
import { EnidError } from "../../../src/errors.ts";
import { actions, failedExecute, foreignCall, readyNode, settled } from "./driving.ts";
import {
  AN_HOUR_MS,
  addStep,
  createStep,
  intentOf,
  NODE_SUBNET,
  type Node,
  PRIMARY,
  Progress,
  releaseStep,
} from "./harness.ts";

const carried = (node: Node, id = PRIMARY) => [...(node.interface(id)?.secondaryAddresses ?? [])].sort();
const cidrs = (addresses: readonly string[]) => addresses.map((address) => `${address}/32`).sort();

async function add(node: Node, count: number): Promise<readonly string[]> {
  const outcome = await node.provider.execute(intentOf(addStep(PRIMARY, count)), new Progress().report);
  return outcome.kind === "done" ? outcome.added : [];
}

describe("adding addresses", () => {
  it("takes them in one call and believes the answer, not a describe", async () => {
    const node = await readyNode();
    await node.provider.observe("cloud");
    node.simulator.cloud.log.reset();
    node.settings({ describeLagMs: 1_000_000 });
    const added = await add(node, 5);
    expect([...added].sort()).toEqual(cidrs(carried(node)));
    expect(actions(node)).toEqual(["AssignPrivateIpAddresses"]);
    const second = await node.provider.execute(intentOf(addStep(PRIMARY, 2)), new Progress().report);
    expect(second).toMatchObject({ kind: "done", added: expect.toSatisfy((list: string[]) => list.length === 2) });
    expect(second.kind === "done" && second.interface.addresses).toHaveLength(7);
  });

  it.each([
    ["lost-reply", { kind: "lost-reply" }, 3],
    ["a truncated answer", { kind: "truncated" }, 3],
    ["no answer, with effect", { kind: "hang", moment: "after" }, 3],
    ["a reset before the effect", { kind: "reset" }, 0],
    ["a page of HTML", { kind: "html" }, 0],
    ["an internal error", { kind: "error", code: "InternalError", httpStatus: 500 }, 0],
  ] as const)("is never repeated blindly after %s, and settled by looking", async (_, effect, has) => {
    const node = await readyNode();
    await add(node, 2);
    const before = cidrs(carried(node));
    node.fault("AssignPrivateIpAddresses", effect);
    const { failure, intent } = await failedExecute(node, intentOf(addStep(PRIMARY, 3), { before }));
    expect(failure).toMatchObject({ class: "transient", effect: "unknown" });
    expect(actions(node, true)).toEqual(["AssignPrivateIpAddresses", "AssignPrivateIpAddresses"]);

    const outcome = await settled(node, intent, "finish");
    expect(outcome.kind).toBe(has > 0 ? "done" : "undone");
    const added = outcome.kind === "done" ? outcome.added : [];
    expect(added).toHaveLength(has);
    expect([...before, ...added].sort()).toEqual(cidrs(carried(node)));
    expect(actions(node, true)).toHaveLength(2);
  });

  it("waits for a describe that lags the assign", async () => {
    const node = await readyNode();
    await node.provider.observe("cloud");
    node.settings({ describeLagMs: 20_000 });
    node.fault("AssignPrivateIpAddresses", { kind: "lost-reply" });
    const { intent } = await failedExecute(node, intentOf(addStep(PRIMARY, 4)));
    const outcome = await settled(node, intent, "undo");
    expect(outcome.kind === "done" && [...outcome.added].sort()).toEqual(cidrs(carried(node)));
  });

  it("does not take for added what a lagging describe shows of addresses given back before", async () => {
    const node = await readyNode({ limits: { describeLagMs: 400 } });
    const old = await add(node, 3);
    node.settings({ describeLagMs: 30_000 });
    await node.provider.execute(intentOf(releaseStep(PRIMARY, old)), new Progress().report);
    node.fault("AssignPrivateIpAddresses", { kind: "lost-reply" });
    const { intent } = await failedExecute(node, intentOf(addStep(PRIMARY, 3)));
    const outcome = await node.provider.settle(intent, "finish", new Progress().report);
    expect(outcome.kind === "done" && [...outcome.added].sort()).toEqual(cidrs(carried(node)));
  });

  it("looks once only when the intent is old", async () => {
    const node = await readyNode();
    const intent = intentOf(addStep(PRIMARY, 4), { openedAtMs: Date.now() - AN_HOUR_MS });
    const provider = await node.restart();
    await provider.identify();
    node.simulator.cloud.log.reset();
    expect(await provider.settle(intent, "finish", new Progress().report)).toEqual({ kind: "undone" });
    expect(actions(node)).toEqual(["DescribeNetworkInterfaces", "DescribeSubnets"]);
  });

  it("settles as undone when the interface is gone with its addresses", async () => {
    const node = await readyNode();
    const intent = intentOf(addStep("eni-0123456789abcdef0", 4), { openedAtMs: Date.now() - AN_HOUR_MS });
    expect(await settled(node, intent, "finish")).toEqual({ kind: "undone" });
  });

  it.each([
    ["RequestLimitExceeded", "", "throttled"],
    ["UnauthorizedOperation", "", "unauthorized"],
    ["InsufficientFreeAddressesInSubnet", "", "subnet-exhausted"],
    ["InsufficientCidrBlocks", "", "subnet-exhausted"],
    ["InvalidParameterValue", "There aren't sufficient free Ipv4 addresses or prefixes", "subnet-exhausted"],
    ["PrivateIpAddressLimitExceeded", "", "limit"],
    ["InvalidNetworkInterfaceID.NotFound", "", "gone"],
    ["IncorrectState", "", "transient"],
  ])("certainly had no effect when EC2 answers %s %s", async (code, message, failureClass) => {
    const node = await readyNode();
    node.fault("AssignPrivateIpAddresses", { kind: "error", code, message });
    const { failure, error } = await failedExecute(node, intentOf(addStep(PRIMARY, 3)));
    expect(failure).toMatchObject({ class: failureClass, effect: "none", ec2Code: code, subnetId: NODE_SUBNET });
    expect(error).toBeInstanceOf(EnidError);
    expect(carried(node)).toEqual([]);
  });

  it("meets the limit of the instance type and the end of the subnet as EC2 words them", async () => {
    const node = await readyNode();
    const full = await failedExecute(node, intentOf(addStep(PRIMARY, 10)));
    expect(full.failure).toMatchObject({ class: "limit", effect: "none" });
    node.simulator.cloud.occupy(NODE_SUBNET, 247);
    const empty = await failedExecute(node, intentOf(addStep(PRIMARY, 3)));
    expect(empty.failure).toMatchObject({ class: "subnet-exhausted", effect: "none", subnetId: NODE_SUBNET });
    expect(empty.error.code).toBe("ENID_SUBNET_EMPTY");
  });

  it("says that the interface is gone when there is none", async () => {
    const node = await readyNode();
    const { failure } = await failedExecute(node, intentOf(addStep("eni-0123456789abcdef0", 3)));
    expect(failure).toMatchObject({ class: "gone", effect: "none" });
    expect(actions(node, true)).toEqual([]);
  });
});

describe("giving addresses back", () => {
  it("takes one call", async () => {
    const node = await readyNode();
    const added = await add(node, 5);
    node.simulator.cloud.log.reset();
    const step = releaseStep(PRIMARY, added.slice(0, 3));
    const outcome = await node.provider.execute(intentOf(step), new Progress().report);
    expect(outcome).toEqual({ kind: "gone", cidrs: added.slice(0, 3), interfaceId: PRIMARY });
    expect(actions(node)).toEqual(["UnassignPrivateIpAddresses"]);
    expect(cidrs(carried(node))).toEqual([...added.slice(3)].sort());
  });

  it("gives back a prefix whole", async () => {
    const node = await readyNode();
    foreignCall(node, "AssignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY, Ipv4PrefixCount: "1" });
    const [prefix = ""] = node.interface(PRIMARY)?.prefixes ?? [];
    const [address = ""] = await add(node, 1);
    await node.provider.execute(intentOf(releaseStep(PRIMARY, [prefix, address])), new Progress().report);
    expect(node.interface(PRIMARY)).toMatchObject({ prefixes: [], secondaryAddresses: [] });
  });

  it("gives back the rest when some are gone already", async () => {
    const node = await readyNode();
    const added = await add(node, 4);
    foreignCall(node, "UnassignPrivateIpAddresses", {
      NetworkInterfaceId: PRIMARY,
      PrivateIpAddress: [(added[0] ?? "").replace("/32", "")],
    });
    const outcome = await node.provider.execute(intentOf(releaseStep(PRIMARY, added)), new Progress().report);
    expect(outcome).toEqual({ kind: "gone", cidrs: added, interfaceId: PRIMARY });
    expect(carried(node)).toEqual([]);
  });

  it.each(["finish", "undo"] as const)("is settled (%s) by giving back again, never by taking back", async (how) => {
    const node = await readyNode();
    const added = await add(node, 4);
    for (const effect of [{ kind: "lost-reply" }, { kind: "reset" }] as const) {
      node.fault("UnassignPrivateIpAddresses", effect);
      const two = added.slice(effect.kind === "reset" ? 2 : 0, effect.kind === "reset" ? 4 : 2);
      const { failure, intent } = await failedExecute(node, intentOf(releaseStep(PRIMARY, two)));
      expect(failure).toMatchObject({ class: "transient", effect: "unknown" });
      expect(await settled(node, intent, how)).toEqual({ kind: "gone", cidrs: two, interfaceId: PRIMARY });
    }
    expect(carried(node)).toEqual([]);
  });

  it("is done when the interface is gone", async () => {
    const node = await readyNode();
    const intent = intentOf(createStep(2));
    const created = await node.provider.execute(intent, new Progress().report);
    const id = created.kind === "done" ? created.interface.id : "";
    node.simulator.cloud.erase(id);
    const step = releaseStep(id, created.kind === "done" ? created.added : []);
    expect(await node.provider.execute(intentOf(step), new Progress().report)).toMatchObject({ kind: "gone" });
  });

  it("is not done because EC2 says NotFound of an interface that is there", async () => {
    const node = await readyNode();
    const added = await add(node, 2);
    node.fault("UnassignPrivateIpAddresses", { kind: "error", code: "InvalidNetworkInterfaceID.NotFound" });
    const { failure, intent } = await failedExecute(node, intentOf(releaseStep(PRIMARY, added)));
    expect(failure).toMatchObject({ class: "gone", effect: "none" });
    expect(cidrs(carried(node))).toEqual([...added].sort());
    expect(await settled(node, intent, "finish")).toEqual({ kind: "gone", cidrs: added, interfaceId: PRIMARY });
    expect(carried(node)).toEqual([]);
  });

  it("refuses to give back the primary address", async () => {
    const node = await readyNode();
    const { error, failure } = await failedExecute(node, intentOf(releaseStep(PRIMARY, ["10.64.0.10/32"])));
    expect(error.code).toBe("ENID_REFUSED");
    expect(failure).toMatchObject({ class: "bug", effect: "none" });
    expect(actions(node, true)).toEqual([]);
  });

  it("leaves the step to be settled when EC2 keeps saying that some are not assigned", async () => {
    const node = await readyNode();
    const added = await add(node, 2);
    const message = `Some of the specified addresses are not assigned to interface ${PRIMARY}`;
    const effect = { kind: "error", code: "InvalidParameterValue", message } as const;
    node.fault("UnassignPrivateIpAddresses", effect, { times: "unlimited" });
    const { failure, intent } = await failedExecute(node, intentOf(releaseStep(PRIMARY, added)));
    expect(failure).toMatchObject({ class: "transient", effect: "unknown" });
    node.simulator.cloud.faults.remove();
    expect(await settled(node, intent, "finish")).toMatchObject({ kind: "gone" });
    expect(carried(node)).toEqual([]);
  });
});
