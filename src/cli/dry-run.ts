import type { Clock } from "../adapters/index.ts";
import { type Settings, selectionOf } from "../configuration/index.ts";
import { coerceError, EnidError } from "../errors.ts";
import {
  type PlanReport,
  type Provider,
  planAfresh,
  rangesToReserve,
  type SubnetFact,
  subnetsOf,
  unreserved,
  unreservedError,
} from "../manager/index.ts";

export interface CloudDryRun {
  readonly provider: Provider;
  readonly settings: Settings;
  /** Pods assumed to wait. */
  readonly waiting: number;
  readonly clock: Clock;
}

/**
 * The plan that a daemon with these settings would make on this node, from the cloud alone: describes only, and no
 * state, so every address that the node holds counts as free.
 *
 * @throws EnidError of identify, resolve and observe: a selection that matches nothing is the answer here.
 */
export async function dryRunAgainstCloud({ provider, settings, waiting, clock }: CloudDryRun): Promise<PlanReport> {
  const facts = await provider.identify();
  const resolution = await provider.resolve(selectionOf(settings));
  // EC2 and not metadata: which interfaces belong to somebody else is told by tags, which metadata may not have.
  const observation = await provider.observe("cloud");
  const made = planAfresh({
    settings,
    facts,
    resolution,
    interfaces: observation.interfaces,
    nodeAddresses: observation.nodeAddresses ?? [],
    waiting,
    nowMs: clock.nowMs(),
  });
  const remarks = await reservationRemarks(provider, settings, resolution.subnets);
  const plan = { ...made, explanation: [...made.explanation, ...remarks] };
  return { plan, waiting, calls: made.steps.map((step) => provider.calls(step)), error: undefined };
}

/** What the plan says of the reservations that the settings lean on, and the commands that make those that lack. */
async function reservationRemarks(
  provider: Provider,
  { values }: Settings,
  allowed: readonly SubnetFact[],
): Promise<string[]> {
  const ranges = rangesToReserve(values);
  const subnets = subnetsOf(ranges, allowed);
  if (provider.reservations === undefined || subnets.length === 0) return [];
  try {
    const missing = unreserved(ranges, subnets, await provider.reservations(subnets.map(({ id }) => id)));
    if (missing.length === 0) return [];
    const { message, remedy } = unreservedError(missing);
    return [message, remedy];
  } catch (error) {
    const detail = coerceError(error).message;
    const values = { ranges: ranges.join(", "), subnets: subnets.map(({ id }) => id).join(", "), detail };
    return [new EnidError("ENID_FIXED_RESERVATIONS_UNKNOWN", values).message];
  }
}
