export { plan } from "./plan.ts";
export * from "./types.ts";
export { effectivePreAllocate, excess, needed, nodeMaximum } from "./watermarks.ts";
