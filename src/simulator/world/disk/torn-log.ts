import type { Dice } from "../../engine/index.ts";
import type { TornWrite } from "./types.ts";

// The write-ahead log of SQLite (https://sqlite.org/fileformat2.html#the_write_ahead_log): a header of 32 bytes, then
// frames of 24 bytes and a page each. A log that was written back is begun anew over its old bytes.
const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const PAGE_SIZE_AT = 8;
/** What a disk writes as one piece. */
const SECTOR_BYTES = 512;
/** Of the sectors before the point that a write came to: how many are missing, because a disk writes in its own order. */
const LOST_SECTORS = 0.1;

/** What can become of the bytes in [start, end) of the log: one write that no sync has followed yet. */
interface Span {
  readonly start: number;
  readonly end: number;
}

export interface TornLog {
  readonly bytes: Buffer;
  readonly write: TornWrite;
  /** All of it arrived. */
  readonly whole: boolean;
}

/** `prefix`: the bytes arrived in their order up to some point. `sectors`: and some sectors on the way are missing. */
export type Damage = "prefix" | "sectors";

/**
 * The log as a cut leaves it that came while `after` was being written over `before`. What `before` held and `after`
 * holds too stays, as does all that lies outside of the frames written: SQLite counts on it ("powersafe overwrite").
 */
export function tearLog(before: Buffer, after: Buffer, damage: Damage, dice: Dice): TornLog {
  const [span, other] = interruptedWrite(before, after, dice);
  const bytes = Buffer.alloc(Math.max(before.length, after.length));
  before.copy(bytes);
  // What is on the disk already: a header that was synced before the frames.
  if (span.start >= HEADER_BYTES) after.copy(bytes, 0, 0, HEADER_BYTES);
  const reached = dice.weighted({ nothing: 1, whole: 1, some: 2 });
  const kept = reached === "some" ? dice.between(0, sectorsOf(span)) * SECTOR_BYTES : span.end - span.start;
  const write = { bytes: span.end - span.start, arrivedBytes: 0, staleBytes: 0, zeroBytes: 0 };
  let length = Math.max(before.length, Math.min(span.start, after.length));
  for (let start = span.start; start < span.end; ) {
    const end = Math.min(span.end, start - (start % SECTOR_BYTES) + SECTOR_BYTES);
    const missed = reached === "nothing" || start >= span.start + kept;
    const fate = missed ? "stale" : reached === "whole" ? "arrived" : fateOfSector(damage, dice);
    if (fate === "arrived") after.copy(bytes, start, start, end);
    else if (fate === "zero") bytes.fill(0, start, end);
    if (fate !== "stale") length = Math.max(length, end);
    write[`${fate}Bytes`] += end - start;
    start = end;
  }
  return { bytes: bytes.subarray(0, length), write, whole: other === undefined && write.arrivedBytes === write.bytes };
}

/**
 * Which write the cut interrupted, and what would have followed it. A log that is begun anew has its header synced before
 * its first frame, so the two are never torn together (https://sqlite.org/src/info/ff5be73dee).
 */
function interruptedWrite(before: Buffer, after: Buffer, dice: Dice): [Span, Span?] {
  const header: Span = { start: 0, end: HEADER_BYTES };
  const frames = changedFrames(before, after);
  const anew = !before.subarray(0, HEADER_BYTES).equals(after.subarray(0, HEADER_BYTES));
  return anew && dice.chance(0.25) ? [header, frames] : [frames];
}

/** From the first frame that differs to the last one, whole: frame by frame, so that no draw hangs on random salts. */
function changedFrames(before: Buffer, after: Buffer): Span {
  if (after.length < HEADER_BYTES) return { start: HEADER_BYTES, end: HEADER_BYTES };
  const frameBytes = FRAME_HEADER_BYTES + after.readUInt32BE(PAGE_SIZE_AT);
  let first: number | undefined;
  let end = HEADER_BYTES;
  for (let at = HEADER_BYTES; at + frameBytes <= after.length; at += frameBytes) {
    if (before.subarray(at, at + frameBytes).equals(after.subarray(at, at + frameBytes))) continue;
    first ??= at;
    end = at + frameBytes;
  }
  return { start: first ?? end, end };
}

function sectorsOf({ start, end }: Span): number {
  return Math.ceil((end - start) / SECTOR_BYTES);
}

function fateOfSector(damage: Damage, dice: Dice): "arrived" | "stale" | "zero" {
  if (damage === "prefix" || !dice.chance(LOST_SECTORS)) return "arrived";
  return dice.chance(0.5) ? "stale" : "zero";
}
