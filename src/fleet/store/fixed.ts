import { EnidError } from "../../errors.ts";
import type { ChangeAnswer, ClaimAnswer, FixedRecord } from "../../manager/ports/index.ts";

/** The records of fixed addresses. Each method is one atomic step; docs/fleet.md tells who may do what, and why. */
export interface FixedStore {
  find(pod: string): Promise<FixedRecord | undefined>;
  /** The records of which one has such an address. At most `AMONG_LIMIT` addresses. */
  among(addresses: readonly string[]): Promise<readonly FixedRecord[]>;
  claim(caller: FixedCaller, pod: string): Promise<Told<ClaimAnswer>>;
  /** `taken` without a record: the store may have lost writes just now, and nodes are waited for. */
  create(caller: FixedCaller, record: FixedStart): Promise<Told<ChangeAnswer>>;
  /** What the holder alone may do, in the epoch that it knows. A step that was done already is answered as done. */
  change(what: FixedChange, nodeId: string, pod: string, epoch: number): Promise<ChangeAnswer>;
  /**
   * At most `SYNC_LIMIT` records: those that the caller holds, and, without a holder, those that it lost and whose address it
   * still has. What the store does not know, or knows in an earlier epoch, it takes from there. Marks the sign of life of the
   * caller. One verdict for each, in their order.
   */
  sync(
    caller: FixedCaller,
    held: readonly FixedRecord[],
  ): Promise<Told<{ readonly verdicts: readonly FixedVerdict[] }>>;
  /** Records whose holder the node is, from behind the pod `after` ("" = the first), at most `limit`. */
  heldBy(nodeId: string, after: string, limit: number): Promise<FixedPage>;

  // What operators do

  /** All records by pod, from behind `after` ("" = the first), at most `limit`. */
  list(after: string, limit: number): Promise<FixedPage>;
  show(pod: string): Promise<FixedEntry | undefined>;
  /** Parked: its time is over now. Bound or moving: nothing, unless `forced`. */
  release(pod: string, forced: boolean): Promise<ReleaseAnswer>;
  /** A record that nobody holds yet. */
  pin(record: FixedStart): Promise<ChangeAnswer>;
  /** Drops parked records that were over for `overdueMs`, whose holder gave no sign of life for `ttlMs`: at most 100. */
  sweep(overdueMs: number, ttlMs: number): Promise<number>;
}

export type FixedStart = Pick<FixedRecord, "pod" | "address" | "subnetId" | "zone" | "keepMs">;
export type FixedChange = "bind" | "park" | "yield" | "forget";

/** Who asks. */
export interface FixedCaller {
  readonly nodeId: string;
  readonly nodeName: string;
  /** Id of the store's data as the caller knew it last; empty = it knew none. */
  readonly knownStore: string;
  /** Becomes the id of the store's data, should it have none. */
  readonly freshStore: string;
  readonly times: FixedTimes;
}

/** An answer, and the id of the store's data, for the next question. */
export type Told<Answer> = Answer & { readonly store: string };

/** All by the store's clock. */
export interface FixedTimes {
  /** A node whose last sign of life is older may be dead. */
  readonly ttlMs: number;
  /** For so long a record must have been wanted without a pause before it is taken from a node that may be dead. */
  readonly graceMs: number;
  /** A longer pause between two questions begins the grace time anew: the store may have been away in between. */
  readonly gapMs: number;
  /** After so long it is asked again. */
  readonly retryMs: number;
  /** After the server became another process, nothing changes its holder for so long: nodes say first what they hold. */
  readonly settleMs: number;
  /** The same after data was lost for certain. */
  readonly youngMs: number;
}

export const FIXED_TIMES: FixedTimes = {
  ttlMs: 35_000,
  graceMs: 30_000,
  // The kubelet pauses for up to 15 s between two tries; with the 10 s between two signs of life it is below ttlMs.
  gapMs: 20_000,
  retryMs: 2_000,
  settleMs: 20_000,
  youngMs: 60_000,
};

export type FixedVerdict =
  | { readonly kind: "yours"; readonly record: FixedRecord; readonly wantedBy: string }
  | { readonly kind: "lost"; readonly pod: string; readonly record: FixedRecord }
  | { readonly kind: "expired"; readonly record: FixedRecord }
  | { readonly kind: "gone"; readonly pod: string };

