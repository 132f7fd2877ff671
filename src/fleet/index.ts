export type { AddressCounts, NodeDocument, SubnetUse } from "./document.ts";
export { type CutOff, MemoryServer, type MemoryWay, memoryFleetStore } from "./memory/index.ts";
export { FleetNode, type FleetNodeOptions, type FleetSettings } from "./node/index.ts";
export {
  type RedisFleetStore,
  type RedisOptions,
  type RedisServerAddress,
  type RedisTls,
  redisFleetStore,
} from "./redis/index.ts";
export type { BudgetLevel } from "./store/budget.ts";
export {
  FIXED_PAGE_LIMIT,
  FIXED_TIMES,
  type FixedEntry,
  type FixedStart,
  type FixedStore,
  type FixedTimes,
  type ReleaseAnswer,
} from "./store/fixed.ts";
export type { FleetStore } from "./store/index.ts";
export {
  PROFILE_LIMIT_BYTES,
  PROFILE_NAME,
  PROFILES_LIMIT,
  type ProfileList,
  type ProfileStore,
} from "./store/profiles.ts";
export { DOCUMENT_LIMIT_BYTES, NODE_ID } from "./store/registry.ts";
