import type { Clock } from "../../adapters/index.ts";

/** The finest distance of two looks; every moment found is that exact, or 5 % of the time since the last hint. */
const TICK_MS = 50;
const SHARE_OF_WAIT = 0.05;
const RAREST_MS = 5_000;

interface Watched {
  readonly node: number;
  /** Since when nothing has happened that could make it ready. */
  sinceMs: number;
  /** The tick of its next look. */
  due: number;
}

/**
 * Looks at nodes that are not ready until they are: often after something that may have made them ready, then ever more
 * rarely. One timer serves all, and none is set while nobody is watched.
 */
export class ReadinessWatch {
  readonly #clock: Clock;
  /** True: the node needs no further look. */
  readonly #look: (node: number) => boolean;
  readonly #watched = new Map<number, Watched>();
  /** Who is due at a tick; one that was hinted at in the meantime is due at another one. */
  readonly #wheel = new Map<number, Watched[]>();
  #tick = 0;
  #isSet = false;

  constructor(clock: Clock, look: (node: number) => boolean) {
    this.#clock = clock;
    this.#look = look;
  }

  watch(node: number): void {
    const watched = { node, sinceMs: this.#clock.monotonicMs(), due: 0 };
    this.#watched.set(node, watched);
    this.#enter(watched);
  }

  /** Something has happened to the node that it may have waited for. */
  hint(node: number): void {
    const watched = this.#watched.get(node);
    if (watched === undefined) return;
    watched.sinceMs = this.#clock.monotonicMs();
    this.#enter(watched);
  }

  #enter(watched: Watched): void {
    if (!this.#isSet) this.#tick = Math.floor(this.#clock.monotonicMs() / TICK_MS);
    const waitedMs = this.#clock.monotonicMs() - watched.sinceMs;
    const delayMs = Math.min(RAREST_MS, waitedMs * SHARE_OF_WAIT);
    watched.due = this.#tick + Math.max(1, Math.round(delayMs / TICK_MS));
    const others = this.#wheel.get(watched.due);
    if (others === undefined) this.#wheel.set(watched.due, [watched]);
    else others.push(watched);
    this.#set();
  }

  #set(): void {
    if (this.#isSet) return;
    this.#isSet = true;
    const nextMs = (this.#tick + 1) * TICK_MS;
    this.#clock.after(nextMs - this.#clock.monotonicMs(), () => this.#turn());
  }

  #turn(): void {
    this.#tick += 1;
    const due = this.#wheel.get(this.#tick) ?? [];
    this.#wheel.delete(this.#tick);
    for (const watched of due) {
      if (watched.due !== this.#tick || this.#watched.get(watched.node) !== watched) continue;
      if (this.#look(watched.node)) this.#watched.delete(watched.node);
      else this.#enter(watched);
    }
    this.#isSet = false;
    if (this.#wheel.size > 0) this.#set();
  }
}
