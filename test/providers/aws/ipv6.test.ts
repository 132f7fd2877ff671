import { describe, expect, it } from "vitest";
import { actions, aNode, failedExecute, settled } from "./driving.ts";
import {
  addStep,
  createStep,
  DUAL_STACK,
  INSTANCE,
  intentOf,
  NODE_SUBNET,
  NOTHING_SAID,
  type Node,
  POD_SUBNET,
  PRIMARY,
  Progress,
  releaseStep,
  SECOND_POD_SUBNET,
} from "./harness.ts";

async function dualStackNode(): Promise<Node> {
  const node = await aNode({ model: DUAL_STACK });
  await node.provider.identify();
  await node.provider.resolve({ ...NOTHING_SAID, subnetTags: { "enid.io/pods": "true" } });
  node.simulator.cloud.log.reset();
  return node;
}

const addPrefix = (interfaceId = PRIMARY, subnetId = NODE_SUBNET) => addStep(interfaceId, 1, subnetId, "ipv6-prefix");
const prefixesOf = (node: Node, id = PRIMARY) => node.interface(id)?.ipv6Prefixes;

async function added(node: Node): Promise<string> {
  const outcome = await node.provider.execute(intentOf(addPrefix()), new Progress().report);
  return outcome.kind === "done" ? (outcome.added[0] ?? "") : "";
}

