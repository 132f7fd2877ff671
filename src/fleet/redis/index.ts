import type { FleetStore } from "../store/index.ts";
import { redisBudgetStore } from "./budget.ts";
import { redisFactStore } from "./facts.ts";
import { redisFixedStore } from "./fixed.ts";
import type { RedisOptions } from "./options.ts";
import { redisProfileStore } from "./profiles.ts";
import { redisRegistryStore } from "./registry.ts";
import { Connections } from "./runner.ts";
import { redisSingletonStore } from "./singletons.ts";

export type { RedisOptions, RedisServerAddress, RedisTls } from "./options.ts";
export type { Script, ScriptRunner } from "./script.ts";

export interface RedisFleetStore extends FleetStore {
  /** Other servers, or another way to them, from now on. Steps under way are rejected with ENID_FLEET_AWAY. */
  exchange(options: RedisOptions): void;
}

/** The fleet's engine on Redis or Valkey. It connects in the background; nothing here waits for that. */
export function redisFleetStore(options: RedisOptions): RedisFleetStore {
  const runner = new Connections(options);
  return {
    budget: redisBudgetStore(runner),
    facts: redisFactStore(runner),
    singletons: redisSingletonStore(runner),
    registry: redisRegistryStore(runner),
    profiles: redisProfileStore(runner),
    fixed: redisFixedStore(runner),
    condition: () => runner.condition(),
    watch: (changed) => runner.watch(changed),
    exchange: (other) => runner.exchange(other),
    close: async () => runner.close(),
  };
}
