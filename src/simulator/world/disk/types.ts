import type { Clock } from "../../../adapters/index.ts";
import type { Intent, Store, StoredState } from "../../../manager/ports/index.ts";
import type { Attachment, Lease } from "../../../pool/index.ts";
import type { Dice } from "../../engine/index.ts";

/**
 * The disk of one simulated machine: what it holds outlives each life of the daemon, however that ends. Reads are what is
 * durable at this moment, for whoever checks the promises; the daemon has its own view, the Store that open() gives.
 */
export interface WorldDisk {
  /**
   * The store of one life of the daemon.
   *
   * @throws EnidError ENID_STATE_LOCKED while the life before is neither closed nor cut; what the state room throws otherwise
   */
  open(process: DiskProcess): ProcessStore;

  /** Rises whenever what is durable may have changed. */
  readonly version: number;
  /** All that is durable. The same object for as long as `version` stays: it is not to be changed. */
  load(): StoredState;
  /** Interfaces by the CIDR of their blocks. The same object for as long as no block changes. */
  blocks(): ReadonlyMap<string, string>;
  leaseOf(attachment: Attachment): Lease | undefined;
  /** `address`: either one of a dual-stack lease. */
  leaseOfAddress(address: string): Lease | undefined;
  intent(id: string): Intent | undefined;
  /**
   * Whether an open intent gives this block back to the cloud: it names the block, or takes away the interface that
   * carries it or carried it when the intent was opened.
   */
  isReleasing(cidr: string): boolean;

  /**
   * No room is left: writes are refused as the store refuses them on a full disk. `for-endings`: some room, as the
   * store keeps it for pods that go: only calls with a new lease are refused. Default `none`.
   */
  fill(room?: Room): void;
  /** There is room again. */
  free(): void;
  /** Each group of commits is refused as a whole with this probability, as by a disk that fails; 0 ends it. */
  refuse(probability: number): void;
  /** From the next group on, reaching the disk takes this long; both 0: no time, only the turn of the loop. */
  slow(minMs: number, maxMs: number): void;
  /** Ends full, refusing and slow. */
  heal(): void;
}

/** What is left on a disk that is full. */
export type Room = "none" | "for-endings";

/** What a life of the daemon brings along. */
export interface DiskProcess {
  /** Its own clock: what it waited for does not come after its death. */
  readonly clock: Pick<Clock, "after" | "nextTurn">;
  readonly dice: Dice;
  /** Called just before and just after a group reaches the disk: moments to die at, by cut(). */
  readonly moment?: () => void;
  readonly weakness?: Weakness;
}

/**
 * A promise that this disk breaks on purpose, to see whether the checks find it. `early-reply`: commit() resolves before
 * anything is durable. `no-intents`: intents are acknowledged and never written.
 */
export type Weakness = "early-reply" | "no-intents";

export interface ProcessStore extends Store {
  /**
   * The life ends here and hears of nothing any more. `crash`: the process dies; of what it had handed over, the first so
   * many calls reach the disk. `power-loss`: the machine dies; what was acknowledged stays, the group in flight is there
   * whole or not at all, and its bytes may be torn. After close() or a first cut() nothing is left to be cut.
   */
  cut(how: Cut): CutReport;
}

export type Cut = "crash" | "power-loss";

export interface CutReport {
  /** Calls that were in flight. */
  readonly inFlight: number;
  /** How many of them, the first ones, are durable for certain. */
  readonly written: number;
  /** The write that the cut interrupted, where there is a real one (`sqlite`). */
  readonly torn?: TornWrite;
}

/** What became of the bytes of one interrupted write to the log. */
export interface TornWrite {
  /** That a whole write would have changed. */
  readonly bytes: number;
  /** Of these: as they were to be, as they were before, and gone (zeros). */
  readonly arrivedBytes: number;
  readonly staleBytes: number;
  readonly zeroBytes: number;
}

/** Milliseconds that a group takes to reach the disk, both ends included. */
export interface DiskLatency {
  readonly minMs: number;
  readonly maxMs: number;
}

export interface WorldDiskOptions {
  /** When nothing is slow. Default 0 to 6 ms. */
  readonly latency?: DiskLatency;
}
