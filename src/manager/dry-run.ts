import type { EnidError } from "../errors.ts";
import { plan } from "../planning/index.ts";
import type { NodeState } from "./node.ts";
import type { Provider } from "./ports/index.ts";
import type { PlanReport } from "./reports.ts";
import type { Restraint } from "./restraint.ts";

export interface DryRunOptions {
  readonly node: NodeState;
  readonly provider: Provider;
  readonly restraint: Restraint;
  readonly nowMs: number;
  /** Pods assumed to wait, those that do included. */
  readonly waiting: number;
  /** Why no plan can be trusted at the moment. */
  readonly obstacle: EnidError | undefined;
}

/** The plan for the present state, with the calls it would make. Changes nothing and calls nothing. */
export function dryRun({ node, provider, restraint, nowMs, waiting, obstacle }: DryRunOptions): PlanReport {
  if (node.facts === undefined || node.resolution === undefined) {
    const nothing = { steps: [], needed: 0, surge: 0, wanted: 0, planned: 0, explanation: [] };
    return { plan: nothing, waiting, calls: [], error: obstacle?.toJSON() };
  }
  const made = plan(node.planInput(node.facts, nowMs, waiting, restraint));
  return { plan: made, waiting, calls: made.steps.map((step) => provider.calls(step)), error: undefined };
}
