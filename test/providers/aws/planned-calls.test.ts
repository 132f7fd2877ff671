import { describe, expect, it } from "vitest";
import type { Step } from "../../../src/planning/index.ts";
import { plannedCalls } from "../../../src/providers/aws/planned-calls.ts";
import { actions, readyNode } from "./driving.ts";
import {
  addStep,
  createStep,
  groupsStep,
  intentOf,
  NODE_GROUP,
  NODE_SUBNET,
  POD_SUBNET,
  PRIMARY,
  Progress,
  releaseStep,
  removeStep,
} from "./harness.ts";

const node = { instanceId: "i-1", deleteOnTermination: true };
const told = (step: Step) => plannedCalls(step, node).map(({ action, parameters }) => [action, parameters]);

describe("the calls of a step, as a dry run lists them", () => {
  it.each([
    [addStep("eni-1", 3), "AssignPrivateIpAddresses", { SecondaryPrivateIpAddressCount: 3 }],
    [addStep("eni-1", 3, NODE_SUBNET, "address"), "AssignPrivateIpAddresses", { SecondaryPrivateIpAddressCount: 3 }],
    [addStep("eni-1", 2, NODE_SUBNET, "prefix"), "AssignPrivateIpAddresses", { Ipv4PrefixCount: 2 }],
    [addStep("eni-1", 1, NODE_SUBNET, "ipv6-prefix"), "AssignIpv6Addresses", { Ipv6PrefixCount: 1 }],
    [groupsStep("eni-1", ["sg-1", "sg-2"]), "ModifyNetworkInterfaceAttribute", { SecurityGroupId: "sg-1,sg-2" }],
  ])("of %j is one", (step, action, parameters) => {
    expect(told(step)).toEqual([[action, { NetworkInterfaceId: "eni-1", ...parameters }]]);
  });

  it("of a fixed address are a look, the move, and looks until it shows", () => {
    const step: Step = { ...(addStep("eni-1", 1) as Extract<Step, { kind: "add-blocks" }>), address: "10.0.0.9" };
    expect(told(step)).toEqual([
      ["DescribeNetworkInterfaces", { "addresses.private-ip-address": "10.0.0.9" }],
      [
        "AssignPrivateIpAddresses",
        { NetworkInterfaceId: "eni-1", PrivateIpAddress: "10.0.0.9", AllowReassignment: true },
      ],
      ["DescribeNetworkInterfaces", { "network-interface-id": "eni-1" }],
    ]);
  });

  it("of a create name its blocks, IPv6 prefixes and place", () => {
    const step = createStep(2, 3, POD_SUBNET, { networkCard: 1, unit: "prefix", ipv6Prefixes: 1 });
    expect(told(step)).toEqual([
      ["CreateNetworkInterface", { SubnetId: POD_SUBNET, Ipv4PrefixCount: 2, Ipv6PrefixCount: 1 }],
      ["AttachNetworkInterface", { InstanceId: "i-1", DeviceIndex: 3, NetworkCardIndex: 1 }],
      ["ModifyNetworkInterfaceAttribute", { "Attachment.DeleteOnTermination": true }],
    ]);
    expect(plannedCalls(createStep(0), { ...node, deleteOnTermination: false }).map((one) => one.parameters)).toEqual([
      { SubnetId: POD_SUBNET, Ipv6AddressCount: 0 },
      { InstanceId: "i-1", DeviceIndex: 1, NetworkCardIndex: 0 },
    ]);
  });

  it("of giving back are one per family", () => {
    const cidrs = ["10.0.0.7/32", "2001:db8::/80", "10.0.0.32/28", "10.0.0.8/32"];
    expect(told(releaseStep("eni-1", cidrs))).toEqual([
      [
        "UnassignPrivateIpAddresses",
        { NetworkInterfaceId: "eni-1", PrivateIpAddress: "10.0.0.7,10.0.0.8", Ipv4Prefix: "10.0.0.32/28" },
      ],
      ["UnassignIpv6Addresses", { NetworkInterfaceId: "eni-1", Ipv6Prefix: "2001:db8::/80" }],
    ]);
  });

  it("of a leftover hold no detach", () => {
    const step: Step = { kind: "remove-interface", interfaceId: "eni-1", orphanOf: "blue", reason: "test" };
    expect(told(step).map(([action]) => action)).toEqual(["DescribeNetworkInterfaces", "DeleteNetworkInterface"]);
    expect(told(removeStep("eni-1")).map(([action]) => action)).toEqual([
      "DescribeNetworkInterfaces",
      "DetachNetworkInterface",
      "DescribeNetworkInterfaces",
      "DeleteNetworkInterface",
    ]);
  });

  it("are those that the step then makes", async () => {
    const running = await readyNode();
    const run = async (step: Step) => {
      running.simulator.cloud.log.reset();
      const outcome = await running.provider.execute(intentOf(step), new Progress().report);
      const planned = running.provider.calls(step).filter((call) => !call.action.startsWith("Describe"));
      expect(actions(running, true)).toEqual(planned.map((call) => call.action));
      const made = running.calls({ mutating: true });
      planned.forEach(({ parameters }, position) => {
        for (const name of ["Ipv4PrefixCount", "SecondaryPrivateIpAddressCount", "Ipv6AddressCount", "DeviceIndex"]) {
          const value = parameters[name];
          expect(made[position]?.parameters[name]).toBe(value === undefined ? undefined : String(value));
        }
      });
      return outcome.kind === "done" ? outcome : undefined;
    };
    await run(addStep(PRIMARY, 2));
    const prefixes = await run(addStep(PRIMARY, 1, NODE_SUBNET, "prefix"));
    const created = await run(createStep(1, 1, POD_SUBNET, { unit: "prefix" }));
    await run(groupsStep(created?.interface.id ?? "", [NODE_GROUP]));
    await run(releaseStep(PRIMARY, prefixes?.added ?? []));
    await run(removeStep(created?.interface.id ?? ""));
  });
});
