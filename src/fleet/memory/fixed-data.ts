import {
  epochAfter,
  type FixedCaller,
  type FixedTombstone,
  SIGN_OF_LIFE_MS,
  type StoredFixed,
  type StoreMarker,
  TOMBSTONE_MS,
} from "../store/fixed.ts";
import type { Database } from "./server.ts";

const RECORDS = "{fixed}:record:";
const ADDRESSES = "{fixed}:address:";
const ALIVE = "{fixed}:alive:";
const GONE = "{fixed}:gone:";
const MARKER = "{fixed}:store";

/** The records and their indexes, as one step sees them. */
export class FixedData {
  readonly #database: Database;
  #marker: StoreMarker | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  get nowMs(): number {
    return this.#database.nowMs;
  }

  /** Looks at what the data is, before a step that may change a holder. Answers its id. */
  open({ knownStore, freshStore, times }: FixedCaller): string {
    const run = this.#database.run;
    const before = this.#database.get<StoreMarker>(MARKER);
    const marker: StoreMarker = before ?? { id: freshStore, run: "", settlesAtMs: 0, lost: false, torn: false };
    if (marker.run !== run) {
      marker.torn = marker.run !== "";
      marker.run = run;
      marker.lost = false;
      marker.settlesAtMs = Math.max(marker.settlesAtMs, this.nowMs + times.settleMs);
    }
    this.#marker = marker;
    this.#database.put(MARKER, marker);
    if (knownStore !== "" && knownStore !== marker.id) this.lost(times.youngMs);
    return marker.id;
  }

  /** Somebody knows what the store does not: it lost data. */
  lost(youngMs: number): void {
    const marker = this.#marker;
    if (marker === undefined || marker.lost) return;
    marker.lost = true;
    marker.torn = true;
    marker.settlesAtMs = Math.max(marker.settlesAtMs, this.nowMs + youngMs);
    this.#database.put(MARKER, marker);
  }

  get settlesInMs(): number {
    return (this.#marker?.settlesAtMs ?? 0) - this.nowMs;
  }

  get settling(): boolean {
    return this.settlesInMs > 0;
  }

  /** Of a record that begins now, behind the epoch of what is left of an earlier one. */
  firstEpoch(pod: string): number {
    return epochAfter(this.tombstone(pod)?.record.epoch ?? 0, this.#marker?.torn ?? false, this.nowMs);
  }

  nextEpoch({ record, run }: StoredFixed, isFenced = false): number {
    return epochAfter(record.epoch, isFenced || run !== this.#database.run, this.nowMs);
  }

  record(pod: string): StoredFixed | undefined {
    return this.#database.get<StoredFixed>(RECORDS + pod);
  }

  records(): readonly StoredFixed[] {
    return this.#database.entries<StoredFixed>(RECORDS).map(([, stored]) => stored);
  }

  podOf(address: string): string | undefined {
    return this.#database.get<string>(ADDRESSES + address);
  }

  /** `run`: none for what a node brings back, whose later changes may be lost: the next one jumps. */
  put(stored: StoredFixed, run = this.#database.run): void {
    const { pod, address } = stored.record;
    const before = this.record(pod)?.record.address;
    if (before !== undefined && before !== address) this.#database.remove(ADDRESSES + before);
    this.#database.put(RECORDS + pod, { ...stored, run });
    this.#database.put(ADDRESSES + address, pod);
    this.#database.remove(GONE + pod);
  }

  /** Away with the record, and its epoch is remembered. */
  drop({ record }: StoredFixed): void {
    this.#database.remove(RECORDS + record.pod);
    if (this.podOf(record.address) === record.pod) this.#database.remove(ADDRESSES + record.address);
    this.bury({ record, atMs: this.nowMs });
  }

  bury(tombstone: FixedTombstone): void {
    this.#database.put(GONE + tombstone.record.pod, tombstone, TOMBSTONE_MS);
  }

  tombstone(pod: string): FixedTombstone | undefined {
    return this.#database.get<FixedTombstone>(GONE + pod);
  }

  seen(nodeId: string): void {
    this.#database.put(ALIVE + nodeId, this.nowMs, SIGN_OF_LIFE_MS);
  }

  seenAtMs(nodeId: string): number | undefined {
    return this.#database.get<number>(ALIVE + nodeId);
  }

  isAlive(nodeId: string, ttlMs: number): boolean {
    const seenAtMs = this.seenAtMs(nodeId);
    return seenAtMs !== undefined && this.nowMs - seenAtMs <= ttlMs;
  }
}
