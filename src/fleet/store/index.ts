/**
 * The port of the fleet's engine: atomic steps on shared data, each of them one round trip. Implementations: src/fleet/redis
 * (one Lua script a step) and src/fleet/memory (the twin that simulated worlds run on). test/fleet/contract is the suite that
 * each passes. A step that cannot be carried out, or of which no answer came, rejects with ENID_FLEET_AWAY; all time is the
 * store's own.
 */
export type { BudgetStore } from "./budget.ts";
export type { FactStore } from "./facts.ts";
export type { FixedStore } from "./fixed.ts";
export type { ProfileStore } from "./profiles.ts";
export type { RegistryStore } from "./registry.ts";
export type { SingletonStore } from "./singletons.ts";

import type { BudgetStore } from "./budget.ts";
import type { FactStore } from "./facts.ts";
import type { FixedStore } from "./fixed.ts";
import type { ProfileStore } from "./profiles.ts";
import type { RegistryStore } from "./registry.ts";
import type { SingletonStore } from "./singletons.ts";

export interface FleetStore {
  readonly budget: BudgetStore;
  readonly facts: FactStore;
  readonly singletons: SingletonStore;
  readonly registry: RegistryStore;
  readonly profiles: ProfileStore;
  readonly fixed: FixedStore;
  /** Whether the last thing it was asked was answered, since when (wall ms), and why not. */
  condition(): StoreCondition;
  /** Called when that changes. */
  watch(changed: () => void): () => void;
  close(): Promise<void>;
}

export interface StoreCondition {
  readonly connected: boolean;
  readonly sinceMs: number;
  readonly because: string;
}
