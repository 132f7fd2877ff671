import type { NetworkInterface } from "@aws-sdk/client-ec2";
import type { InstanceLimits, Intent, ReportProgress, StepFailure, StepOutcome } from "../../manager/ports/index.ts";
import type { CreateInterfaceStep } from "../../planning/index.ts";
import { blocksOf } from "./block-units.ts";
import type { InterfaceRequest } from "./ec2.ts";
import { symptomOf } from "./failures.ts";
import { fromEc2, isAttached, type KnownInterface } from "./interfaces.ts";
import { TAG_CREATED_AT, TAG_INSTANCE, TAG_INTENT, TAG_MANAGED } from "./options.ts";
import { discardNewInterface } from "./removal.ts";
import {
  describeOne,
  refusal,
  type StepContext,
  stepFailureOf,
  withNothingLeft,
  withUnknownEffect,
} from "./step-context.ts";
import { looks } from "./waiting.ts";

/** One create-interface step under way: what its parts need. */
export interface Creation {
  readonly context: StepContext;
  readonly intent: Intent;
  readonly step: CreateInterfaceStep;
  readonly progress: ReportProgress;
  readonly signal: AbortSignal | undefined;
}

/** An attachment to this instance. */
export interface Attached {
  readonly attachmentId: string;
  readonly deviceIndex: number;
  readonly networkCard: number;
}

/**
 * Failures after which an attach will not succeed by trying again, so that the interface is deleted at once. After the
 * others it stays for `settle`: the intent is open, and says where it is.
 */
const FOR_GOOD: ReadonlySet<StepFailure["class"]> = new Set(["limit", "unauthorized", "configuration", "gone", "bug"]);

/**
 * Create (with all its blocks, tags and the intent's token) → Attach → Modify; three mutating calls, and the answers
 * are the result. Rejects with effect `none` only when nothing is left of the interface.
 */
export async function createInterface(creation: Creation): Promise<StepOutcome> {
  const { context, intent, step, signal } = creation;
  await context.ranges.require(context.ec2, [step.subnetId], signal);
  const made = await context.ec2.createInterface(requestOf(intent, step, context.identity.instanceId), signal);
  return finishCreated(creation, knownFrom(context, made), undefined);
}

/**
 * What an intent asks EC2 for. A function of the intent alone: a repeated call must be equal, or EC2 answers
 * IdempotentParameterMismatch instead of the interface it made.
 */
export function requestOf(intent: Intent, step: CreateInterfaceStep, instanceId: string): InterfaceRequest {
  return {
    subnetId: step.subnetId,
    securityGroups: intent.securityGroups,
    description: `enid ${instanceId}`,
    count: step.count,
    unit: step.unit ?? "address",
    ipv6Prefixes: step.ipv6Prefixes ?? 0,
    refuseIpv6Addresses: true,
    tags: {
      ...intent.tags,
      [TAG_MANAGED]: "true",
      [TAG_INSTANCE]: instanceId,
      [TAG_INTENT]: intent.id,
      [TAG_CREATED_AT]: new Date(intent.openedAtMs).toISOString(),
    },
    clientToken: intent.id,
  };
}

/**
 * The same as enid asked before it knew of IPv6, to find what an intent of that time made; undefined for an intent that
 * cannot be of it.
 */
export function earlierRequestOf(
  intent: Intent,
  step: CreateInterfaceStep,
  instanceId: string,
): InterfaceRequest | undefined {
  const later = [step.unit, step.ipv6Prefixes, step.networkCard, intent.tags].some((part) => part !== undefined);
  return later ? undefined : { ...requestOf(intent, step, instanceId), refuseIpv6Addresses: false };
}

export function knownFrom(context: StepContext, made: NetworkInterface): KnownInterface {
  const known = fromEc2(made, context.identity.instanceId, context.ranges.of(made.SubnetId ?? ""));
  // An answer may come before the tags; this one is of enid by what made it.
  return { ...known, madeBy: "enid" };
}

/** From a made interface to the outcome. `attached`: the attachment it has already. */
export async function finishCreated(
  creation: Creation,
  made: KnownInterface,
  attached: Attached | undefined,
): Promise<StepOutcome> {
  const { context, intent, progress, signal } = creation;
  try {
    if (intent.interfaceId !== made.id) await progress({ interfaceId: made.id });
    const attachment = attached ?? (await attachOrDiscard(creation, made.id));
    if (intent.attachmentId !== attachment.attachmentId) {
      await progress({ interfaceId: made.id, attachmentId: attachment.attachmentId });
    }
    if (intent.deleteOnTermination) {
      await patiently(creation, () => context.ec2.deleteOnTermination(made.id, attachment.attachmentId, signal));
    }
    const known: KnownInterface = { ...made, ...attachment, attached: true };
    context.memory.put(known);
    return { kind: "done", interface: context.memory.observed(known), added: blocksOf(known) };
  } catch (error) {
    throw withUnknownEffect(error);
  }
}

