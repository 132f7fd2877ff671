import type { NetworkInterface } from "@aws-sdk/client-ec2";
import { type Leftover, type StepOutcome, TAG_CLUSTER } from "../../manager/ports/index.ts";
import type { RemoveInterfaceStep } from "../../planning/index.ts";
import type { Ec2 } from "./ec2.ts";
import { symptomOf } from "./failures.ts";
import { fromEc2, type InterfaceMemory, type KnownInterface } from "./interfaces.ts";
import { TAG_CREATED_AT, TAG_INSTANCE, TAG_MANAGED } from "./options.ts";
import { describeOne, refusal, refuseForeign, type StepContext } from "./step-context.ts";
import { tagsOf } from "./subnets.ts";

const INSTANCE_ID = /^i-[0-9a-f]{8,17}$/;

/**
 * The interfaces of the cluster that enid made, whichever node, and that hang on nothing: one DescribeNetworkInterfaces.
 * What is not exactly as enid tags it is left out. No cluster name, no call: every cluster's would be found.
 */
export async function listLeftovers(
  ec2: Ec2,
  memory: InterfaceMemory,
  clusterName: string,
  signal?: AbortSignal,
): Promise<readonly Leftover[]> {
  if (clusterName === "") return [];
  const filters = {
    [`tag:${TAG_CLUSTER}`]: [clusterName],
    [`tag:${TAG_MANAGED}`]: ["true"],
    status: ["available"],
  };
  const found = await ec2.describeInterfaces(filters, signal);
  return found.flatMap((one) => leftoverOf(one, memory, clusterName) ?? []);
}

/** Of what EC2 described; undefined for what is none. Values of filters know wildcards, the comparison here knows none. */
function leftoverOf(described: NetworkInterface, memory: InterfaceMemory, clusterName: string): Leftover | undefined {
  const { NetworkInterfaceId: id = "", Attachment, TagSet } = described;
  const tags = tagsOf(TagSet);
  const instanceId = tags[TAG_INSTANCE] ?? "";
  const createdAtMs = parseTime(tags[TAG_CREATED_AT] ?? "");
  if (id === "" || Attachment?.AttachmentId !== undefined || !INSTANCE_ID.test(instanceId)) return undefined;
  const known = ofEnid(fromEc2(described, instanceId, ""));
  if (createdAtMs === undefined || !isOfCluster(known, clusterName) || memory.whyForeign(known) !== undefined) {
    return undefined;
  }
  return { id, instanceId, createdAtMs };
}

/**
 * Deletes a leftover, and only that: what is attached in any way, or carries not the tags, is refused, and nothing is
 * ever detached. EC2's own refusal to delete what is in use is the last safety. Gone already is done. Settled by repeating.
 */
export async function removeOrphan(
  context: StepContext,
  step: RemoveInterfaceStep,
  clusterName: string,
  signal?: AbortSignal,
): Promise<StepOutcome> {
  const { interfaceId } = step;
  const seen = await describeOne(context, interfaceId, signal);
  if (seen !== undefined) {
    const known = ofEnid(seen.known);
    if (clusterName === "" || !isOfCluster(known, clusterName)) {
      throw refusal(`${interfaceId} does not carry the tags of enid in cluster ${clusterName}`, "bug");
    }
    refuseForeign(context, known);
    if (seen.attachmentId !== undefined) throw attached(interfaceId, seen.instanceId ?? "an instance");
    try {
      await context.ec2.deleteInterface(interfaceId, signal);
    } catch (error) {
      const symptom = symptomOf(error);
      if (symptom === "in-use") throw attached(interfaceId, "an instance by now");
      if (symptom !== "interface-unknown") throw error;
    }
  }
  context.memory.forget(interfaceId);
  return { kind: "gone", cidrs: [], interfaceId };
}

function attached(interfaceId: string, to: string): Error {
  return refusal(`${interfaceId} is no leftover: it is attached to ${to}`, "gone");
}

function isOfCluster({ tags }: KnownInterface, clusterName: string): boolean {
  return tags[TAG_CLUSTER] === clusterName && tags[TAG_MANAGED] === "true";
}

/** The tags of enid are looked at where it matters; those that another IPAM put beside them do not count. */
function ofEnid(known: KnownInterface): KnownInterface {
  return { ...known, madeBy: "enid" };
}

/** Wall ms of a time exactly as enid writes it; undefined for any other text. */
function parseTime(text: string): number | undefined {
  const ms = Date.parse(text);
  return Number.isFinite(ms) && new Date(ms).toISOString() === text ? ms : undefined;
}
