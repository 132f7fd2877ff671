import type { PlannedCall } from "../../manager/ports/index.ts";
import type {
  AddBlocksStep,
  CreateInterfaceStep,
  ReleaseBlocksStep,
  RemoveInterfaceStep,
  Step,
} from "../../planning/index.ts";
import { carriedOf } from "./block-units.ts";

/** What the calls depend on besides the step. */
interface PlanningNode {
  readonly instanceId: string;
  readonly deleteOnTermination: boolean;
}

/** The calls of a step when nothing goes wrong, in order. Parameters by the names of the EC2 API. */
export function plannedCalls(step: Step, node: PlanningNode): readonly PlannedCall[] {
  switch (step.kind) {
    case "add-blocks":
      return additions(step);
    case "create-interface":
      return creations(step, node);
    case "release-blocks":
      return releases(step);
    case "remove-interface":
      return removals(step);
    case "set-security-groups": {
      const parameters = { NetworkInterfaceId: step.interfaceId, SecurityGroupId: step.securityGroups.join(",") };
      return [{ action: "ModifyNetworkInterfaceAttribute", parameters }];
    }
  }
}

function additions({ interfaceId, count, unit, address }: AddBlocksStep): readonly PlannedCall[] {
  const NetworkInterfaceId = interfaceId;
  if (address !== undefined) {
    const describe = (parameters: PlannedCall["parameters"]) => ({ action: "DescribeNetworkInterfaces", parameters });
    const parameters = { NetworkInterfaceId, PrivateIpAddress: address, AllowReassignment: true };
    return [
      describe({ "addresses.private-ip-address": address }),
      { action: "AssignPrivateIpAddresses", parameters },
      describe({ "network-interface-id": interfaceId }),
    ];
  }
  if (unit === "ipv6-prefix") {
    return [{ action: "AssignIpv6Addresses", parameters: { NetworkInterfaceId, Ipv6PrefixCount: count } }];
  }
  const what: Record<string, number> =
    unit === "prefix" ? { Ipv4PrefixCount: count } : { SecondaryPrivateIpAddressCount: count };
  return [{ action: "AssignPrivateIpAddresses", parameters: { NetworkInterfaceId, ...what } }];
}

function creations(step: CreateInterfaceStep, node: PlanningNode): readonly PlannedCall[] {
  const { subnetId, deviceIndex, networkCard = 0, count, unit, ipv6Prefixes = 0 } = step;
  const parameters: Record<string, string | number> = { SubnetId: subnetId };
  if (count > 0) parameters[unit === "prefix" ? "Ipv4PrefixCount" : "SecondaryPrivateIpAddressCount"] = count;
  if (ipv6Prefixes > 0) parameters.Ipv6PrefixCount = ipv6Prefixes;
  else parameters.Ipv6AddressCount = 0;
  const attach = { InstanceId: node.instanceId, DeviceIndex: deviceIndex, NetworkCardIndex: networkCard };
  const modify = { action: "ModifyNetworkInterfaceAttribute", parameters: { "Attachment.DeleteOnTermination": true } };
  return [
    { action: "CreateNetworkInterface", parameters },
    { action: "AttachNetworkInterface", parameters: attach },
    ...(node.deleteOnTermination ? [modify] : []),
  ];
}

function releases({ interfaceId, cidrs }: ReleaseBlocksStep): readonly PlannedCall[] {
  const { addresses, prefixes, ipv6Prefixes } = carriedOf(cidrs);
  const call = (action: string, lists: Readonly<Record<string, readonly string[]>>): PlannedCall[] => {
    const given = Object.entries(lists).filter(([, list]) => list.length > 0);
    const parameters = Object.fromEntries(given.map(([name, list]) => [name, list.join(",")]));
    return given.length === 0 ? [] : [{ action, parameters: { NetworkInterfaceId: interfaceId, ...parameters } }];
  };
  return [
    ...call("UnassignPrivateIpAddresses", { PrivateIpAddress: addresses, Ipv4Prefix: prefixes }),
    ...call("UnassignIpv6Addresses", { Ipv6Prefix: ipv6Prefixes }),
  ];
}

function removals({ interfaceId, orphanOf }: RemoveInterfaceStep): readonly PlannedCall[] {
  const look: PlannedCall = {
    action: "DescribeNetworkInterfaces",
    parameters: { "network-interface-id": interfaceId },
  };
  const change = (action: string, more: PlannedCall["parameters"] = {}): PlannedCall => ({
    action,
    parameters: { NetworkInterfaceId: interfaceId, ...more },
  });
  return orphanOf === undefined
    ? [look, change("DetachNetworkInterface", { Force: false }), look, change("DeleteNetworkInterface")]
    : [look, change("DeleteNetworkInterface")];
}
