import { describe, expect, it } from "vitest";
import type { Step } from "../../../src/planning/index.ts";
import { actions, failedExecute, foreignCall, foreignInterface, readyNode, settled } from "./driving.ts";
import {
  AN_HOUR_MS,
  addStep,
  INSTANCE,
  intentOf,
  MODEL,
  NODE_SUBNET,
  type Node,
  OTHER_INSTANCE,
  OTHER_VPC_SUBNET,
  PRIMARY,
  Progress,
  releaseStep,
} from "./harness.ts";

const ADDRESS = "10.64.0.77";
const CALLS = ["DescribeNetworkInterfaces", "AssignPrivateIpAddresses", "DescribeNetworkInterfaces"];

const takeStep = (address = ADDRESS, interfaceId = PRIMARY): Step => ({
  kind: "add-blocks",
  interfaceId,
  subnetId: NODE_SUBNET,
  count: 1,
  unit: "address",
  address,
  reason: "test",
});

/** The primary interface of the other node. */
function otherPrimary(node: Node): string {
  const found = node.simulator.cloud.truth().interfaces.find((one) => one.attachment?.instanceId === OTHER_INSTANCE);
  if (found === undefined) throw new Error("the other instance has no interface");
  return found.id;
}

/** The other node has it. */
function holdElsewhere(node: Node, address = ADDRESS): string {
  const id = otherPrimary(node);
  foreignCall(node, "AssignPrivateIpAddresses", { NetworkInterfaceId: id, PrivateIpAddress: [address] });
  return id;
}

const carried = (node: Node, id: string) => node.interface(id)?.secondaryAddresses ?? [];

async function known(options: Parameters<typeof readyNode>[0] = {}): Promise<Node> {
  const node = await readyNode(options);
  await node.provider.observe("cloud");
  node.simulator.cloud.log.reset();
  return node;
}

const take = (node: Node, step = takeStep()) => node.provider.execute(intentOf(step), new Progress().report);

