import { DEFAULT_LIMITS } from "../../../providers/aws/index.ts";
import type { Machine } from "../machine.ts";
import { type Breach, breach } from "./breach.ts";

interface Level {
  tokens: number;
  atMs: number;
  life: number;
}

/** The share of the account's bucket that a node may use. */
const SHARE = DEFAULT_LIMITS.bucketShare;
/** What it is allowed beyond that, for the edges of its own bucket. */
const SLACK = 1;

/** Published capacity and refill of an action's bucket. */
export type BucketOf = (action: string) => { readonly capacity: number; readonly refillPerSecond: number };

/**
 * Calls of each machine, held against a token bucket of the size that a node takes for itself: in no window may it make
 * more calls than that allows. A new process begins with a full one.
 */
export class CallBudgets {
  readonly #levels = new Map<string, Level>();
  readonly #bucketOf: BucketOf;

  constructor(bucketOf: BucketOf) {
    this.#bucketOf = bucketOf;
  }

  /** One call. `life` counts the processes of the machine. */
  called(machine: Machine, life: number, action: string, atMs: number): readonly Breach[] {
    const { capacity, refillPerSecond } = this.#bucketOf(action);
    const room = Math.max(1, capacity * SHARE) + SLACK;
    const key = `${machine.name} ${action}`;
    const level = this.#levels.get(key);
    if (level === undefined || level.life !== life) {
      this.#levels.set(key, { tokens: room - 1, atMs, life });
      return [];
    }
    level.tokens = Math.min(room, level.tokens + ((atMs - level.atMs) / 1_000) * refillPerSecond * SHARE) - 1;
    level.atMs = atMs;
    if (level.tokens > -1e-6) return [];
    return [breach(10, `${action} is called more often than ${SHARE * 100} % of the account's bucket allows`)];
  }
}
