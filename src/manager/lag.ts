import type { Clock } from "../adapters/index.ts";
import { LIMITS } from "./limits.ts";
import type { StepOutcome } from "./ports/index.ts";

const LONG_AGO = Number.NEGATIVE_INFINITY;

/**
 * What changed so lately that observations may not show it yet: what came must not count as denied, and what went must not
 * come back. Blocks are named by their CIDR, interfaces by their id. Times are wall ms.
 */
export class Lag {
  readonly #clock: Clock;
  readonly #cameAtMs = new Map<string, number>();
  /** By interface and block: what one interface gave back another one may get at once. */
  readonly #wentAtMs = new Map<string, number>();
  #adoptsFromMs = LONG_AGO;
  #deniesFromMs = LONG_AGO;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The state was written by an earlier process, which may have taken blocks or given them back just before it ended:
   * until observations can no longer lag that, what is not in the state is not taken over, and what is in it not denied.
   */
  followsAnother(): void {
    const nowMs = this.#clock.nowMs();
    this.#adoptsFromMs = nowMs + LIMITS.adoptionLagMs;
    this.#deniesFromMs = nowMs + LIMITS.lagMs;
  }

  came(names: readonly string[]): void {
    const nowMs = this.#clock.nowMs();
    for (const name of names) this.#cameAtMs.set(name, nowMs);
  }

  /** EC2 has put them on the interface anew. */
  cameBack(interfaceId: string, cidrs: readonly string[]): void {
    for (const cidr of cidrs) this.#wentAtMs.delete(placed(interfaceId, cidr));
  }

  /** Given back: EC2 has them. */
  went(interfaceId: string, cidrs: readonly string[]): void {
    this.#forget();
    const nowMs = this.#clock.nowMs();
    for (const cidr of cidrs) {
      this.#wentAtMs.set(placed(interfaceId, cidr), nowMs);
      this.#cameAtMs.delete(cidr);
    }
  }

  /** The interface as a whole was removed. */
  removed(interfaceId: string): void {
    this.#cameAtMs.delete(interfaceId);
    this.#wentAtMs.set(interfaceId, this.#clock.nowMs());
  }

  /** It is lost: when it comes back, that is news. */
  lost(name: string): void {
    this.#cameAtMs.delete(name);
  }

  /** Whether an observation that began then may still show the removed interface. */
  mayShowRemoved(interfaceId: string, startedAtMs: number): boolean {
    const wentAtMs = this.#wentAtMs.get(interfaceId);
    return wentAtMs !== undefined && startedAtMs - wentAtMs < LIMITS.adoptionLagMs;
  }

  /** An observation that began before, and does not show it, means nothing. */
  deniableFromMs(name: string): number {
    return Math.max((this.#cameAtMs.get(name) ?? LONG_AGO) + LIMITS.lagMs, this.#deniesFromMs);
  }

  /**
   * An outcome that was found by a describe, without what was given back lately: one that lags shows it as if the step had
   * brought it. Should EC2 have given it anew, a later observation finds it.
   */
  believable(outcome: StepOutcome): StepOutcome {
    if (outcome.kind !== "done") return outcome;
    const { id, addresses, prefixes, ipv6Prefixes } = outcome.interface;
    const nowMs = this.#clock.nowMs();
    const isBelieved = (cidr: string) => this.wentBeforeMs(id, cidr) <= nowMs;
    return {
      ...outcome,
      added: outcome.added.filter(isBelieved),
      interface: {
        ...outcome.interface,
        addresses: addresses.filter((address) => isBelieved(`${address}/32`)),
        prefixes: prefixes.filter(isBelieved),
        ...(ipv6Prefixes === undefined ? {} : { ipv6Prefixes: ipv6Prefixes.filter(isBelieved) }),
      },
    };
  }

  /** An observation that began before, and shows the block on the interface, may show what was. */
  adoptableFromMs(interfaceId: string, cidr: string): number {
    return Math.max(this.#adoptsFromMs, this.wentBeforeMs(interfaceId, cidr));
  }

  /** The same, as far as this process gave the block back itself; long ago when it did not. */
  wentBeforeMs(interfaceId: string, cidr: string): number {
    return (this.#wentAtMs.get(placed(interfaceId, cidr)) ?? LONG_AGO) + LIMITS.adoptionLagMs;
  }

  #forget(): void {
    const nowMs = this.#clock.nowMs();
    for (const [name, atMs] of this.#wentAtMs) if (nowMs - atMs > LIMITS.adoptionLagMs) this.#wentAtMs.delete(name);
  }
}

function placed(interfaceId: string, cidr: string): string {
  return `${interfaceId} ${cidr}`;
}
