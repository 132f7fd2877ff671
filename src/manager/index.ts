export { DEGRADATION_NAMES, type DegradationName } from "./degradations.ts";
export { planAfresh } from "./dry-run.ts";
export { LIMITS } from "./limits.ts";
export { Manager, type ManagerOptions } from "./manager.ts";
export { NodeState } from "./node.ts";
export * from "./ports/index.ts";
export { type Breach, type NumberedPromise, PROMISES, type PromiseNumber } from "./promises.ts";
export * from "./reports.ts";
export type { ConfigurationOffer } from "./settings-keeper.ts";
