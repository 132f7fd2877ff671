/**
 * The account's token buckets and who waits for their tokens. One bucket for each account, Region and action; a new one is
 * full. Whoever wants a token gets it, or is told when to ask again, and keeps its place until then: nobody asks in between.
 */
export interface BudgetStore {
  /** Asks for one token, for the first time or again. Who waits is served by urgency, then in order of arrival. */
  ask(ask: BudgetAsk): Promise<BudgetAnswer>;
  /** Gives up waiting. Harmless for who does not wait. */
  withdraw(bucket: BudgetBucket, ticket: string): Promise<void>;
  /** A token was not used. */
  giveBack(bucket: BudgetBucket, size: BudgetSize): Promise<void>;
  /**
   * A call that was granted in `era` was throttled: the bucket is empty, and its rate shrinks for everyone. What was
   * granted before the last decrease is no news and changes nothing but the count.
   */
  throttled(bucket: BudgetBucket, size: BudgetSize, era: number): Promise<void>;
  /** The buckets that were asked within the last day, by account, Region and action. */
  levels(): Promise<readonly BudgetLevel[]>;
}

export interface BudgetBucket {
  /** Empty while it is not known. */
  readonly account: string;
  readonly region: string;
  readonly action: string;
}

/** What nodes may take of the bucket, what is reserved for others left out. */
export interface BudgetSize {
  /** At least 1. */
  readonly capacity: number;
  /** Above 0. */
  readonly refillPerSecond: number;
}

export interface BudgetAsk {
  readonly bucket: BudgetBucket;
  readonly size: BudgetSize;
  /** Names who waits, the same each time it asks. At most `TICKET_LIMIT` characters. */
  readonly ticket: string;
  /** 0 is served first; at most 9. It may be another one each time. */
  readonly urgency: number;
  /** How long it will wait from now on. */
  readonly limitMs: number;
}

export type BudgetAnswer =
  /** `era` is told with a throttled answer. */
  | { readonly kind: "granted"; readonly era: number }
  /** Its turn is expected in `expectedMs`; it asks again in `askAgainMs`, else it loses its place `GRACE_MS` later. */
  | {
      readonly kind: "wait";
      readonly askAgainMs: number;
      readonly expectedMs: number;
      readonly ahead: number;
      readonly ratePerSecond: number;
    }
  /** Its turn comes after its limit, or too many wait: it waits no longer. */
  | { readonly kind: "late"; readonly expectedMs: number; readonly ahead: number; readonly ratePerSecond: number };

export interface BudgetLevel {
  readonly bucket: BudgetBucket;
  /** Without what is reserved for others. */
  readonly capacity: number;
  readonly tokens: number;
  readonly ratePerSecond: number;
  readonly fullRatePerSecond: number;
  /** By urgency, from 0. */
  readonly waiting: readonly number[];
  /** Since the bucket was asked for the first time; one that nobody asks for an hour begins anew. */
  readonly granted: number;
  readonly throttled: number;
}

/** What a throttled answer leaves of the rate, and the least that several leave of the full one. */
export const DECREASE = 0.7;
export const LEAST_SHARE = 0.05;
/** From nothing to the full rate. */
export const REGROWTH_MS = 120_000;
/** Who waits for longer asks once in between, for turns come earlier when others go away. */
export const LONGEST_PAUSE_MS = 60_000;
/** Who comes so much later than told has lost its place. */
export const GRACE_MS = 3_000;
/** So many wait for the tokens of one bucket at most. */
export const WAITING_LIMIT = 2_000;
export const TICKET_LIMIT = 200;
/** A bucket that nobody asks is full again long before. */
export const BUCKET_KEEP_MS = 3_600_000;
/** How long a bucket is listed. */
export const LISTED_MS = 24 * 3_600_000;
export const BUCKETS_LISTED = 1_000;
/** Urgencies are 0 to 9. */
export const URGENCY_COUNT = 10;
/** A token is whole when it lacks no more than this: times and sums of fractions are rounded. */
export const ROUNDING = 1e-6;

/** Names the bucket: in keys, and where buckets are listed. */
export function bucketName({ account, region, action }: BudgetBucket): string {
  return `${account}/${region}/${action}`;
}

export function bucketNamed(name: string): BudgetBucket {
  const [account = "", region = "", action = ""] = name.split("/");
  return { account, region, action };
}
