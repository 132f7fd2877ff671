import { describe, expect, it } from "vitest";
import { limitsFromEc2 } from "../../../src/providers/aws/limits.ts";
import { actions, aNode, expectComplete, failedExecute, foreignCall, settled } from "./driving.ts";
import {
  addStep,
  createStep,
  INSTANCE,
  intentOf,
  NODE,
  NOTHING_SAID,
  type Node,
  OTHER_INSTANCE,
  POD_SUBNET,
  Progress,
} from "./harness.ts";

/** Two cards of eight interfaces each. */
const TYPE = "c6in.32xlarge";
const CARDS = [
  { card: 0, maxInterfaces: 8 },
  { card: 1, maxInterfaces: 8 },
];

async function twoCards(): Promise<Node> {
  const subnet = NODE.subnet;
  const other = { id: OTHER_INSTANCE, type: "m5.large", subnet, primaryAddress: "10.64.0.11" };
  const node = await aNode({ model: { instances: [{ ...NODE, type: TYPE }, other] } });
  await node.provider.identify();
  await node.provider.resolve({ ...NOTHING_SAID, subnetTags: { "enid.io/pods": "true" } });
  node.simulator.cloud.log.reset();
  return node;
}

const onCard = (networkCard: number, deviceIndex: number, count = 2) =>
  createStep(count, deviceIndex, POD_SUBNET, { networkCard });

function occupyPlace(node: Node, networkCard: number, deviceIndex: number): void {
  const made = foreignCall(node, "CreateNetworkInterface", { SubnetId: POD_SUBNET });
  const { networkInterfaceId } = made.networkInterface as { networkInterfaceId: string };
  foreignCall(node, "AttachNetworkInterface", {
    NetworkInterfaceId: networkInterfaceId,
    InstanceId: INSTANCE,
    DeviceIndex: String(deviceIndex),
    NetworkCardIndex: String(networkCard),
  });
}

describe("the limits of an instance with several network cards", () => {
  it("are told card by card, from EC2 and from the table", async () => {
    const node = await twoCards();
    expect((await node.provider.identify()).limits).toMatchObject({
      maxInterfaces: 8,
      cards: CARDS,
      source: "ec2",
    });
    node.fault("DescribeInstanceTypes", { kind: "error", code: "UnauthorizedOperation" }, { times: "unlimited" });
    const restarted = await node.restart();
    expect((await restarted.identify()).limits).toMatchObject({ maxInterfaces: 8, cards: CARDS, source: "table" });
  });

  it("begin with the default card, and leave out cards that take no interface", () => {
    const cards = [0, 1, 2, 3].map((NetworkCardIndex) => ({
      NetworkCardIndex,
      MaximumNetworkInterfaces: NetworkCardIndex === 2 ? 0 : 4 + NetworkCardIndex,
    }));
    const NetworkInfo = { NetworkCards: cards, DefaultNetworkCardIndex: 1, Ipv4AddressesPerInterface: 50 };
    const limits = limitsFromEc2({ NetworkInfo });
    expect(limits?.maxInterfaces).toBe(5);
    expect(limits?.cards).toEqual([
      { card: 1, maxInterfaces: 5 },
      { card: 0, maxInterfaces: 4 },
      { card: 3, maxInterfaces: 7 },
    ]);
    expect(limitsFromEc2({ NetworkInfo: { ...NetworkInfo, NetworkCards: cards.slice(1, 2) } })).not.toHaveProperty(
      "cards",
    );
  });
});

describe("an interface on another network card", () => {
  it("is created there, is the node's like any other, and is observed with its card", async () => {
    const node = await twoCards();
    const outcome = await node.provider.execute(intentOf(onCard(1, 1)), new Progress().report);
    if (outcome.kind !== "done") throw new Error(outcome.kind);
    expect(outcome.interface).toMatchObject({ networkCard: 1, deviceIndex: 1, attached: true, foreign: false });
    const attach = node.calls({ mutating: true }).find((call) => call.action === "AttachNetworkInterface");
    expect(attach?.parameters).toMatchObject({ DeviceIndex: "1", NetworkCardIndex: "1" });
    // The same index on the default card is another place.
    await node.provider.execute(intentOf(onCard(0, 1)), new Progress().report);
    for (const source of ["cloud", "metadata"] as const) {
      const { interfaces } = await node.provider.observe(source);
      const places = interfaces.map((one) => [one.networkCard, one.deviceIndex, one.foreign]);
      expect(places).toEqual([
        [0, 0, false],
        [0, 1, false],
        [1, 1, false],
      ]);
    }
    const added = await node.provider.execute(
      intentOf(addStep(outcome.interface.id, 1, POD_SUBNET)),
      new Progress().report,
    );
    expect(added).toMatchObject({ kind: "done", interface: { networkCard: 1 } });
  });

  it("goes to the next free index of its own card when one is taken", async () => {
    const node = await twoCards();
    occupyPlace(node, 1, 1);
    occupyPlace(node, 1, 2);
    // Of the other card, and no matter.
    occupyPlace(node, 0, 3);
    const outcome = await node.provider.execute(intentOf(onCard(1, 1)), new Progress().report);
    expect(outcome).toMatchObject({ kind: "done", interface: { networkCard: 1, deviceIndex: 3 } });
    expect(node.telemetry.events.at(-1)).toMatchObject({
      name: "device-index-taken",
      fields: { networkCard: 1, deviceIndex: 1, next: 3 },
    });
  });

  it("keeps its card when it is settled", async () => {
    const node = await twoCards();
    node.fault("AttachNetworkInterface", { kind: "lost-reply" });
    const { intent } = await failedExecute(node, intentOf(onCard(1, 1)));
    expect(await settled(node, intent, "finish")).toMatchObject({
      kind: "done",
      interface: { networkCard: 1, deviceIndex: 1 },
    });
    const second = await settled(node, intent, "finish");
    expect(second).toMatchObject({ kind: "done", interface: { networkCard: 1, deviceIndex: 1 } });
    expectComplete({ ...node, made: () => node.made().filter((one) => one.tags["enid.io/managed"] === "true") }, 2);
    expect(actions(node, true).filter((action) => action === "AttachNetworkInterface")).toHaveLength(1);
  });
});
