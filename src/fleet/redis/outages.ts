import type { Cancel, Clock } from "../../adapters/index.ts";
import type { StoreCondition } from "../store/index.ts";

/**
 * What of the engine does not answer: "" is all of it, other places are the slots of a cluster. Connected = nothing is
 * missing.
 */
export class Outages {
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  readonly #because = new Map<string, string>();
  #sinceMs: number;

  constructor(clock: Clock, because: string) {
    this.#clock = clock;
    this.#sinceMs = clock.nowMs();
    this.#because.set("", because);
  }

  get connected(): boolean {
    return this.#because.size === 0;
  }

  /** What is to be asked to learn whether it is back. */
  places(): readonly string[] {
    return this.connected ? [""] : [...this.#because.keys()];
  }

  began(place: string, because: string): void {
    const wasConnected = this.connected;
    this.#because.set(place, because);
    if (wasConnected) this.#changed();
  }

  ended(place: string): void {
    if (this.#because.delete(place) && this.connected) this.#changed();
  }

  condition(): StoreCondition {
    const [because = ""] = this.#because.values();
    return { connected: this.connected, sinceMs: this.#sinceMs, because };
  }

  watch(changed: () => void): Cancel {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  #changed(): void {
    this.#sinceMs = this.#clock.nowMs();
    for (const listener of this.#listeners) listener();
  }
}