describe("IPv6", () => {
  it("is told of the subnets that have it", async () => {
    const node = await dualStackNode();
    const { subnets } = await node.provider.resolve({ ...NOTHING_SAID, subnetTags: { "enid.io/pods": "true" } });
    expect(subnets.map((subnet) => [subnet.id, subnet.ipv6Cidr])).toEqual([
      [POD_SUBNET, "2001:db8:ab:cd01::/64"],
      [SECOND_POD_SUBNET, undefined],
    ]);
  });

  it("adds a /80 by one call, which both ways of looking then show in the one form", async () => {
    const node = await dualStackNode();
    await node.provider.observe("cloud");
    node.simulator.cloud.log.reset();
    const outcome = await node.provider.execute(intentOf(addPrefix()), new Progress().report);
    if (outcome.kind !== "done") throw new Error(outcome.kind);
    expect(actions(node)).toEqual(["AssignIpv6Addresses"]);
    expect(node.calls()[0]?.parameters).toMatchObject({ Ipv6PrefixCount: "1", NetworkInterfaceId: PRIMARY });
    expect(outcome.added).toEqual(prefixesOf(node));
    expect(outcome.added[0]).toMatch(/^2001:db8:ab:cd00:[0-9a-f:]+\/80$/);
    expect(outcome.interface.ipv6Prefixes).toEqual(outcome.added);
    for (const source of ["cloud", "metadata"] as const) {
      const observation = await node.provider.observe(source);
      expect(observation.complete).toBe(true);
      expect(observation.interfaces[0]?.ipv6Prefixes, source).toEqual(outcome.added);
    }
  });

  it.each([
    ["lost-reply", 1],
    ["reset", 0],
  ] as const)("is settled by looking after a %s", async (kind, has) => {
    const node = await dualStackNode();
    // Written as another program would: it is known all the same.
    const before = [(await added(node)).toUpperCase()];
    node.fault("AssignIpv6Addresses", { kind });
    const { failure, intent } = await failedExecute(node, intentOf(addPrefix(), { before }));
    expect(failure).toMatchObject({ class: "transient", effect: "unknown" });
    const outcome = await settled(node, intent, "undo");
    expect(outcome.kind).toBe(has > 0 ? "done" : "undone");
    expect(outcome.kind === "done" ? outcome.added : []).toEqual(prefixesOf(node)?.slice(1));
  });

  it("is given back by a call of its own, beside one for what is IPv4", async () => {
    const node = await dualStackNode();
    const prefix6 = await added(node);
    const singles = await node.provider.execute(intentOf(addStep(PRIMARY, 1)), new Progress().report);
    const [single = ""] = singles.kind === "done" ? singles.added : [];
    node.simulator.cloud.log.reset();
    const cidrs = [prefix6, single];
    const outcome = await node.provider.execute(intentOf(releaseStep(PRIMARY, cidrs)), new Progress().report);
    expect(outcome).toEqual({ kind: "gone", cidrs, interfaceId: PRIMARY });
    expect(actions(node)).toEqual(["UnassignPrivateIpAddresses", "UnassignIpv6Addresses"]);
    expect(node.interface(PRIMARY)).toMatchObject({ ipv6Prefixes: [], secondaryAddresses: [] });
    // Once more, as after a lost answer.
    const again = await node.restart();
    expect(await again.settle(intentOf(releaseStep(PRIMARY, cidrs)), "finish", new Progress().report)).toEqual({
      kind: "gone",
      cidrs,
      interfaceId: PRIMARY,
    });
  });

  it("leaves the release to be settled when only one of its two calls is refused", async () => {
    const node = await dualStackNode();
    const prefix6 = await added(node);
    const singles = await node.provider.execute(intentOf(addStep(PRIMARY, 1)), new Progress().report);
    const [single = ""] = singles.kind === "done" ? singles.added : [];
    node.fault("UnassignIpv6Addresses", { kind: "error", code: "UnauthorizedOperation" });
    const both = await failedExecute(node, intentOf(releaseStep(PRIMARY, [single, prefix6])));
    expect(both.failure).toMatchObject({ class: "unauthorized", effect: "unknown" });
    expect(node.interface(PRIMARY)).toMatchObject({ ipv6Prefixes: [prefix6], secondaryAddresses: [] });
    node.fault("UnassignIpv6Addresses", { kind: "error", code: "UnauthorizedOperation" });
    const alone = await failedExecute(node, intentOf(releaseStep(PRIMARY, [prefix6])));
    expect(alone.failure).toMatchObject({ class: "unauthorized", effect: "none" });
    expect(await settled(node, both.intent, "finish")).toMatchObject({ kind: "gone" });
    expect(prefixesOf(node)).toEqual([]);
  });

  it("comes with an interface that is created with it, together with prefixes or addresses", async () => {
    for (const unit of ["prefix", "address"] as const) {
      const node = await dualStackNode();
      const step = createStep(2, 1, POD_SUBNET, { unit, ipv6Prefixes: 1 });
      const outcome = await node.provider.execute(intentOf(step), new Progress().report);
      if (outcome.kind !== "done") throw new Error(outcome.kind);
      const [create] = node.calls({ mutating: true });
      expect(create?.parameters).toMatchObject({ Ipv6PrefixCount: "1" });
      expect(create?.parameters.Ipv6AddressCount).toBeUndefined();
      expect(outcome.added).toHaveLength(3);
      expect(outcome.added.slice(2)).toEqual(prefixesOf(node, outcome.interface.id));
      expect(outcome.interface.ipv6Prefixes).toEqual(outcome.added.slice(2));
    }
  });

  it.each(["finish", "undo"] as const)("of a create is settled (%s) with it", async (how) => {
    const node = await dualStackNode();
    node.fault("AttachNetworkInterface", { kind: "lost-reply" });
    const step = createStep(1, 1, POD_SUBNET, { unit: "prefix", ipv6Prefixes: 1 });
    const { intent } = await failedExecute(node, intentOf(step));
    const outcome = await settled(node, intent, how);
    if (how === "undo") return expect(node.made()).toEqual([]);
    const [made] = node.made();
    expect(made).toMatchObject({ attachment: { instanceId: INSTANCE } });
    const blocks = [...(made?.prefixes ?? []), ...(made?.ipv6Prefixes ?? [])];
    expect(blocks).toHaveLength(2);
    expect(outcome.kind === "done" && [...outcome.added].sort()).toEqual(blocks.sort());
  });

  it("is a matter of configuration in a subnet without an IPv6 CIDR", async () => {
    const node = await dualStackNode();
    const made = await node.provider.execute(intentOf(createStep(1, 1, SECOND_POD_SUBNET)), new Progress().report);
    const id = made.kind === "done" ? made.interface.id : "";
    const { failure, error } = await failedExecute(node, intentOf(addPrefix(id, SECOND_POD_SUBNET)));
    expect(failure).toMatchObject({ class: "configuration", effect: "none" });
    expect(error.message).toContain("IPv6 CIDR");
  });

  it("says that no /80 was to be had, by whatever code", async () => {
    const node = await dualStackNode();
    for (const code of ["InsufficientCidrBlocks", "InsufficientFreeAddressesInSubnet"]) {
      node.fault("AssignIpv6Addresses", { kind: "error", code });
      const { failure } = await failedExecute(node, intentOf(addPrefix()));
      expect(failure).toMatchObject({ class: "subnet-exhausted", unit: "ipv6-prefix", subnetId: NODE_SUBNET });
    }
  });
});
