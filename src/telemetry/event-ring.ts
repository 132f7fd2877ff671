import type { EnidEvent } from "../manager/ports/index.ts";

/** An event with the moment it was told. */
export interface RecordedEvent extends EnidEvent {
  /** Wall ms. */
  readonly atMs: number;
}

/** The latest events, oldest first, in a bounded ring: adding is O(1) and memory does not grow. */
export class EventRing {
  readonly #slots: (RecordedEvent | undefined)[];
  #added = 0;

  constructor(capacity: number) {
    this.#slots = new Array<RecordedEvent | undefined>(capacity).fill(undefined);
  }

  add(event: RecordedEvent): void {
    this.#slots[this.#added % this.#slots.length] = event;
    this.#added += 1;
  }

  /** The latest `limit` events, oldest first. */
  latest(limit: number): readonly RecordedEvent[] {
    const capacity = this.#slots.length;
    const count = Math.max(0, Math.min(Math.floor(limit), this.#added, capacity));
    const events: RecordedEvent[] = [];
    for (let index = this.#added - count; index < this.#added; index += 1) {
      const event = this.#slots[index % capacity];
      if (event !== undefined) events.push(event);
    }
    return events;
  }
}
