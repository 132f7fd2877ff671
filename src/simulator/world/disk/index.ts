import { DiskOnMedium } from "./disk.ts";
import { memoryMedium } from "./memory-medium.ts";
import { sqliteMedium } from "./sqlite-medium.ts";
import type { WorldDisk, WorldDiskOptions } from "./types.ts";

/** A disk in memory: the in-memory twin of the state, for worlds that must be fast. */
export function createMemoryDisk(options: WorldDiskOptions = {}): WorldDisk {
  return new DiskOnMedium(memoryMedium(), options);
}

export interface SqliteDiskOptions extends WorldDiskOptions {
  /** An empty folder on a real disk, of this machine alone. Who made it removes it, after the last life has ended. */
  readonly folder: string;
}

/** A disk with the real state file on it, whose interrupted writes are torn for real. */
export function createSqliteDisk({ folder, ...options }: SqliteDiskOptions): WorldDisk {
  return new DiskOnMedium(sqliteMedium(folder), options);
}

export type {
  Cut,
  CutReport,
  DiskLatency,
  DiskProcess,
  ProcessStore,
  Room,
  TornWrite,
  Weakness,
  WorldDisk,
  WorldDiskOptions,
} from "./types.ts";
