import { BoundedLabel } from "./bounded-label.ts";

const ACTIONS_LIMIT = 40;
const MINUTE_MS = 60_000;
/** Minutes that are counted; the present one, which has just begun, comes on top. */
export const TALLY_MINUTES = 5;

/** Attempts of cloud calls by action, lately: by whole minutes of the monotonic clock. */
export class CallTally {
  readonly #actions = new BoundedLabel(ACTIONS_LIMIT);
  #minutes: { readonly minute: number; readonly counts: Map<string, number> }[] = [];

  add(action: string, monotonicMs: number): void {
    const minute = Math.floor(monotonicMs / MINUTE_MS);
    this.#forget(minute);
    const last = this.#minutes.at(-1);
    const counts = last?.minute === minute ? last.counts : new Map<string, number>();
    if (last?.minute !== minute) this.#minutes.push({ minute, counts });
    const label = this.#actions.of(action);
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }

  /** Of the last `TALLY_MINUTES` minutes and what there is of this one. */
  lately(monotonicMs: number): Readonly<Record<string, number>> {
    this.#forget(Math.floor(monotonicMs / MINUTE_MS));
    const sums: Record<string, number> = {};
    for (const { counts } of this.#minutes) {
      for (const [action, count] of counts) sums[action] = (sums[action] ?? 0) + count;
    }
    return sums;
  }

  #forget(minute: number): void {
    this.#minutes = this.#minutes.filter((one) => one.minute >= minute - TALLY_MINUTES);
  }
}
