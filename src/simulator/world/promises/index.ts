/** What enid promises, held against the truth of a simulated world. The numbers are those of docs/architecture.md. */
export { breachesAtRest, leftovers, unrest } from "./at-rest.ts";
export { type Breach, breach } from "./breach.ts";
export { BACK_WITHIN_MS, FixedWatch, type FixedWatchOptions } from "./fixed.ts";
export { blocksOf } from "./truth.ts";
export { PromiseWatch } from "./watch.ts";
