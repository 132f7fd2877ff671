import type { Clock } from "../../adapters/index.ts";
import type { FleetStore } from "../store/index.ts";
import { memoryBudgetStore } from "./budget.ts";
import { memoryFactStore } from "./facts.ts";
import { memoryFixedStore } from "./fixed.ts";
import { memoryProfileStore } from "./profiles.ts";
import { memoryRegistryStore } from "./registry.ts";
import type { MemoryServer, MemoryWay } from "./server.ts";
import { memorySingletonStore } from "./singletons.ts";

export { type CutOff, MemoryServer, type MemoryWay } from "./server.ts";

/** One node's view of a simulated Redis. `clock` is the node's. */
export function memoryFleetStore(server: MemoryServer, name: string, clock: Clock, way: MemoryWay = {}): FleetStore {
  const client = server.client(name, clock, way);
  return {
    budget: memoryBudgetStore(client),
    facts: memoryFactStore(client),
    singletons: memorySingletonStore(client),
    registry: memoryRegistryStore(client),
    profiles: memoryProfileStore(client),
    fixed: memoryFixedStore(client),
    condition: () => client.condition(),
    watch: (changed) => client.watch(changed),
    close: () => Promise.resolve(),
  };
}
