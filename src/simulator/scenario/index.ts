/** Capacity questions: a scenario, the policies that answer it, and the figures. docs/scenarios.md describes them. */
export {
  type BoundAction,
  type BoundSettings,
  callsFor,
  callsOf,
  type NodeCalls,
  readyBoundSeconds,
  type StartingNodes,
} from "./bound.ts";
export { addressesOf, type Capacity, capacityOf, podLimitOf, settingsOf } from "./capacity.ts";
export type { SimulationReport, Spread, Violation } from "./figures.ts";
export type { Sample, ScenarioOutcome } from "./outcome.ts";
export { spreadOf } from "./percentiles.ts";
export type { Agent, FleetContext, NodeContext, NodeSections, Policy, PolicyFleet } from "./policy.ts";
export { readScenario } from "./read.ts";
export { updateScenarioTables } from "./reference.ts";
export { type Progress, runScenario, type ScenarioRun } from "./run.ts";
export type { Exhaustion, NodeGroup, Restart, Scenario, SubnetGroup } from "./scenario.ts";
