import type { StepOutcome } from "../../manager/ports/index.ts";
import type { SetSecurityGroupsStep } from "../../planning/index.ts";
import { symptomOf } from "./failures.ts";
import { interfaceGone, knownForStep, refusal, type StepContext } from "./step-context.ts";

/**
 * One ModifyNetworkInterfaceAttribute that replaces all groups. Equal in effect however often it is made, so that it is
 * settled by making it again (settleSecurityGroups). Only interfaces that enid made: those of others have their own.
 */
export async function setSecurityGroups(
  context: StepContext,
  step: SetSecurityGroupsStep,
  signal?: AbortSignal,
): Promise<StepOutcome> {
  const { interfaceId, securityGroups } = step;
  const known = await knownForStep(context, interfaceId, signal);
  if (known === undefined) throw interfaceGone("ModifyNetworkInterfaceAttribute", interfaceId);
  if (known.madeBy !== "enid") throw refusal(`${interfaceId} was not made by enid for this instance`, "bug");
  if (securityGroups.length === 0) throw refusal(`${interfaceId} cannot be without security groups`, "bug");
  await context.ec2.setSecurityGroups(interfaceId, securityGroups, signal);
  const after = { ...(context.memory.get(interfaceId) ?? known), securityGroups };
  context.memory.put(after);
  return { kind: "done", interface: context.memory.observed(after), added: [] };
}

/** Gone with its groups: nothing is left to settle. */
export async function settleSecurityGroups(
  context: StepContext,
  step: SetSecurityGroupsStep,
  signal?: AbortSignal,
): Promise<StepOutcome> {
  try {
    const known = await knownForStep(context, step.interfaceId, signal);
    return known === undefined ? { kind: "undone" } : await setSecurityGroups(context, step, signal);
  } catch (error) {
    // It was remembered, and went since.
    if (symptomOf(error) !== "interface-unknown") throw error;
    context.memory.forget(step.interfaceId);
    return { kind: "undone" };
  }
}
