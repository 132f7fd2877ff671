import type { Cancel, Clock } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";

/** An ADD that waits until BIRD announces its address. */
interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: EnidError) => void;
  readonly cancel: Cancel;
}

/** Those that wait. A round takes them with it: what it brings about includes what they wait for. */
export class Waiting {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #why: () => EnidError | undefined;
  readonly #waiters = new Set<Waiter>();

  /** `why`: what keeps them waiting. */
  constructor(clock: Clock, limitMs: number, why: () => EnidError | undefined) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#why = why;
  }

  /** Resolves once a round that began later has ended well; rejects with ENID_BIRD when none does in time. */
  wait(hosts: readonly string[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = () => {
      this.#waiters.delete(waiter);
      const detail = `${hosts.join(" and ")} is not announced yet`;
      reject(this.#why() ?? new EnidError("ENID_BIRD", { detail }));
    };
    const waiter: Waiter = { resolve, reject, cancel: this.#clock.after(this.#limitMs, late) };
    this.#waiters.add(waiter);
    return promise;
  }

  /** Those that wait now. */
  take(): readonly Waiter[] {
    return [...this.#waiters];
  }

  serve(waiters: readonly Waiter[]): void {
    for (const waiter of waiters) {
      this.#waiters.delete(waiter);
      waiter.cancel();
      waiter.resolve();
    }
  }

  refuse(error: EnidError): void {
    for (const waiter of this.#waiters) {
      waiter.cancel();
      waiter.reject(error);
    }
    this.#waiters.clear();
  }
}
