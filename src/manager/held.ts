import { coerceError, EnidError } from "../errors.ts";
import type { Step } from "../planning/index.ts";
import { blocksToGive } from "./concluding.ts";
import type { NodeState } from "./node.ts";
import { observedCidrs } from "./observed.ts";
import type { Provider, StepOutcome } from "./ports/index.ts";
import { stepFailure } from "./restraint.ts";

/** Whether Cilium's agent may use what the step gives back: it took it anew, or never let it go. */
export function isHeld(node: NodeState, step: Step): boolean {
  return node.agent !== undefined && blocksToGive(node, step).some((cidr) => node.isHeldByAgent(cidr));
}

/**
 * What became of a step that must not be finished any more, because Cilium's agent holds what it gives back: what EC2 still has
 * there stays, and what it has not is gone.
 *
 * @throws EnidError of observing.
 */
export async function heldOutcome(
  provider: Provider,
  node: NodeState,
  step: Step,
  signal: AbortSignal,
): Promise<StepOutcome> {
  const interfaceId = "interfaceId" in step ? step.interfaceId : "";
  const { interfaces } = await provider.observe("cloud", signal).catch((thrown: unknown) => {
    const error = coerceError(thrown);
    // That a look fails says nothing of the step, whatever it says of itself.
    const details = { ...stepFailure(error), effect: "unknown" } as const;
    throw new EnidError(error.code, error.values, { cause: error, details });
  });
  const found = interfaces.find(({ id, attached }) => id === interfaceId && attached);
  const there = found === undefined ? [] : [...observedCidrs(found), `${found.primaryAddress}/32`];
  const cidrs = blocksToGive(node, step).filter((cidr) => !there.includes(cidr));
  return cidrs.length === 0 ? { kind: "undone" } : { kind: "gone", cidrs, interfaceId };
}
