import { DONE, defineAction } from "../action.ts";
import { checkAttachment, checkPrefixSupport, checkSlots, checkSlots6, slots6Of, slotsOf } from "../limits.ts";
import { checkId, refuseManaged, required, requireInstance, requireInterface } from "../lookups.ts";
import type { Instance, NetworkInterface } from "../records.ts";
import { invalidValue, SimulatedError } from "../simulated-error.ts";
import { drawId, drawMs, findInterface, putInterface } from "../state.ts";
import { detachNow } from "../transitions.ts";

const MAX_DEVICE_INDEX = 255;

/** No idempotency: a repeated attach meets InvalidNetworkInterface.InUse. */
export const attachNetworkInterface = defineAction({
  name: "AttachNetworkInterface",
  service: "ec2",
  kind: "mutating",
  shape: {
    NetworkInterfaceId: "string",
    InstanceId: "string",
    DeviceIndex: "integer",
    NetworkCardIndex: "integer",
  } as const,
  check(request) {
    required(request.NetworkInterfaceId, "networkInterfaceId");
    required(request.InstanceId, "instanceId");
    const index = required(request.DeviceIndex, "deviceIndex");
    if (index < 0 || index > MAX_DEVICE_INDEX) throw invalidValue(`Invalid value '${index}' for deviceIndex.`);
  },
  run(world, request) {
    const found = requireInterface(world, required(request.NetworkInterfaceId, "networkInterfaceId"));
    const instance = requireInstance(world, required(request.InstanceId, "instanceId"));
    const deviceIndex = required(request.DeviceIndex, "deviceIndex");
    const networkCard = request.NetworkCardIndex ?? 0;
    refuseManaged(found);
    if (found.attachment) {
      throw new SimulatedError("InvalidNetworkInterface.InUse", `Interface: [${found.id}] in use.`);
    }
    checkPlaces(found, instance);
    checkAttachment(world, instance, networkCard, deviceIndex);
    checkSlots(world, instance.id, slotsOf(found));
    checkSlots6(world, instance.id, slots6Of(found));
    if (found.prefixes.length + found.ipv6Prefixes.length > 0) checkPrefixSupport(world, instance.id);
    const attachment = {
      id: drawId(world, "eni-attach"),
      instanceId: instance.id,
      deviceIndex,
      networkCard,
      status: "attaching" as const,
      attachedAtMs: world.nowMs,
      deleteOnTermination: false,
      metadataCompleteAtMs: world.nowMs + drawMs(world, world.settings.metadataLagMs),
    };
    world.state.attachments.set(attachment.id, found.id);
    putInterface(world, { ...found, status: "in-use", attachment });
    world.state.agenda.add({
      dueMs: world.nowMs + drawMs(world, world.settings.attachMs),
      kind: "attached",
      interfaceId: found.id,
      attachmentId: attachment.id,
    });
    return { attachmentId: attachment.id, networkCardIndex: networkCard };
  },
});

function checkPlaces(found: NetworkInterface, instance: Instance): void {
  if (instance.state !== "running" && instance.state !== "stopped") {
    throw new SimulatedError("IncorrectState", `Instance '${instance.id}' is not 'running'`);
  }
  if (found.zone !== instance.zone) {
    throw invalidValue(
      "You may not attach a network interface to an instance if they are not in the same availability zone",
    );
  }
  if (found.vpcId !== instance.vpcId) {
    throw invalidValue(`Network interface '${found.id}' and instance '${instance.id}' are not in the same VPC`);
  }
  if (found.interfaceType.startsWith("efa") && instance.state === "running") {
    throw invalidValue("EFA network interfaces cannot be attached to a running instance");
  }
}

/** Asynchronous unless forced; detaching what is detaching already changes nothing. */
export const detachNetworkInterface = defineAction({
  name: "DetachNetworkInterface",
  service: "ec2",
  kind: "mutating",
  shape: { AttachmentId: "string", Force: "boolean" } as const,
  check(request) {
    checkId(
      "eni-attach",
      required(request.AttachmentId, "attachmentId"),
      "InvalidNetworkInterfaceAttachmentId.Malformed",
    );
  },
  run(world, request) {
    const attachmentId = required(request.AttachmentId, "attachmentId");
    const found = findInterface(world.state, world.state.attachments.get(attachmentId) ?? "");
    if (found?.attachment?.id !== attachmentId) {
      throw new SimulatedError("InvalidAttachmentID.NotFound", `The attachment ID '${attachmentId}' does not exist`);
    }
    const { attachment } = found;
    if (attachment.deviceIndex === 0 && attachment.networkCard === 0) {
      throw new SimulatedError(
        "OperationNotPermitted",
        "The network interface at device index 0 and networkCard index 0 cannot be detached.",
      );
    }
    refuseManaged(found);
    if (request.Force) detachNow(world, found.id);
    else if (attachment.status !== "detaching") {
      putInterface(world, { ...found, status: "detaching", attachment: { ...attachment, status: "detaching" } });
      world.state.agenda.add({
        dueMs: world.nowMs + drawMs(world, world.settings.detachMs),
        kind: "detached",
        interfaceId: found.id,
        attachmentId,
      });
    }
    return DONE;
  },
});
