import type { Clock } from "../adapters/index.ts";
import { coerceError, type EnidError } from "../errors.ts";
import type { Change } from "../manager/ports/index.ts";
import { writeFailed } from "./write-failure.ts";

/** The changes of one commit() call. */
export type Call = readonly Change[];

/**
 * Makes each call durable, or none of its changes. `outcomes` has one entry per call, in order: undefined when durable,
 * otherwise why not. `transactions` counts those that were committed. Never throws.
 */
export type WriteGroup = (calls: readonly Call[]) => {
  readonly outcomes: readonly (EnidError | undefined)[];
  readonly transactions: number;
};

export interface GroupCommit {
  commit(changes: Call): Promise<void>;
  /** Writes all that waits, now; later commits reject. */
  close(): void;
  counts(): { readonly transactions: number; readonly changes: number; readonly failures: number };
}

/** Calls that share one transaction at most: bounds how long the loop stands still for one group. */
const MAX_CALLS_PER_GROUP = 1024;

interface Waiting {
  readonly changes: Call;
  readonly resolve: () => void;
  readonly reject: (error: EnidError) => void;
}

/**
 * Collects the commits of one turn of the loop and writes them together, so that the price of reaching the disk is
 * paid once per turn and not once per pod. The order of the calls is kept.
 */
export function createGroupCommit(clock: Pick<Clock, "nextTurn">, writeGroup: WriteGroup): GroupCommit {
  let waiting: Waiting[] = [];
  let scheduled = false;
  let closed = false;
  const counts = { transactions: 0, changes: 0, failures: 0 };

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    clock.nextTurn(() => {
      scheduled = false;
      flush();
      if (waiting.length > 0) schedule();
    });
  }

  function flush(): void {
    if (waiting.length === 0) return;
    const group = waiting.slice(0, MAX_CALLS_PER_GROUP);
    waiting = waiting.slice(MAX_CALLS_PER_GROUP);
    const { outcomes, transactions } = writeGroup(group.map((call) => call.changes));
    counts.transactions += transactions;
    for (const [index, call] of group.entries()) {
      const error = outcomes[index];
      if (error === undefined) {
        counts.changes += call.changes.length;
        call.resolve();
      } else {
        counts.failures += 1;
        call.reject(error);
      }
    }
  }

  return {
    commit(changes) {
      if (closed) return Promise.reject(writeFailed("the state is closed", { reason: "closed" }));
      return new Promise((resolve, reject) => {
        waiting.push({ changes, resolve, reject });
        schedule();
      });
    },
    close() {
      closed = true;
      while (waiting.length > 0) flush();
    },
    counts: () => ({ ...counts }),
  };
}

/** One call's error as the port promises it: ENID_STATE_WRITE_FAILED, whatever was thrown. */
export function asWriteFailure(thrown: unknown): EnidError {
  const error = coerceError(thrown);
  if (error.code === "ENID_STATE_WRITE_FAILED") return error;
  return writeFailed(thrown instanceof Error ? thrown.message : String(thrown), { reason: "invalid" }, thrown);
}
