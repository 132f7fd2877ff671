import { LATEST_VERSION, MemoryTables } from "../../../state/index.ts";
import type { Life, Medium } from "./medium.ts";

/** How often a group in flight is there after a power loss: it had just been synced, only the answer was missing. */
export const WHOLE_AFTER_POWER_LOSS = 0.25;

/** Keeps the tables of the in-memory twin: a start copies nothing, a commit only what it changes. */
export function memoryMedium(): Medium {
  const tables = new MemoryTables();
  const life: Life = {
    load: () => tables.state(),
    write: tables.writeGroup,
    facts: () => ({ location: "memory", schemaVersion: LATEST_VERSION, sizeBytes: 0 }),
    stop() {},
    cut(how, inFlight, dice) {
      const written = how === "crash" ? dice.between(0, inFlight.length) : wholeOrNothing(inFlight.length);
      tables.writeGroup(inFlight.slice(0, written));
      return { inFlight: inFlight.length, written };

      function wholeOrNothing(calls: number): number {
        return dice.chance(WHOLE_AFTER_POWER_LOSS) ? calls : 0;
      }
    },
  };
  return { durable: () => tables, start: () => life };
}
