/** The seeded world: a fleet under faults in one process, replayable from a number. docs/simulation.md is its manual. */
export type { LogEntry } from "../engine/index.ts";
export { enidFleetPolicy, enidPolicy } from "./enid-policy.ts";
export {
  AGENT_FAULT_KINDS,
  FAULT_KINDS,
  type FaultChoice,
  type FaultKind,
  FLEET_CHOICES,
  type FleetChoice,
  type SeedOptions,
  WEAKNESSES,
  type Weakness,
} from "./options.ts";
export type { PlannedFault, SeedOutcome, Shrunk, Trace } from "./outcome.ts";
export { planOf, runSeed } from "./run.ts";
export { shrink } from "./shrink.ts";
export { traceOf } from "./trace.ts";