describe("taking one very address", () => {
  it("moves it from the interface of another node, and counts when EC2 shows it here", async () => {
    const node = await known();
    const other = holdElsewhere(node);
    const outcome = await take(node);
    expect(outcome).toMatchObject({ kind: "done", added: [`${ADDRESS}/32`], interface: { addresses: [ADDRESS] } });
    expect([carried(node, PRIMARY), carried(node, other)]).toEqual([[ADDRESS], []]);
    expect(actions(node)).toEqual(CALLS);
    expect(node.provider.calls(takeStep()).map(({ action }) => action)).toEqual(CALLS);
  });

  it("assigns one that nobody has, beside what the interface carries, and takes one that is here already", async () => {
    const node = await known();
    const added = await node.provider.execute(intentOf(addStep(PRIMARY, 2)), new Progress().report);
    for (const _ of ["not here", "here"]) {
      const outcome = await take(node);
      expect(outcome).toMatchObject({ kind: "done", added: [`${ADDRESS}/32`] });
      expect(outcome.kind === "done" && outcome.interface.addresses).toHaveLength(3);
    }
    expect(added.kind === "done" && carried(node, PRIMARY)).toHaveLength(3);
  });

  it("waits for a describe that lags the move", async () => {
    const node = await known();
    holdElsewhere(node);
    // At a speed of 100, a hundredth of that.
    node.settings({ describeLagMs: 10_000 });
    expect(await take(node)).toMatchObject({ kind: "done" });
    expect(actions(node).length).toBeGreaterThan(CALLS.length);
    expect(actions(node, true)).toEqual(["AssignPrivateIpAddresses"]);
  });

  it("is in doubt when EC2 does not show it in time, and settled by looking, without another call", async () => {
    const node = await known({ limits: { additionLookMs: 40 } });
    holdElsewhere(node);
    node.settings({ describeLagMs: 60_000 });
    const { failure, error, intent } = await failedExecute(node, intentOf(takeStep()));
    expect(failure).toMatchObject({ class: "transient", effect: "unknown" });
    expect(error.message).toContain(`does not show ${ADDRESS} on ${PRIMARY} yet`);
    const settle = () => node.provider.settle(intent, "undo", new Progress().report);
    await expect.poll(settle, { timeout: 10_000 }).toMatchObject({ kind: "done", added: [`${ADDRESS}/32`] });
    expect(actions(node, true)).toEqual(["AssignPrivateIpAddresses"]);
  });

  it.each([
    ["lost-reply", { kind: "lost-reply" }, true],
    ["a truncated answer", { kind: "truncated" }, true],
    ["no answer, with effect", { kind: "hang", moment: "after" }, true],
    ["a reset before the effect", { kind: "reset" }, false],
    ["an internal error", { kind: "error", code: "InternalError", httpStatus: 500 }, false],
  ] as const)("is settled by looking after %s", async (_, effect, isHere) => {
    const node = await known();
    const other = holdElsewhere(node);
    node.fault("AssignPrivateIpAddresses", effect);
    const { failure, intent } = await failedExecute(node, intentOf(takeStep()));
    expect(failure).toMatchObject({ class: "transient", effect: "unknown" });
    const outcome = await settled(node, intent, "finish");
    if (isHere) expect(outcome).toMatchObject({ kind: "done", added: [`${ADDRESS}/32`] });
    else expect(outcome).toEqual({ kind: "undone" });
    expect(carried(node, isHere ? PRIMARY : other)).toEqual([ADDRESS]);
    expect(actions(node, true)).toEqual(["AssignPrivateIpAddresses"]);
  });

  it("stays in doubt when EC2 cannot be looked at after the call", async () => {
    const node = await known();
    holdElsewhere(node);
    node.fault("DescribeNetworkInterfaces", { kind: "error", code: "UnauthorizedOperation" }, { from: 2 });
    const { failure, intent } = await failedExecute(node, intentOf(takeStep()));
    expect(failure).toMatchObject({ class: "unauthorized", effect: "unknown" });
    expect(await settled(node, intent, "finish")).toMatchObject({ kind: "done" });
  });

  it("does not believe a describe that shows it here from before", async () => {
    const node = await known();
    await take(node);
    // At a speed of 100: a tenth of a second, as long as the provider waits before it believes.
    node.settings({ describeLagMs: 9_000 });
    const other = otherPrimary(node);
    foreignCall(node, "AssignPrivateIpAddresses", {
      NetworkInterfaceId: other,
      PrivateIpAddress: [ADDRESS],
      AllowReassignment: "true",
    });
    const intent = intentOf(takeStep());
    expect(await node.provider.settle(intent, "finish", new Progress().report)).toEqual({ kind: "undone" });
    expect(carried(node, other)).toEqual([ADDRESS]);
  });

  it("looks once only when the intent is old", async () => {
    const node = await known();
    const intent = intentOf(takeStep(), { openedAtMs: Date.now() - AN_HOUR_MS });
    expect(await settled(node, intent, "finish")).toEqual({ kind: "undone" });
    expect(actions(node).filter((action) => action === "DescribeNetworkInterfaces")).toHaveLength(1);
  });

  it.each([
    ["the primary one of another node", "10.64.0.11", "it is the primary address of eni-"],
    ["the primary one of the interface itself", "10.64.0.10", `it is the primary address of ${PRIMARY}`],
  ])("asks EC2 for nothing when it is %s", async (_, address, words) => {
    const node = await known();
    const { error, failure } = await failedExecute(node, intentOf(takeStep(address)));
    expect(failure).toMatchObject({ class: "configuration", effect: "none" });
    expect(error.message).toContain(words);
    expect(actions(node, true)).toEqual([]);
  });

  it("takes nothing from an interface that is none of enid's", async () => {
    const node = await known();
    const made = foreignCall(node, "CreateNetworkInterface", {
      SubnetId: NODE_SUBNET,
      PrivateIpAddresses: [{ PrivateIpAddress: ADDRESS, Primary: "false" }],
      TagSpecification: [
        {
          ResourceType: "network-interface",
          Tag: [{ Key: "node.k8s.amazonaws.com/instance_id", Value: OTHER_INSTANCE }],
        },
      ],
    });
    const { networkInterfaceId } = made.networkInterface as { networkInterfaceId: string };
    const { error, failure } = await failedExecute(node, intentOf(takeStep()));
    expect(failure).toMatchObject({ class: "configuration", effect: "none" });
    expect(error.message).toContain(`it is on ${networkInterfaceId}, which is of the VPC CNI`);
    expect(carried(node, networkInterfaceId)).toEqual([ADDRESS]);
    expect(actions(node, true)).toEqual([]);
  });

  it("is not confused by the same address in another VPC", async () => {
    const vpcs = MODEL.vpcs.map((vpc) => (vpc.cidrs[0] === "10.99.0.0/16" ? { ...vpc, cidrs: ["10.64.0.0/16"] } : vpc));
    const subnets = MODEL.subnets.map((one) => (one.id === OTHER_VPC_SUBNET ? { ...one, cidr: "10.64.0.0/24" } : one));
    const node = await known({ model: { vpcs, subnets } });
    foreignCall(node, "CreateNetworkInterface", { SubnetId: OTHER_VPC_SUBNET, PrivateIpAddress: ADDRESS });
    expect(await take(node)).toMatchObject({ kind: "done" });
  });

  it.each([
    ["an address of no subnet here", "10.65.0.9", "configuration", "does not fall within the subnet's"],
    ["one that AWS keeps for itself", "10.64.0.2", "configuration", "reserved address range"],
  ])("says so when it is %s", async (_, address, failureClass, words) => {
    const node = await known();
    const { error, failure } = await failedExecute(node, intentOf(takeStep(address)));
    expect(failure).toMatchObject({ class: failureClass, effect: "none" });
    expect(error.message).toContain(words);
  });

  it.each([
    ["RequestLimitExceeded", "", "throttled"],
    ["UnauthorizedOperation", "", "unauthorized"],
    ["PrivateIpAddressLimitExceeded", "", "limit"],
    ["Resource.AlreadyAssigned", "", "limit"],
    ["InvalidParameterValue", "Address 10.64.0.77 is not one of the secondary-addresses of eni-1", "configuration"],
    ["InvalidNetworkInterfaceID.NotFound", "", "gone"],
    ["IncorrectState", "", "transient"],
  ])("certainly had no effect when EC2 answers %s %s", async (code, message, failureClass) => {
    const node = await known();
    const other = holdElsewhere(node);
    node.fault("AssignPrivateIpAddresses", { kind: "error", code, message });
    const { failure } = await failedExecute(node, intentOf(takeStep()));
    expect(failure).toMatchObject({ class: failureClass, effect: "none", ec2Code: code });
    expect(carried(node, other)).toEqual([ADDRESS]);
  });

  it("meets the limit of a full interface as EC2 words it, and leaves the address where it is", async () => {
    const node = await known();
    const other = holdElsewhere(node);
    await node.provider.execute(intentOf(addStep(PRIMARY, 9)), new Progress().report);
    const { failure } = await failedExecute(node, intentOf(takeStep()));
    expect(failure).toMatchObject({ class: "limit", effect: "none", ec2Code: "PrivateIpAddressLimitExceeded" });
    expect(carried(node, other)).toEqual([ADDRESS]);
  });

  it("is given back like any other; where it has moved on, the call leaves it alone", async () => {
    const node = await known();
    await take(node);
    const other = otherPrimary(node);
    foreignCall(node, "AssignPrivateIpAddresses", {
      NetworkInterfaceId: other,
      PrivateIpAddress: [ADDRESS],
      AllowReassignment: "true",
    });
    const release = releaseStep(PRIMARY, [`${ADDRESS}/32`]);
    const outcome = await node.provider.execute(intentOf(release), new Progress().report);
    expect(outcome).toEqual({ kind: "gone", cidrs: [`${ADDRESS}/32`], interfaceId: PRIMARY });
    expect(carried(node, other)).toEqual([ADDRESS]);
  });

  it("refuses what is no single address", async () => {
    const node = await known();
    for (const wrong of [{ count: 2 }, { unit: "prefix" as const }]) {
      const { error } = await failedExecute(node, intentOf({ ...takeStep(), ...wrong } as Step));
      expect(error.code).toBe("ENID_REFUSED");
    }
    foreignInterface(node, INSTANCE, 1);
    expect(actions(node)).toEqual([]);
  });
});
