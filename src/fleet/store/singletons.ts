/**
 * Who has a task. The store alone is not what keeps two nodes from doing it at once: a fail-over may lose that somebody has
 * it. What a node makes of the answers (src/fleet/node/singletons.ts) does.
 */
export interface SingletonStore {
  /** Takes the task if nobody has it, or goes on having it. */
  hold(bid: SingletonBid): Promise<SingletonAnswer>;
  /** Gives it up, so that anybody can have it at once. Nothing happens unless it is had under that token. */
  release(task: string, asker: string, token: number): Promise<void>;
}

export interface SingletonBid {
  readonly task: string;
  /** One process. */
  readonly asker: string;
  /** Under which it has the task; 0 = it has not. Only with this token it goes on as it was. */
  readonly token: number;
  /** Highest token of the task that it knows of: a new one is higher, also when the store lost its data. */
  readonly seen: number;
  readonly ttlMs: number;
}

export type SingletonAnswer =
  /** The asker has it. Another token than it had: it did not have it all the time. */
  | { readonly kind: "held"; readonly token: number }
  /** Somebody else has, for so long unless renewed. */
  | { readonly kind: "taken"; readonly token: number; readonly endsInMs: number };

/** What is known of a task is kept for so long after its lease. */
export const TASK_KEEP_MS = 24 * 3_600_000;
