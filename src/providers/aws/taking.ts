import { sleep } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import type { FailureClass, Intent, StepFailure, StepOutcome } from "../../manager/ports/index.ts";
import type { AddBlocksStep } from "../../planning/index.ts";
import { addressBlock, blocksOf, carriedOf } from "./block-units.ts";
import { fromEc2, type KnownInterface } from "./interfaces.ts";
import { TAG_MANAGED } from "./options.ts";
import {
  describeOne,
  interfaceGone,
  isYoung,
  knownForStep,
  refusal,
  type StepContext,
  withUnknownEffect,
} from "./step-context.ts";
import { looks } from "./waiting.ts";

/** The step that brings one very address. */
export type TakingStep = AddBlocksStep & { readonly address: string };

export function isTaking(step: AddBlocksStep): step is TakingStep {
  return step.address !== undefined;
}

/** The action that moves a secondary address; with AllowReassignment, which needs no permission of its own. */
const ACTION = "AssignPrivateIpAddresses";

/**
 * Brings an address to an interface, from whichever other one has it. EC2 says of a move that it may not be there yet when
 * the call returns ("Multiple IP addresses", EC2 User Guide), so it counts when EC2's own describe shows it here; metadata
 * follows later. Looks at the holder before: the flag that allows the move would also take an address from an interface
 * that is none of enid's.
 */
export async function takeAddress(context: StepContext, step: TakingStep, signal?: AbortSignal): Promise<StepOutcome> {
  const { interfaceId, subnetId, address, count, unit = "address" } = step;
  if (count !== 1 || unit !== "address") throw refusal(`${address} cannot be ${count} blocks of ${unit}`, "bug");
  const known = await knownForStep(context, interfaceId, signal);
  if (known === undefined) throw interfaceGone(ACTION, interfaceId);
  if (known.primaryAddress === address) throw notToBeTaken(step, `it is the primary address of ${interfaceId}`);
  await refuseOfOthers(context, step, signal);
  await context.ec2.moveHere({ interfaceId, subnetId, address }, signal);
  const seen = await shown(context, step, looks(context.world, context.world.limits.additionLookMs), signal).catch(
    (error) => {
      throw withUnknownEffect(error);
    },
  );
  if (!isOn(seen, address)) {
    const detail = `EC2 accepted it, and does not show ${address} on ${interfaceId} yet`;
    throw failed("IncorrectState", detail, { class: "transient", effect: "unknown" });
  }
  const now = context.memory.get(interfaceId) ?? known;
  return taken(context, { ...now, ...carriedOf(new Set([...blocksOf(now), addressBlock(address)])) }, address);
}

/**
 * A taking of unknown outcome: done when the address is on the interface. Nothing is believed until `describeLagMs` after
 * the intent was opened: the address may have been here before, and a describe that lags would show that.
 */
export async function settleTaking(
  context: StepContext,
  intent: Intent,
  step: TakingStep,
  signal?: AbortSignal,
): Promise<StepOutcome> {
  const { clock, limits } = context.world;
  const tooEarlyMs = intent.openedAtMs + limits.describeLagMs - clock.nowMs();
  // The wall clock may have gone back since: never longer than the lag itself.
  if (tooEarlyMs > 0) await sleep(clock, Math.min(tooEarlyMs, limits.describeLagMs), signal);
  const pauses = looks(context.world, isYoung(context, intent) ? limits.additionLookMs : 0);
  const seen = await shown(context, step, pauses, signal);
  if (isOn(seen, step.address)) return taken(context, seen, step.address);
  if (seen === undefined) context.memory.forget(step.interfaceId);
  else context.memory.put(seen);
  return { kind: "undone" };
}

/** The interface as EC2 shows it: with the address, or as it was at the last look. */
async function shown(
  context: StepContext,
  { interfaceId, address }: TakingStep,
  pauses: ReturnType<typeof looks>,
  signal: AbortSignal | undefined,
): Promise<KnownInterface | undefined> {
  for (;;) {
    const seen = (await describeOne(context, interfaceId, signal))?.known;
    if (isOn(seen, address) || !(await pauses.pause(signal))) return seen;
  }
}

function isOn(seen: KnownInterface | undefined, address: string): seen is KnownInterface {
  return seen?.addresses.includes(address) === true;
}

function taken({ memory }: StepContext, after: KnownInterface, address: string): StepOutcome {
  memory.put(after);
  return { kind: "done", interface: memory.observed(after), added: [addressBlock(address)] };
}

/** Addresses are the VPC's: the same one may be in another VPC of the account. */
async function refuseOfOthers(context: StepContext, step: TakingStep, signal: AbortSignal | undefined): Promise<void> {
  const { ec2, identity, memory } = context;
  const { address, interfaceId } = step;
  const filters = { "addresses.private-ip-address": [address], "vpc-id": [identity.vpcId] };
  for (const described of await ec2.describeInterfaces(filters, signal)) {
    const holder = fromEc2(described, identity.instanceId, "");
    if (holder.id === interfaceId) continue;
    if (holder.primaryAddress === address) throw notToBeTaken(step, `it is the primary address of ${holder.id}`);
    const isOfEnid = holder.tags[TAG_MANAGED] === "true" && holder.offLimits === undefined;
    const why = isOfEnid ? undefined : memory.whyForeign(holder);
    if (why !== undefined) throw notToBeTaken(step, `it is on ${holder.id}, which is ${why}`);
  }
}

function notToBeTaken({ address }: TakingStep, why: string): EnidError {
  return failed("Resource.AlreadyAssigned", `${address} cannot move: ${why}`, {
    class: "configuration",
    effect: "none",
  });
}

function failed(
  code: string,
  detail: string,
  failure: { readonly class: FailureClass; readonly effect: StepFailure["effect"] },
): EnidError {
  return new EnidError("ENID_EC2_FAILED", { action: ACTION, code, detail }, { details: { ...failure, ec2Code: code } });
}
