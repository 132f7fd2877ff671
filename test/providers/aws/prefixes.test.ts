import { describe, expect, it } from "vitest";
import { actions, failedExecute, foreignCall, readyNode, settled } from "./driving.ts";
import {
  AN_HOUR_MS,
  addStep,
  createStep,
  intentOf,
  NODE_SUBNET,
  type Node,
  POD_SUBNET,
  PRIMARY,
  Progress,
  releaseStep,
} from "./harness.ts";

const prefixesOf = (node: Node, id = PRIMARY) => [...(node.interface(id)?.prefixes ?? [])].sort();
const addPrefixes = (count: number) => addStep(PRIMARY, count, NODE_SUBNET, "prefix");

async function add(node: Node, count: number): Promise<readonly string[]> {
  const outcome = await node.provider.execute(intentOf(addPrefixes(count)), new Progress().report);
  return outcome.kind === "done" ? outcome.added : [];
}

describe("adding prefixes", () => {
  it("takes them in one call, beside the addresses that are there", async () => {
    const node = await readyNode();
    await node.provider.execute(intentOf(addStep(PRIMARY, 2)), new Progress().report);
    await node.provider.observe("cloud");
    node.simulator.cloud.log.reset();
    node.settings({ describeLagMs: 1_000_000 });
    const outcome = await node.provider.execute(intentOf(addPrefixes(2)), new Progress().report);
    expect(actions(node)).toEqual(["AssignPrivateIpAddresses"]);
    expect(node.calls()[0]?.parameters).toMatchObject({ Ipv4PrefixCount: "2" });
    expect(node.calls()[0]?.parameters.SecondaryPrivateIpAddressCount).toBeUndefined();
    if (outcome.kind !== "done") throw new Error(outcome.kind);
    expect([...outcome.added].sort()).toEqual(prefixesOf(node));
    for (const prefix of outcome.added) expect(prefix).toMatch(/^10\.64\.0\.\d+\/28$/);
    expect(outcome.interface.addresses).toHaveLength(2);
    expect([...outcome.interface.prefixes].sort()).toEqual(prefixesOf(node));
  });

  it.each([
    ["lost-reply", { kind: "lost-reply" }, 2],
    ["a reset before the effect", { kind: "reset" }, 0],
  ] as const)("is settled by looking after %s, and counts prefixes only", async (_, effect, has) => {
    const node = await readyNode();
    const before = [...(await add(node, 1))];
    node.fault("AssignPrivateIpAddresses", effect);
    const { failure, intent } = await failedExecute(node, intentOf(addPrefixes(2), { before }));
    expect(failure).toMatchObject({ class: "transient", effect: "unknown" });
    // Somebody else's address is no prefix of this step.
    foreignCall(node, "AssignPrivateIpAddresses", {
      NetworkInterfaceId: PRIMARY,
      SecondaryPrivateIpAddressCount: "1",
    });
    const outcome = await settled(node, intent, "finish");
    const added = outcome.kind === "done" ? outcome.added : [];
    expect(added).toHaveLength(has);
    expect([...before, ...added].sort()).toEqual(prefixesOf(node));
  });

  it.each([
    ["InsufficientCidrBlocks", "", "prefix", "prefix"],
    ["InsufficientFreeAddressesInSubnet", "", "prefix", "prefix"],
    ["InvalidParameterValue", "There aren't sufficient free Ipv4 addresses or prefixes", "prefix", "prefix"],
    ["InsufficientCidrBlocks", "", undefined, "address"],
    ["InsufficientFreeAddressesInSubnet", "", undefined, "address"],
    ["InvalidParameterValue", "There aren't sufficient free Ipv4 addresses or prefixes", undefined, "address"],
  ] as const)("says what the subnet lacks: %s %s, asked for %s", async (code, message, unit, lacking) => {
    const node = await readyNode();
    node.fault("AssignPrivateIpAddresses", { kind: "error", code, message });
    const add = await failedExecute(node, intentOf(addStep(PRIMARY, 1, NODE_SUBNET, unit)));
    const expected = { class: "subnet-exhausted", effect: "none", ec2Code: code, unit: lacking };
    expect(add.failure).toMatchObject({ ...expected, subnetId: NODE_SUBNET });
    node.fault("CreateNetworkInterface", { kind: "error", code, message });
    const more = unit === undefined ? {} : { unit };
    const create = await failedExecute(node, intentOf(createStep(1, 1, POD_SUBNET, more)));
    expect(create.failure).toMatchObject({ ...expected, subnetId: POD_SUBNET });
  });

  it("meets a subnet without a contiguous /28 as EC2 words it", async () => {
    const node = await readyNode();
    // One address in every /28 of the subnet.
    const taken = Array.from({ length: 16 }, (_, block) => `10.64.0.${block * 16 + 12}`);
    node.simulator.cloud.occupy(NODE_SUBNET, taken);
    const { failure, error } = await failedExecute(node, intentOf(addPrefixes(1)));
    expect(failure).toMatchObject({ class: "subnet-exhausted", effect: "none", unit: "prefix" });
    expect(error.code).toBe("ENID_SUBNET_NO_PREFIX");
    expect(error.message).toBe(`subnet ${NODE_SUBNET} cannot give a contiguous /28 now, though it has free addresses`);
    expect(prefixesOf(node)).toEqual([]);
  });

  it("has no unit in a failure that is not about the subnet", async () => {
    const node = await readyNode();
    node.fault("AssignPrivateIpAddresses", { kind: "error", code: "PrivateIpAddressLimitExceeded" });
    const { failure } = await failedExecute(node, intentOf(addPrefixes(1)));
    expect(failure.class).toBe("limit");
    expect(failure.unit).toBeUndefined();
  });
});

