export { cidrDifference, cidrHolds, cidrsOverlap } from "./cidrs.ts";
export { familyOf } from "./family.ts";
export { ipv6PrefixOf } from "./ipv6-prefix.ts";
export { Pool } from "./pool.ts";
export { POOL_REFUSALS, PoolError, type PoolRefusal } from "./pool-error.ts";
export * from "./types.ts";
