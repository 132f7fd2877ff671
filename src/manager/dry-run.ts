import type { Settings } from "../configuration/index.ts";
import type { EnidError } from "../errors.ts";
import { type GiveBack, type Plan, plan } from "../planning/index.ts";
import { NodeState } from "./node.ts";
import { blockOf, observedCidrs } from "./observed.ts";
import { type HeldBack, planInput } from "./plan-input.ts";
import type { NodeAddress, NodeFacts, ObservedInterface, Provider, Resolution } from "./ports/index.ts";
import { enterRanges } from "./ranges.ts";
import type { PlanReport } from "./reports.ts";
import type { Restraint } from "./restraint.ts";

/** Nothing failed before. */
const NOT_HELD_BACK: HeldBack = {
  blocked: () => undefined,
  subnetBlockedUntilMs: () => 0,
  prefixesBlockedUntilMs: () => 0,
  ipv6Blocked: () => false,
  givingBackBlockedUntilMs: () => 0,
};

/** The plan of a node that has no state: every address that the cloud shows counts as free, nothing is given back. */
export function planAfresh(of: {
  readonly settings: Settings;
  readonly facts: NodeFacts;
  readonly resolution: Resolution;
  readonly interfaces: readonly ObservedInterface[];
  readonly nodeAddresses?: readonly NodeAddress[];
  readonly waiting: number;
  readonly nowMs: number;
}): Plan {
  const { facts, nowMs, waiting } = of;
  const node = new NodeState(of.settings);
  node.facts = facts;
  node.resolution = of.resolution;
  for (const observed of of.interfaces.filter(({ attached }) => attached)) {
    node.interfaces.set(observed.id, observed);
    node.refreshUsability();
    for (const cidr of observedCidrs(observed)) node.enter(blockOf(cidr, observed.id));
  }
  node.ownAddresses = new Map(of.nodeAddresses?.map(({ address, device }) => [address, device]));
  enterRanges(node);
  return plan(planInput(node, { facts, nowMs, waiting, restraint: NOT_HELD_BACK, giveBack: undefined }));
}

export interface DryRunOptions {
  readonly node: NodeState;
  readonly provider: Provider;
  readonly restraint: Restraint;
  readonly nowMs: number;
  /** Pods assumed to wait, those that do included. */
  readonly waiting: number;
  /** What may be given back now. */
  readonly giveBack: GiveBack | undefined;
  /** Why no plan can be trusted at the moment. */
  readonly obstacle: EnidError | undefined;
  /** What the plan says beside its reasons, a sentence each. */
  readonly remarks: readonly string[];
}

/** The plan for the present state, with the calls it would make. Changes nothing and calls nothing. */
export function dryRun(options: DryRunOptions): PlanReport {
  const { node, provider, restraint, nowMs, waiting, giveBack, obstacle, remarks } = options;
  if (node.facts === undefined || node.resolution === undefined) {
    const nothing = { steps: [], needed: 0, surge: 0, wanted: 0, planned: 0, explanation: [] };
    return { plan: nothing, waiting, calls: [], error: obstacle?.toJSON() };
  }
  const made = plan(planInput(node, { facts: node.facts, nowMs, waiting, restraint, giveBack }));
  const explained = { ...made, explanation: [...made.explanation, ...remarks] };
  return { plan: explained, waiting, calls: made.steps.map((step) => provider.calls(step)), error: undefined };
}