export interface FixedEntry {
  readonly record: FixedRecord;
  /** Node that asked for it; empty = none. */
  readonly wantedBy: string;
  /** Its time was over and its holder was told so: nobody may claim it. */
  readonly ending: boolean;
  /** The holder's last sign of life, by the store's clock. Absent = none is known. */
  readonly holderSeenAtMs?: number;
}

export interface FixedPage {
  readonly entries: readonly FixedEntry[];
  /** The store's time, wall ms. */
  readonly nowMs: number;
  /** Where the next page begins; "" = this was the last. */
  readonly next: string;
}

export type ReleaseAnswer =
  | { readonly kind: "unknown" }
  /** Nothing was done: a pod has it. */
  | { readonly kind: "bound"; readonly record: FixedRecord }
  /** Its holder gives it back when it next speaks to the store. */
  | { readonly kind: "expires"; readonly record: FixedRecord }
  /** The record is gone. */
  | { readonly kind: "dropped"; readonly record: FixedRecord };

/** A record as it is kept. */
export interface StoredFixed {
  record: FixedRecord;
  want?: FixedWant | undefined;
  /** While `moving`: who had it. */
  from?: string | undefined;
  ending?: true | undefined;
  /** Its epoch before the last change: a step that is repeated, because its answer was lost, is known by it. */
  before?: number | undefined;
  /** The server's process that wrote it last. */
  run?: string | undefined;
}

export interface FixedWant {
  readonly by: string;
  readonly sinceMs: number;
  /** When it was asked for last. */
  readonly atMs: number;
}

/** What is left of a record: nodes that slept meanwhile do not bring it back. */
export interface FixedTombstone {
  readonly record: FixedRecord;
  readonly atMs: number;
}

/** What the store knows of its own data. */
export interface StoreMarker {
  id: string;
  /** Names the process of the server. */
  run: string;
  /** Until then no record changes its holder. */
  settlesAtMs: number;
  /** Data was lost for certain, and waited for. */
  lost: boolean;
  /** Writes may have been lost since the data began. */
  torn: boolean;
}

/**
 * The epoch after a change. Where the server may have lost later changes of the record, or a node that is fenced may still
 * make some, it goes to the seconds of the store's clock: beyond whatever that node can have come to.
 */
export function epochAfter(epoch: number, jumps: boolean, nowMs: number): number {
  return jumps ? Math.max(epoch + 1, Math.floor(nowMs / 1_000)) : epoch + 1;
}

/** Records in one step of sync. */
export const SYNC_LIMIT = 100;
/** Addresses in one question. */
export const AMONG_LIMIT = 256;
export const FIXED_PAGE_LIMIT = 200;
export const SWEEP_LIMIT = 100;
export const TOMBSTONE_MS = 7 * 86_400_000;
export const TOMBSTONES_LIMIT = 50_000;
export const SIGN_OF_LIFE_MS = 7 * 86_400_000;

export const BECAUSE = {
  settling: "the fleet's store may have lost writes just now, and nodes are asked first what they hold",
  ending: "its time was over, and its node is giving it back",
  alive: "its node lives and has it still; it was told to let go",
  grace: "its node gives no sign of life, and may still come back",
} as const;

/** DNS labels and names, as Kubernetes has them. */
const POD = /^[A-Za-z0-9_.-]{1,63}\/[A-Za-z0-9_.-]{1,253}$/;
const NODE = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
const TEXT = /^[\x21-\x7e]{0,128}$/;

/** @throws EnidError ENID_FLEET_FAILED for what must not go into the store */
export function checkPod(pod: string): string {
  return checked(pod, POD, "a pod as namespace/name");
}

export function checkNode(nodeId: string): string {
  return checked(nodeId, NODE, "the name of a machine");
}

export function checkAddress(address: string): string {
  return checked(address, /^[0-9]{1,3}(\.[0-9]{1,3}){3}$/, "an IPv4 address");
}

export function checkStart<Start extends FixedStart>(record: Start): Start {
  checkPod(record.pod);
  checkAddress(record.address);
  checked(record.subnetId, TEXT, "a subnet");
  checked(record.zone, TEXT, "a zone");
  if (!Number.isSafeInteger(record.keepMs) || record.keepMs < 0) refuse(`${record.keepMs} is not a time to keep`);
  return record;
}

function checked(value: string, pattern: RegExp, what: string): string {
  if (!pattern.test(value)) refuse(`${JSON.stringify(value.slice(0, 80))} is not ${what}`);
  return value;
}

function refuse(detail: string): never {
  throw new EnidError("ENID_FLEET_FAILED", { step: "fixed", detail });
}
