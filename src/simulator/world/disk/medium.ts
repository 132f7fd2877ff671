import type { StoredState, StoreFacts } from "../../../manager/ports/index.ts";
import type { Call, MemoryTables, WriteGroup } from "../../../state/index.ts";
import type { Dice } from "../../engine/index.ts";
import type { Cut, CutReport } from "./types.ts";

/** What keeps the bytes of a disk. It knows no time and no faults; one life at a time stands on it. */
export interface Medium {
  /** What is durable now, with its look-ups. Not to be changed. */
  durable(): MemoryTables;
  start(): Life;
}

/** One life on a medium, from start to stop() or cut(). */
export interface Life {
  load(): StoredState;
  readonly write: WriteGroup;
  facts(): Pick<StoreFacts, "location" | "schemaVersion" | "sizeBytes">;
  stop(): void;
  /** `inFlight`: what may still reach the medium, in this order; the dice say how much of it does. */
  cut(how: Cut, inFlight: readonly Call[], dice: Dice): CutReport;
}
