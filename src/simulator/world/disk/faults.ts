import type { EnidError } from "../../../errors.ts";
import { type Call, type WriteGroup, writeFailed } from "../../../state/index.ts";
import type { Dice } from "../../engine/index.ts";
import type { DiskLatency, Room } from "./types.ts";

const SQLITE_FULL = 13;
/** SQLITE_IOERR_WRITE. */
const SQLITE_WRITE_FAILED = 778;

/** What a disk does to those who write to it. The refusals are in the words of the SQLite store. */
export class DiskFaults {
  readonly #usual: DiskLatency;
  /** The room that is left on a full disk; undefined while it is not full. */
  full: Room | undefined;
  refusal = 0;
  latency: DiskLatency;

  constructor(usual: DiskLatency) {
    this.#usual = usual;
    this.latency = usual;
  }

  heal(): void {
    this.full = undefined;
    this.refusal = 0;
    this.latency = this.#usual;
  }

  /** Why this group does not reach the disk; undefined for a call that does. */
  refusalsOf(calls: readonly Call[], dice: Dice): (EnidError | undefined)[] {
    if (this.refusal > 0 && dice.chance(this.refusal)) {
      const error = writeFailed("disk I/O error", { reason: "storage", sqliteCode: SQLITE_WRITE_FAILED });
      return calls.map(() => error);
    }
    return calls.map((call) => {
      const passes = this.full === undefined || (this.full === "for-endings" && !call.some(isNewLease));
      return passes ? undefined : writeFailed("database or disk is full", { reason: "full", sqliteCode: SQLITE_FULL });
    });
  }

  /** Writes what is not refused. */
  write(calls: readonly Call[], dice: Dice, write: WriteGroup): ReturnType<WriteGroup> {
    if (this.full === undefined && this.refusal === 0) return write(calls);
    const refusals = this.refusalsOf(calls, dice);
    const passing = calls.filter((_, index) => refusals[index] === undefined);
    if (passing.length === 0) return { outcomes: refusals, transactions: 0 };
    const { outcomes, transactions } = write(passing);
    const written = outcomes.values();
    return { outcomes: refusals.map((refusal) => refusal ?? written.next().value), transactions };
  }
}

function isNewLease({ kind }: Call[number]): boolean {
  return kind === "lease-put";
}
