import { DONE, defineAction, type Result } from "../action.ts";
import { releaseAll } from "../holding.ts";
import { groupSet } from "../interface-result.ts";
import { refuseManaged, required, requireInterface, securityGroupsFor } from "../lookups.ts";
import type { NetworkInterface } from "../records.ts";
import { invalidCombination, invalidValue, missingParameter, SimulatedError } from "../simulated-error.ts";
import { dropInterface, putInterface } from "../state.ts";

/** One attribute per call; groups are replaced as a whole. */
export const modifyNetworkInterfaceAttribute = defineAction({
  name: "ModifyNetworkInterfaceAttribute",
  service: "ec2",
  kind: "mutating",
  shape: {
    NetworkInterfaceId: "string",
    Attachment: { AttachmentId: "string", DeleteOnTermination: "boolean" },
    SecurityGroupId: ["string"],
    SourceDestCheck: { Value: "boolean" },
    Description: { Value: "string" },
  } as const,
  check(request) {
    required(request.NetworkInterfaceId, "networkInterfaceId");
    const given = [
      request.Attachment !== undefined,
      request.SecurityGroupId.length > 0,
      request.SourceDestCheck !== undefined,
      request.Description !== undefined,
    ].filter(Boolean).length;
    if (given === 0) throw missingParameter("attribute");
    if (given > 1) throw invalidCombination("Fields for multiple attribute types specified");
  },
  run(world, request) {
    const found = requireInterface(world, required(request.NetworkInterfaceId, "networkInterfaceId"));
    refuseManaged(found);
    if (request.Attachment) putInterface(world, withAttachment(found, request.Attachment));
    else if (request.SecurityGroupId.length > 0) {
      putInterface(world, { ...found, securityGroups: securityGroupsFor(world, request.SecurityGroupId, found.vpcId) });
    } else if (request.SourceDestCheck) {
      putInterface(world, {
        ...found,
        sourceDestCheck: required(request.SourceDestCheck.Value, "sourceDestCheck.value"),
      });
    } else putInterface(world, { ...found, description: request.Description?.Value ?? "" });
    return DONE;
  },
});

function withAttachment(
  found: NetworkInterface,
  change: { readonly AttachmentId: string | undefined; readonly DeleteOnTermination: boolean | undefined },
): NetworkInterface {
  const attachmentId = required(change.AttachmentId, "attachment.attachmentId");
  if (found.attachment?.id !== attachmentId) {
    throw new SimulatedError("InvalidAttachmentID.NotFound", `The attachment ID '${attachmentId}' does not exist`);
  }
  const deleteOnTermination = required(change.DeleteOnTermination, "attachment.deleteOnTermination");
  return { ...found, attachment: { ...found.attachment, deleteOnTermination } };
}

export const describeNetworkInterfaceAttribute = defineAction({
  name: "DescribeNetworkInterfaceAttribute",
  service: "ec2",
  kind: "describe",
  shape: { NetworkInterfaceId: "string", Attribute: "string" } as const,
  check(request) {
    required(request.NetworkInterfaceId, "networkInterfaceId");
    required(request.Attribute, "attribute");
  },
  run(world, request): Result {
    const found = requireInterface(world, required(request.NetworkInterfaceId, "networkInterfaceId"));
    const head = { networkInterfaceId: found.id };
    switch (request.Attribute) {
      case "description":
        return { ...head, description: { value: found.description } };
      case "groupSet":
        return { ...head, groupSet: groupSet(world.state, found.securityGroups) };
      case "sourceDestCheck":
        return { ...head, sourceDestCheck: { value: found.sourceDestCheck } };
      case "attachment":
        return {
          ...head,
          attachment: found.attachment && {
            attachmentId: found.attachment.id,
            instanceId: found.attachment.instanceId,
            deviceIndex: found.attachment.deviceIndex,
            status: found.attachment.status,
            deleteOnTermination: found.attachment.deleteOnTermination,
          },
        };
      default:
        throw invalidValue(`Value (${request.Attribute}) for parameter attribute is invalid.`);
    }
  },
});

/** Only detached interfaces; their addresses are free at once. */
export const deleteNetworkInterface = defineAction({
  name: "DeleteNetworkInterface",
  service: "ec2",
  kind: "mutating",
  shape: { NetworkInterfaceId: "string" } as const,
  check: (request) => void required(request.NetworkInterfaceId, "networkInterfaceId"),
  run(world, request) {
    const found = requireInterface(world, required(request.NetworkInterfaceId, "networkInterfaceId"));
    // The documentation names InvalidNetworkInterface.InUse; EC2 answers this (aws/amazon-vpc-cni-k8s#1399).
    if (found.attachment) throw invalidValue(`Network interface '${found.id}' is currently in use.`);
    refuseManaged(found);
    releaseAll(world.state, found);
    dropInterface(world, found.id);
    return DONE;
  },
});
