import type { Clock, Random } from "../../adapters/index.ts";
import type { FleetMember, Telemetry, Urgency } from "../../manager/ports/index.ts";
import type { FleetStore } from "../store/index.ts";

/** What every part of a node's fleet is made of. */
export interface PartOptions {
  readonly store: FleetStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Pick<Telemetry, "event">;
  /** Undefined until the node is identified. */
  readonly member: () => FleetMember | undefined;
  readonly urgency: () => Urgency;
  readonly settings: FleetSettings;
}

/** What the settings say of the fleet, in the fleet's own words. */
export interface FleetSettings {
  readonly name: string;
  /** Part of each of the account's buckets that others need, 0 to 0.95. */
  readonly reservedShare: number;
  /** Buckets that are not AWS's defaults, by action. */
  readonly buckets: Readonly<Record<string, { readonly capacity: number; readonly refillPerSecond: number }>>;
}

/** Something that runs beside the node until it is stopped. */
export interface Part {
  start(): void;
  stop(): void;
}
