export * from "./provider.ts";
export * from "./records.ts";
export * from "./store.ts";
export * from "./telemetry.ts";
