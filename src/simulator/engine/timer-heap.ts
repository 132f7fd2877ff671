/** A callback and its moment. `callback` is undefined once it was cancelled. */
export interface Timer {
  readonly dueMs: number;
  /** Decides between timers of one moment. */
  readonly order: number;
  callback: (() => void) | undefined;
}

/** A binary heap: the earliest timer comes first; cancelled ones are dropped when their moment comes. */
export class TimerHeap {
  readonly #timers: Timer[] = [];

  push(timer: Timer): void {
    const timers = this.#timers;
    let at = timers.length;
    timers.push(timer);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = timers[parent] as Timer;
      if (!isBefore(timer, above)) break;
      timers[at] = above;
      at = parent;
    }
    timers[at] = timer;
  }

  /** The earliest timer that is not cancelled, unless it is due after `untilMs`. */
  popUntil(untilMs: number): Timer | undefined {
    for (;;) {
      const first = this.#timers[0];
      if (first === undefined || first.dueMs > untilMs) return undefined;
      this.#removeFirst();
      if (first.callback !== undefined) return first;
    }
  }

  #removeFirst(): void {
    const timers = this.#timers;
    const last = timers.pop();
    if (last === undefined || timers.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= timers.length) break;
      const right = timers[child + 1];
      if (right !== undefined && isBefore(right, timers[child] as Timer)) child += 1;
      const below = timers[child] as Timer;
      if (!isBefore(below, last)) break;
      timers[at] = below;
      at = child;
    }
    timers[at] = last;
  }
}

function isBefore(one: Timer, other: Timer): boolean {
  return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.order < other.order);
}
