export { ADDRESSES_PER_PREFIX, addressesIn } from "./blocks.ts";
export { Places } from "./cards.ts";
export { plan } from "./plan.ts";
export * from "./types.ts";
export { effectivePreAllocate, excess, interfaceMaximum, needed, nodeMaximum, primaryAddresses } from "./watermarks.ts";
