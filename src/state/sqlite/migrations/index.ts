import type { DatabaseSync } from "node:sqlite";
import { firstSchema } from "./0001-first-schema.ts";
import { resolution } from "./0002-resolution.ts";
import { bothFamilies } from "./0003-both-families.ts";
import { sandboxes } from "./0004-sandboxes.ts";
import { fixedAddresses } from "./0005-fixed-addresses.ts";

/**
 * One step of the schema. A released migration is never edited: a new one is added. All that are due run in one
 * transaction, so a file is either at its old version or at the newest one. Foreign keys are off while they run and
 * checked before the commit, as rebuilding a table needs it.
 */
export interface Migration {
  /** The schema version it leads to; the list counts 1, 2, 3, ... without a gap. */
  readonly version: number;
  readonly apply: (database: DatabaseSync) => void;
}

export const MIGRATIONS: readonly Migration[] = [firstSchema, resolution, bothFamilies, sandboxes, fixedAddresses];

export const LATEST_VERSION = MIGRATIONS.length;
