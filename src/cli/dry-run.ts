import type { Clock } from "../adapters/index.ts";
import { type Settings, selectionOf } from "../configuration/index.ts";
import { type PlanReport, type Provider, planAfresh } from "../manager/index.ts";

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
  return { plan: made, waiting, calls: made.steps.map((step) => provider.calls(step)), error: undefined };
}
