export { Pool } from "./pool.ts";
export { POOL_REFUSALS, PoolError, type PoolRefusal } from "./pool-error.ts";
export * from "./types.ts";
