export * from "./fleet.ts";
export * from "./provider.ts";
export * from "./reach.ts";
export * from "./records.ts";
export * from "./sandboxes.ts";
export * from "./store.ts";
export * from "./telemetry.ts";
