import { type Cancel, type Clock, sleep } from "../adapters/index.ts";
import { coerceError, type EnidError } from "../errors.ts";
import { LIMITS } from "./limits.ts";

interface Activity {
  readonly controller: AbortController;
  done: Promise<void>;
  /** What it waits for at the moment is given up a grace after the abort. */
  giveUp: (() => void) | undefined;
}

/**
 * What runs beside the loop: describes, steps, settlements. Each has a name and runs at most once at a time; its end
 * is handled synchronously and then the loop is woken. Nothing of it outlives `stop`.
 */
export class Activities {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #ended: () => void;
  readonly #running = new Map<string, Activity>();
  readonly #bySignal = new WeakMap<AbortSignal, Activity>();
  readonly #stopped = new AbortController();

  /** `ended` is called after each activity, in whatever way it ended. `limitMs` aborts one that hangs. */
  constructor(clock: Clock, limitMs: number, ended: () => void) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#ended = ended;
  }

  isRunning(name: string): boolean {
    return this.#running.has(name);
  }

  /** Starts `work` unless one of that name runs. `failed` gets what it rejects with; it must not throw. */
  run(name: string, work: (signal: AbortSignal) => Promise<void>, failed: (error: EnidError) => void): boolean {
    if (this.#running.has(name) || this.#stopped.signal.aborted) return false;
    // One of its own, not AbortSignal.any: a signal that depends on a lasting one is kept as long as it has a listener.
    const controller = new AbortController();
    const activity: Activity = { controller, done: NOTHING, giveUp: undefined };
    this.#running.set(name, activity);
    this.#bySignal.set(controller.signal, activity);
    activity.done = this.#perform(name, activity, work, failed);
    return true;
  }

  async #perform(
    name: string,
    activity: Activity,
    work: (signal: AbortSignal) => Promise<void>,
    failed: (error: EnidError) => void,
  ): Promise<void> {
    const cancel = this.#clock.after(this.#limitMs, () =>
      this.#abort(activity, new Error(`${name} took over ${this.#limitMs} ms`)),
    );
    try {
      // Who starts it goes on first.
      await NOTHING;
      await work(activity.controller.signal);
    } catch (thrown) {
      failed(coerceError(thrown));
    } finally {
      cancel();
      this.#running.delete(name);
      this.#ended();
    }
  }

  #abort({ controller, giveUp }: Activity, reason: Error): void {
    controller.abort(reason);
    giveUp?.();
  }

  /**
   * What the work waits for, or the reason of the abort when that does not end the waiting within a grace: nothing that
   * hangs may stop the manager, also not a provider that does not heed the signal. What it answers later is lost.
   */
  patiently<Answer>(answer: Promise<Answer>, signal: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
      // Not a listener of the signal: that costs more than all the rest of a quiet activity.
      const activity = this.#bySignal.get(signal);
      let cancel: Cancel | undefined;
      const giveUp = () => {
        cancel = this.#clock.after(LIMITS.abortGraceMs, () => reject(signal.reason));
      };
      const end = () => {
        cancel?.();
        if (activity?.giveUp === giveUp) activity.giveUp = undefined;
      };
      if (activity !== undefined) activity.giveUp = giveUp;
      if (signal.aborted) giveUp();
      answer.then(
        (value) => {
          end();
          resolve(value);
        },
        (error: unknown) => {
          end();
          reject(error);
        },
      );
    });
  }

  /** Waits up to `graceMs` for what runs, then aborts the rest and waits for it to notice, up to a second. */
  async stop(graceMs: number): Promise<void> {
    const all = () => Promise.all([...this.#running.values()].map(({ done }) => done)).then(() => undefined);
    await Promise.race([all(), sleep(this.#clock, graceMs, this.#stopped.signal)]);
    const reason = new Error("the daemon stops");
    this.#stopped.abort(reason);
    for (const activity of this.#running.values()) this.#abort(activity, reason);
    // Cancelled at the end: a timer left behind would keep the process for its second.
    const over = new AbortController();
    await Promise.race([all(), sleep(this.#clock, 1_000, over.signal)]);
    over.abort();
  }
}

const NOTHING = Promise.resolve();
