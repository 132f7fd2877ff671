import type { MemoryServer } from "../../../fleet/index.ts";
import type { FixedRecord } from "../../../manager/ports/index.ts";

/** As the twin of the store keeps it (src/fleet/memory/fixed-data.ts). */
const RECORDS = "{fixed}:record:";

interface Stored {
  readonly record: FixedRecord;
}

/** Records as the store has them now, whether or not anybody reaches it. */
export function fixedRecords(server: MemoryServer): readonly FixedRecord[] {
  return server.carryOut((database) => database.entries<Stored>(RECORDS)).map(([, { record }]) => record);
}

export function fixedRecord(server: MemoryServer, pod: string): FixedRecord | undefined {
  return server.carryOut((database) => database.get<Stored>(RECORDS + pod))?.record;
}
