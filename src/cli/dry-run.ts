import type { Clock } from "../adapters/index.ts";
import { type Settings, selectionOf } from "../configuration/index.ts";
import {
  type NodeFacts,
  NodeState,
  type Observation,
  type ObservedInterface,
  type PlanReport,
  type Provider,
  type Resolution,
} from "../manager/index.ts";
import { type PlanInput, type PlanInterface, plan } from "../planning/index.ts";

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
  const made = plan(planInput(settings, facts, resolution, observation, waiting, clock.nowMs()));
  return { plan: made, waiting, calls: made.steps.map((step) => provider.calls(step)), error: undefined };
}

function planInput(
  settings: Settings,
  facts: NodeFacts,
  resolution: Resolution,
  { interfaces }: Observation,
  waiting: number,
  nowMs: number,
): PlanInput {
  const node = new NodeState(settings);
  node.facts = facts;
  node.resolution = resolution;
  const attached = interfaces.filter((one) => one.attached && one.deviceIndex >= 0);
  const slots = facts.limits.ipv4PerInterface - 1;
  const planned = attached.map(
    (one): PlanInterface => ({
      id: one.id,
      deviceIndex: one.deviceIndex,
      subnetId: one.subnetId,
      usable: node.unusableBecause(one) === "",
      slots,
      slotsTaken: slotsTaken(one),
      slotsPending: 0,
    }),
  );
  return {
    nowMs,
    watermarks: node.watermarks(),
    available: planned.reduce((sum, one) => sum + (one.usable ? one.slotsTaken : 0), 0),
    used: 0,
    waiting,
    pending: 0,
    interfaces: planned,
    pendingDeviceIndexes: [],
    subnets: resolution.subnets.map(({ id, freeAddresses }) => ({ id, freeAddresses })),
    limits: {
      maxInterfaces: facts.limits.maxInterfaces,
      addressesPerInterface: facts.limits.ipv4PerInterface,
      firstInterfaceIndex: settings.values["first-interface-index"],
    },
  };
}

/** Each secondary address and each delegated prefix takes one slot. */
function slotsTaken({ addresses, prefixes }: ObservedInterface): number {
  return addresses.length + prefixes.length;
}