async function attachOrDiscard(creation: Creation, interfaceId: string): Promise<Attached> {
  const { context, signal } = creation;
  try {
    return await attach(creation, interfaceId);
  } catch (error) {
    const failure = stepFailureOf(error);
    if (failure === undefined || failure.final || failure.effect === "unknown" || !FOR_GOOD.has(failure.class)) {
      throw error;
    }
    await discardNewInterface(context, interfaceId, signal);
    context.world.telemetry.event({
      name: "interface-discarded",
      level: "warn",
      message: `${interfaceId} was deleted again: it could not be attached (${failure.ec2Code})`,
      fields: { interfaceId, code: failure.ec2Code, intent: creation.intent.id },
    });
    throw withNothingLeft(error);
  }
}

/**
 * Attaches at the step's device index, or at the next free one when EC2 says that it is taken: an index that was freed
 * just now may still be refused, and another program may have taken it.
 */
async function attach(creation: Creation, interfaceId: string): Promise<Attached> {
  const { context, step, signal } = creation;
  const { instanceId } = context.identity;
  const { networkCard = 0 } = step;
  const refused = new Set<number>();
  let deviceIndex = step.deviceIndex;
  for (;;) {
    const place = { deviceIndex, networkCard };
    const request = { interfaceId, instanceId, ...place };
    try {
      return { attachmentId: await patiently(creation, () => context.ec2.attach(request, signal)), ...place };
    } catch (error) {
      const symptom = symptomOf(error);
      if (symptom === "in-use") return await existingAttachment(creation, interfaceId, error);
      if (symptom !== "device-index-taken") throw error;
      const filters = { "attachment.instance-id": [instanceId] };
      const neighbours = await context.ec2.describeInterfaces(filters, signal);
      const own = attachmentOf(neighbours.find((one) => one.NetworkInterfaceId === interfaceId));
      if (own !== undefined) return own;
      refused.add(deviceIndex);
      const next = freeDeviceIndex(creation, neighbours, refused);
      if (next === undefined) throw error;
      context.world.telemetry.event({
        name: "device-index-taken",
        level: "warn",
        message: `device index ${deviceIndex} on network card ${networkCard} is taken; ${interfaceId} goes to ${next}`,
        fields: { interfaceId, networkCard, deviceIndex, next },
      });
      deviceIndex = next;
    }
  }
}

/** EC2 says that it is attached: an attach of ours was carried out after all, or somebody else attached it. */
async function existingAttachment(creation: Creation, interfaceId: string, refusedBy: unknown): Promise<Attached> {
  const { context, signal } = creation;
  const pauses = looks(context.world, context.world.limits.newInterfaceGraceMs);
  for (;;) {
    const seen = await describeOne(context, interfaceId, signal);
    if (seen?.instanceId !== undefined && seen.instanceId !== context.identity.instanceId) {
      throw refusal(`${interfaceId} is attached to ${seen.instanceId}, not to this instance`, "gone");
    }
    if (seen?.known.attached) {
      const { attachmentId, deviceIndex, networkCard } = seen.known;
      return { attachmentId, deviceIndex, networkCard };
    }
    if (!(await pauses.pause(signal))) throw refusedBy;
  }
}

function attachmentOf(described: NetworkInterface | undefined): Attached | undefined {
  const { AttachmentId: attachmentId, DeviceIndex: deviceIndex, NetworkCardIndex } = described?.Attachment ?? {};
  return described === undefined || !isAttached(described) || attachmentId === undefined || deviceIndex === undefined
    ? undefined
    : { attachmentId, deviceIndex, networkCard: NetworkCardIndex ?? 0 };
}

/** The lowest index above the step's, on its card, that neither EC2 shows as taken nor was refused. */
function freeDeviceIndex(
  { context, step }: Creation,
  neighbours: readonly NetworkInterface[],
  refused: ReadonlySet<number>,
): number | undefined {
  const { networkCard = 0 } = step;
  const onCard = neighbours.filter((one) => (one.Attachment?.NetworkCardIndex ?? 0) === networkCard);
  const taken = new Set(onCard.map((one) => one.Attachment?.DeviceIndex));
  // Only upwards: below, indexes may be kept free of pods (first-interface-index).
  for (let index = step.deviceIndex + 1; index <= lastDeviceIndex(context.instanceLimits, networkCard); index++) {
    if (!taken.has(index) && !refused.has(index)) return index;
  }
  return undefined;
}

/** Indexes count from 0 on the card of the primary interface, from 1 on the others. */
function lastDeviceIndex({ cards, maxInterfaces }: InstanceLimits, networkCard: number): number {
  const own = cards?.find((one) => one.card === networkCard)?.maxInterfaces ?? maxInterfaces;
  return networkCard === 0 ? own - 1 : own;
}

/** Repeats `call` while EC2 does not know the interface or attachment that it has just made. */
async function patiently<Output>(creation: Creation, call: () => Promise<Output>): Promise<Output> {
  const { context, signal } = creation;
  const pauses = looks(context.world, context.world.limits.newInterfaceGraceMs);
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const symptom = symptomOf(error);
      const notYet = symptom === "interface-unknown" || symptom === "attachment-unknown";
      if (!notYet || !(await pauses.pause(signal))) throw error;
    }
  }
}
