import { type Clock, jitterMs, type Random } from "../adapters/index.ts";
import { excess, type GiveBack } from "../planning/index.ts";
import { LIMITS } from "./limits.ts";
import { NEVER, soonest } from "./moments.ts";
import type { NodeState } from "./node.ts";

/** Addresses beyond the watermarks since some time. */
interface Excess {
  count: number;
  /** When the count changed last; wall ms. */
  changedMs: number;
  /** Quiet until then, it may be given back. */
  quietUntilMs: number;
  /** The least there was since `leastSinceMs`. */
  least: number;
  leastSinceMs: number;
}

/**
 * How much may be given back, and when: what was beyond the watermarks for the whole quiet time (release-delay-seconds,
 * with jitter). On a node where pods come and go all the time the count never keeps still; there, what was beyond them
 * all through a span of several quiet times.
 *
 * Also knows since when nothing on an interface is leased.
 */
export class GivingBack {
  readonly #node: NodeState;
  readonly #clock: Clock;
  readonly #random: Random;
  #excess: Excess | undefined;
  /** What the node was like when it was looked at last. */
  #looked = -1;

  constructor(node: NodeState, clock: Clock, random: Random) {
    this.#node = node;
    this.#clock = clock;
    this.#random = random;
  }

  /** Looks at the pool as it is now; to be called in every round. */
  look(): void {
    if (this.#looked === this.#node.version) return;
    const nowMs = this.#clock.nowMs();
    this.#lookAtInterfaces(nowMs);
    this.#looked = this.#node.version;
    const { values } = this.#node.settings;
    const count = values["release-excess"] ? this.count() : 0;
    const before = this.#excess;
    if (count === 0) this.#excess = undefined;
    else if (before === undefined) {
      this.#excess = {
        count,
        changedMs: nowMs,
        quietUntilMs: this.#quietUntil(nowMs),
        least: count,
        leastSinceMs: nowMs,
      };
    } else if (before.count !== count) {
      Object.assign(before, { count, changedMs: nowMs, quietUntilMs: this.#quietUntil(nowMs) });
      before.least = Math.min(before.least, count);
    }
  }

  /** Addresses beyond the watermarks now; of ranges of the node's own there are none, for nobody would take them back. */
  count(): number {
    if (this.#node.hasRanges) return 0;
    const { available, used } = this.#node.supply("ipv4");
    // IPv4 addresses of the time before pods were given IPv6 ones alone: no pod will ask for one.
    if (this.#node.settings.values["ip-families"] === "ipv6") return Math.max(0, available - used);
    return excess({ available, used, ...this.#node.watermarks() });
  }

  /** What may be given back now; with release-excess off, only what is of no use and in the way. */
  allowance(): GiveBack {
    const { values } = this.#node.settings;
    const interfaceIdleMs = values["interface-idle-seconds"] * 1_000;
    if (!values["release-excess"]) return { count: 0, interfaceIdleMs, uselessOnly: true };
    return { count: this.#allowedCount(), interfaceIdleMs };
  }

  /** A step gives back: what is left has to last for another quiet time. */
  begun(): void {
    const nowMs = this.#clock.nowMs();
    if (this.#excess === undefined) return;
    Object.assign(this.#excess, { changedMs: nowMs, quietUntilMs: this.#quietUntil(nowMs) });
    Object.assign(this.#excess, { least: this.#excess.count, leastSinceMs: nowMs });
  }

  /** When something becomes due by itself after `nowMs`; Infinity = nothing does. */
  nextMs(nowMs: number): number {
    const idleMs = this.#node.settings.values["interface-idle-seconds"] * 1_000;
    let nextMs = NEVER;
    for (const sinceMs of this.#node.idleSinceMs.values()) nextMs = soonest(nextMs, sinceMs + idleMs, nowMs);
    if (this.#excess === undefined) return nextMs;
    nextMs = soonest(nextMs, this.#excess.quietUntilMs, nowMs);
    return soonest(nextMs, this.#longEnoughMs(this.#excess), nowMs);
  }

  /** When the excess may go, if nothing changes; undefined while there is none. */
  releasableAtMs(): number | undefined {
    return this.#excess?.quietUntilMs;
  }

  #allowedCount(): number {
    if (this.#excess === undefined) return 0;
    const nowMs = this.#clock.nowMs();
    if (nowMs >= this.#excess.quietUntilMs) return this.#excess.count;
    return nowMs >= this.#longEnoughMs(this.#excess) ? this.#excess.least : 0;
  }

  #longEnoughMs({ leastSinceMs }: Excess): number {
    return leastSinceMs + LIMITS.quietTimesOfUnrest * this.#delayMs;
  }

  #quietUntil(nowMs: number): number {
    return nowMs + jitterMs(this.#random, this.#delayMs, LIMITS.quietJitter);
  }

  get #delayMs(): number {
    return this.#node.settings.values["release-delay-seconds"] * 1_000;
  }

  #lookAtInterfaces(nowMs: number): void {
    const { idleSinceMs, interfaces, pool } = this.#node;
    for (const id of idleSinceMs.keys()) if (!interfaces.has(id)) idleSinceMs.delete(id);
    for (const { id, deviceIndex } of interfaces.values()) {
      if (deviceIndex < 0 || pool.inUseOn(id) > 0) idleSinceMs.delete(id);
      else if (!idleSinceMs.has(id)) idleSinceMs.set(id, nowMs);
    }
  }
}
