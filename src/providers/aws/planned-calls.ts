import type { PlannedCall } from "../../manager/ports/index.ts";
import type { Step } from "../../planning/index.ts";

/** The calls of a step when nothing goes wrong, in order. */
export function plannedCalls(
  step: Step,
  node: { readonly instanceId: string; readonly deleteOnTermination: boolean },
): readonly PlannedCall[] {
  switch (step.kind) {
    case "add-blocks":
      return [
        {
          action: "AssignPrivateIpAddresses",
          parameters: { NetworkInterfaceId: step.interfaceId, SecondaryPrivateIpAddressCount: step.count },
        },
      ];
    case "create-interface":
      return [
        {
          action: "CreateNetworkInterface",
          parameters: {
            SubnetId: step.subnetId,
            ...(step.count > 0 ? { SecondaryPrivateIpAddressCount: step.count } : {}),
          },
        },
        {
          action: "AttachNetworkInterface",
          parameters: { InstanceId: node.instanceId, DeviceIndex: step.deviceIndex, NetworkCardIndex: 0 },
        },
        ...(node.deleteOnTermination
          ? [
              {
                action: "ModifyNetworkInterfaceAttribute",
                parameters: { "Attachment.DeleteOnTermination": true },
              },
            ]
          : []),
      ];
    case "release-blocks": {
      const addresses = step.cidrs.filter((cidr) => cidr.endsWith("/32")).map((cidr) => cidr.slice(0, -3));
      const prefixes = step.cidrs.filter((cidr) => !cidr.endsWith("/32"));
      return [
        {
          action: "UnassignPrivateIpAddresses",
          parameters: {
            NetworkInterfaceId: step.interfaceId,
            ...(addresses.length > 0 ? { PrivateIpAddresses: addresses.join(",") } : {}),
            ...(prefixes.length > 0 ? { Ipv4Prefixes: prefixes.join(",") } : {}),
          },
        },
      ];
    }
    case "remove-interface":
      return [
        { action: "DescribeNetworkInterfaces", parameters: { "network-interface-id": step.interfaceId } },
        { action: "DetachNetworkInterface", parameters: { NetworkInterfaceId: step.interfaceId, Force: false } },
        { action: "DescribeNetworkInterfaces", parameters: { "network-interface-id": step.interfaceId } },
        { action: "DeleteNetworkInterface", parameters: { NetworkInterfaceId: step.interfaceId } },
      ];
  }
}
