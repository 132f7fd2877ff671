import { type Clock, sleep } from "../../adapters/index.ts";

/** Within as long after others were served, an ADD is of a burst. */
const RECENT_MS = 60;
const STEP_MS = 5;
const LONGEST_QUIET_MS = 60;
/** No ADD waits for others longer, however busy the machine is. */
const LONGEST_MS = 1_000;
/**
 * Before the second round of a burst, and before each further one: the more rounds there were, the more is gathered. The
 * pause is at least as many of the round before: where a process takes long, ADDs come slowly too.
 */
const PAUSES = [
  { quietMs: 15, limitMs: 60, rounds: 1 },
  { quietMs: 25, limitMs: 600, rounds: 2 },
] as const;

/**
 * Gathers the ADDs of a burst. One that comes alone goes at once; one that comes just after others were served is of a
 * burst, more of it are on their way, and one process can serve them all: it waits until none came for a while.
 */
export class Burst {
  readonly #clock: Clock;
  readonly #comers: () => string;
  #servedAtMs = Number.NEGATIVE_INFINITY;
  #tookMs = 0;
  #rounds = 0;

  /** `comers` changes with each ADD that comes. */
  constructor(clock: Clock, comers: () => string) {
    this.#clock = clock;
    this.#comers = comers;
  }

  /** A round ended that served some, or while which some came. */
  served(tookMs: number): void {
    this.#tookMs = tookMs;
    this.#servedAtMs = this.#clock.monotonicMs();
  }

  /** Resolves when the next round may begin. */
  async gather(): Promise<void> {
    const sinceMs = this.#clock.monotonicMs();
    if (sinceMs - this.#servedAtMs >= RECENT_MS) {
      this.#rounds = 0;
      return;
    }
    const { quietMs, limitMs, rounds } = PAUSES[Math.min(this.#rounds++, PAUSES.length - 1)] ?? PAUSES[0];
    const leastMs = Math.min(LONGEST_QUIET_MS, this.#tookMs * rounds);
    await this.#quiet(Math.max(quietMs, leastMs), Math.max(limitMs, leastMs));
  }

  /**
   * Quiet is counted in steps, not in time alone: while the thread stood still, in a commit or the start of a process,
   * nobody could come, and time that passed so says nothing.
   */
  async #quiet(wantedMs: number, limitMs: number): Promise<void> {
    const [wantedSteps, limitSteps] = [Math.ceil(wantedMs / STEP_MS), Math.ceil(limitMs / STEP_MS)];
    const untilMs = this.#clock.monotonicMs() + LONGEST_MS;
    let known = this.#comers();
    for (let step = 0, quiet = 0; quiet < wantedSteps && step < limitSteps; step++) {
      await sleep(this.#clock, STEP_MS);
      // On a busy machine those that came meanwhile are read after the timers.
      for (let turn = 0; turn < 2; turn++) await new Promise<void>((resolve) => this.#clock.nextTurn(resolve));
      if (this.#clock.monotonicMs() >= untilMs) return;
      const comers = this.#comers();
      quiet = comers === known ? quiet + 1 : 0;
      known = comers;
    }
  }
}
