import type { Lifetime } from "./lifetime.ts";

/**
 * Runs something when it is asked to, but not sooner than `intervalMs` after the end of the run before, and never twice at
 * once: what is asked for meanwhile is one run. `run` answers whether it wants to be run again. Source: cilium/cilium,
 * pkg/trigger with MinInterval.
 */
export class Paced {
  readonly #lifetime: Lifetime;
  readonly #intervalMs: number;
  readonly #run: () => Promise<boolean>;
  #endedAtMs = Number.NEGATIVE_INFINITY;
  #state: "idle" | "waiting" | "running" = "idle";
  #isAsked = false;

  constructor(lifetime: Lifetime, intervalMs: number, run: () => Promise<boolean>) {
    this.#lifetime = lifetime;
    this.#intervalMs = intervalMs;
    this.#run = run;
  }

  ask(): void {
    if (this.#state === "running") this.#isAsked = true;
    if (this.#state !== "idle") return;
    this.#state = "waiting";
    const delayMs = this.#endedAtMs + this.#intervalMs - this.#lifetime.monotonicMs();
    this.#lifetime.after(Math.max(0, delayMs), () => void this.#start());
  }

  async #start(): Promise<void> {
    this.#state = "running";
    this.#isAsked = false;
    const again = await this.#run();
    this.#endedAtMs = this.#lifetime.monotonicMs();
    this.#state = "idle";
    if (again || this.#isAsked) this.ask();
  }
}