describe("giving prefixes back", () => {
  it("takes one call for prefixes and addresses together", async () => {
    const node = await readyNode();
    const [first = "", second = ""] = await add(node, 2);
    const single = await node.provider.execute(intentOf(addStep(PRIMARY, 1)), new Progress().report);
    const [address = ""] = single.kind === "done" ? single.added : [];
    node.simulator.cloud.log.reset();
    const step = releaseStep(PRIMARY, [first, address]);
    expect(await node.provider.execute(intentOf(step), new Progress().report)).toMatchObject({ kind: "gone" });
    expect(actions(node)).toEqual(["UnassignPrivateIpAddresses"]);
    expect(prefixesOf(node)).toEqual([second]);
    expect(node.interface(PRIMARY)?.secondaryAddresses).toEqual([]);
    // What was given back is not remembered: the next answer is right without a describe.
    const again = await node.provider.execute(intentOf(addStep(PRIMARY, 1)), new Progress().report);
    expect(again.kind === "done" && again.interface.prefixes).toEqual([second]);
  });
});

describe("creating an interface with prefixes", () => {
  it("asks for them in the create, and refuses stray IPv6 addresses", async () => {
    const node = await readyNode();
    const intent = intentOf(createStep(3, 1, POD_SUBNET, { unit: "prefix" }));
    const outcome = await node.provider.execute(intent, new Progress().report);
    if (outcome.kind !== "done") throw new Error(outcome.kind);
    expect(outcome.added).toHaveLength(3);
    expect([...outcome.added].sort()).toEqual(prefixesOf(node, outcome.interface.id));
    expect(outcome.interface.addresses).toEqual([]);
    const [create] = node.calls({ mutating: true });
    expect(create?.parameters).toMatchObject({ Ipv4PrefixCount: "3", Ipv6AddressCount: "0" });
    expect(create?.parameters.SecondaryPrivateIpAddressCount).toBeUndefined();
    expect(create?.parameters.Ipv6PrefixCount).toBeUndefined();
  });

  it.each(["finish", "undo"] as const)("is settled (%s) by the same request", async (how) => {
    const node = await readyNode();
    node.settings({ notFoundAfterCreateMs: 60_000 });
    node.fault("CreateNetworkInterface", { kind: "lost-reply" });
    const { intent } = await failedExecute(node, intentOf(createStep(2, 1, POD_SUBNET, { unit: "prefix" })));
    const outcome = await settled(node, intent, how);
    const creates = node.calls({ mutating: true }).filter((call) => call.action === "CreateNetworkInterface");
    expect(creates).toHaveLength(2);
    expect(creates[1]?.parameters).toEqual(creates[0]?.parameters);
    if (how === "undo") return expect(node.made()).toEqual([]);
    expect(outcome.kind === "done" && outcome.added).toHaveLength(2);
    expect(node.made()).toMatchObject([{ prefixes: [expect.any(String), expect.any(String)] }]);
  });

  it("puts the tags of the intent on it, without letting them replace its own", async () => {
    const node = await readyNode();
    const tags = { "enid.io/cluster": "blue", "enid.io/node": "node-1", "enid.io/managed": "false" };
    const intent = intentOf(createStep(1), { tags });
    await node.provider.execute(intent, new Progress().report);
    expect(node.made()[0]?.tags).toMatchObject({
      "enid.io/cluster": "blue",
      "enid.io/node": "node-1",
      "enid.io/managed": "true",
      "enid.io/intent": intent.id,
    });
  });

  it("finds what an earlier enid made, whose request was without a word of IPv6", async () => {
    for (const how of ["finish", "undo"] as const) {
      const node = await readyNode();
      const intent = intentOf(createStep(2), { openedAtMs: Date.now() - AN_HOUR_MS });
      // Exactly the request of that time.
      foreignCall(node, "CreateNetworkInterface", {
        SubnetId: POD_SUBNET,
        SecurityGroupId: [...intent.securityGroups],
        Description: "enid i-0a000000000000001",
        SecondaryPrivateIpAddressCount: "2",
        ClientToken: intent.id,
        TagSpecification: [
          {
            ResourceType: "network-interface",
            Tag: [
              { Key: "enid.io/managed", Value: "true" },
              { Key: "enid.io/instance-id", Value: "i-0a000000000000001" },
              { Key: "enid.io/intent", Value: intent.id },
              { Key: "enid.io/created-at", Value: new Date(intent.openedAtMs).toISOString() },
            ],
          },
        ],
      });
      const [made] = node.made();
      const outcome = await settled(node, intent, how);
      if (how === "undo") expect(node.made()).toEqual([]);
      else expect(outcome).toMatchObject({ kind: "done", interface: { id: made?.id, attached: true } });
      const tokens = node.calls({ mutating: true }).filter((call) => call.action === "CreateNetworkInterface");
      if (how === "finish") expect(tokens.map((call) => call.parameters.Ipv6AddressCount)).toEqual(["0", undefined]);
    }
  });
});
