import type { FleetStore } from "../../../src/fleet/index.ts";

/** An empty store, and how its time passes. */
export interface StoreBench {
  readonly store: FleetStore;
  /** Lets so much of the store's time pass. */
  pass(ms: number): Promise<void>;
  /** A time to live that is short for this store, and that no step takes as long as. */
  readonly shortMs: number;
}
