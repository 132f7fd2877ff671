import type { StepFailure, StepOutcome } from "../../manager/ports/index.ts";
import { type Creation, earlierRequestOf, finishCreated, knownFrom, requestOf } from "./creation.ts";
import type { InterfaceRequest } from "./ec2.ts";
import { symptomOf } from "./failures.ts";
import type { KnownInterface } from "./interfaces.ts";
import { TAG_INTENT, TOKEN_LIFE_MS } from "./options.ts";
import { discardNewInterface, removeInterface } from "./removal.ts";
import { type Described, describeOne, isYoung, refusal, stepFailureOf, withNothingLeft } from "./step-context.ts";
import { looks } from "./waiting.ts";

/**
 * Failures of a repeated create which say that the first one had no effect either: EC2 answers a token it has carried
 * out with the interface, whatever has become of the subnet since. The tag is looked for all the same, in case EC2
 * looks at the subnet before it looks at the token.
 */
const NEVER_MADE: ReadonlySet<StepFailure["class"]> = new Set(["subnet-exhausted", "limit", "configuration"]);

/** Finds what the intent made, or makes it now, then attaches it. `undone`: it had been made and is gone again. */
export async function finishCreation(creation: Creation): Promise<StepOutcome> {
  const { context, intent } = creation;
  await context.ranges.require(context.ec2, [creation.step.subnetId], creation.signal);
  if (intent.interfaceId !== undefined) {
    const seen = await lookFor(creation, intent.interfaceId);
    return seen === undefined ? nothingThere(creation, intent.interfaceId) : finishDescribed(creation, seen);
  }
  const made = await askByToken(creation);
  if (made.kind === "made") return finishCreated(creation, made.known, undefined);
  const [found] = await findByTag(creation, made.lookMs);
  if (found !== undefined) return finishDescribed(creation, found);
  if (made.refusedBy !== undefined) throw withNothingLeft(made.refusedBy);
  return { kind: "undone" };
}

/** Deletes what the intent made. When it is unknown whether anything was made, the token answers that. */
export async function undoCreation(creation: Creation): Promise<StepOutcome> {
  const { context, intent, progress, signal } = creation;
  if (intent.interfaceId !== undefined) {
    await removeInterface(context, intent.interfaceId, isYoung(context, intent), signal);
    return { kind: "undone" };
  }
  let found = await findByTag(creation, 0);
  if (found.length === 0) {
    // EC2 may not show yet what it made. Asked with the same token it answers with that, or makes it now: either way
    // the interface is known then, and can be deleted.
    const made = await askByToken(creation);
    if (made.kind === "made") {
      await progress({ interfaceId: made.known.id });
      await discardNewInterface(context, made.known.id, signal);
      return { kind: "undone" };
    }
    found = await findByTag(creation, made.lookMs);
  }
  for (const { known } of found) {
    await progress({ interfaceId: known.id });
    await removeInterface(context, known.id, true, signal);
  }
  return { kind: "undone" };
}

/** What a repeated create says of the first one. */
type Asked =
  | { readonly kind: "made"; readonly known: KnownInterface }
  /**
   * The token does not tell (too old, used with other parameters, refused): the tag does, looked for that long. When it
   * finds nothing, nothing was made; `refusedBy` is why nothing can be made now.
   */
  | { readonly kind: "by-tag"; readonly lookMs: number; readonly mismatch?: boolean; readonly refusedBy?: unknown };

/** Rejects while EC2 does not say. */
async function askByToken(creation: Creation): Promise<Asked> {
  const { context, intent, step } = creation;
  const { instanceId } = context.identity;
  const asked = await askWith(creation, requestOf(intent, step, instanceId));
  const earlier = asked.kind === "by-tag" && asked.mismatch ? earlierRequestOf(intent, step, instanceId) : undefined;
  return earlier === undefined ? asked : askWith(creation, earlier);
}

async function askWith(creation: Creation, request: InterfaceRequest): Promise<Asked> {
  const { context, intent, signal } = creation;
  if (context.world.clock.nowMs() - intent.openedAtMs >= TOKEN_LIFE_MS) return { kind: "by-tag", lookMs: 0 };
  try {
    return { kind: "made", known: knownFrom(context, await context.ec2.createInterface(request, signal)) };
  } catch (error) {
    const failure = stepFailureOf(error);
    const lookMs = isYoung(context, intent) ? context.world.limits.newInterfaceGraceMs : 0;
    if (failure?.effect === "none" && NEVER_MADE.has(failure.class))
      return { kind: "by-tag", lookMs, refusedBy: error };
    // The token is known, with other parameters or of an interface that is there no more.
    const mismatch = symptomOf(error) === "token-mismatch";
    if (mismatch || symptomOf(error) === "interface-unknown") return { kind: "by-tag", lookMs, mismatch };
    throw error;
  }
}

/** The interface, looked for until EC2 shows it or the time is over in which it might not. */
async function lookFor(creation: Creation, interfaceId: string): Promise<Described | undefined> {
  const { context, intent, signal } = creation;
  const young = isYoung(context, intent);
  const pauses = looks(context.world, young ? context.world.limits.newInterfaceGraceMs : 0);
  for (;;) {
    const seen = await describeOne(context, interfaceId, signal);
    if (seen !== undefined || !(await pauses.pause(signal))) return seen;
  }
}

async function findByTag(creation: Creation, lookMs: number): Promise<readonly Described[]> {
  const { context, intent, signal } = creation;
  const pauses = looks(context.world, lookMs);
  for (;;) {
    const tagged = await context.ec2.describeInterfaces({ [`tag:${TAG_INTENT}`]: [intent.id] }, signal);
    const found: Described[] = [];
    for (const one of tagged) {
      const described = await describeOne(context, one.NetworkInterfaceId ?? "", signal);
      if (described !== undefined) found.push(described);
    }
    if (found.length > 0 || !(await pauses.pause(signal))) return found;
  }
}

function finishDescribed(creation: Creation, { known, instanceId }: Described): Promise<StepOutcome> {
  if (instanceId !== undefined && instanceId !== creation.context.identity.instanceId) {
    throw refusal(`${known.id} is attached to ${instanceId}, not to this instance`, "gone");
  }
  const { attachmentId, deviceIndex, networkCard } = known;
  return finishCreated(creation, known, known.attached ? { attachmentId, deviceIndex, networkCard } : undefined);
}

function nothingThere({ context }: Creation, interfaceId: string): StepOutcome {
  context.memory.forget(interfaceId);
  return { kind: "undone" };
}
