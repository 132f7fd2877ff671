/**
 * Facts of the fleet and whose turn it is to fetch each. A turn is a lease with a token; what is written counts only under
 * the newest token. The age of a fact is counted from when its turn began: it is never younger than it says.
 */
export interface FactStore {
  /** The fact if it is young enough, else whose turn it is. */
  read(question: FactQuestion): Promise<FactAnswer>;
  /** The fact as fetched in that turn; it ends the turn. False: somebody else has had a turn since, or nothing is known of it. */
  write(fact: FetchedFact): Promise<boolean>;
  /**
   * The turn ends without a fact: whoever asks next has it. With `unsharedMs` nobody has for so long: the fact is no thing
   * to be shared.
   */
  giveBack(turn: FactTurn, unsharedMs: number): Promise<void>;
}

export interface FactQuestion {
  readonly name: string;
  /** Who asks: one process. */
  readonly asker: string;
  /** Oldest that will do. */
  readonly maxAgeMs: number;
  /** How long the turn is, should the asker have it. */
  readonly turnMs: number;
  /** The asker fetches it whoever else does. */
  readonly takesOver: boolean;
}

export type FactAnswer =
  | { readonly kind: "fact"; readonly json: string; readonly ageMs: number }
  /** The asker is to fetch it. */
  | { readonly kind: "turn"; readonly token: number }
  /** Somebody fetches it; it is worth asking again after `retryMs`. */
  | { readonly kind: "wait"; readonly token: number; readonly retryMs: number }
  | { readonly kind: "unshared" };

export interface FactTurn {
  readonly name: string;
  readonly asker: string;
  readonly token: number;
}

export interface FetchedFact extends FactTurn {
  readonly json: string;
  /** How long it is kept. */
  readonly keepMs: number;
}

/** Facts that are kept at once; those that end soonest make room. */
export const FACTS_MOST = 512;
/** Of all of them together. */
export const FACTS_BYTES_MOST = 64 * 1_024 * 1_024;

/** A fetch of which nothing is known takes about so long. */
export const FETCH_GUESS_MS = 250;
/** Nobody asks again sooner or later than this. */
export const RETRY_LEAST_MS = 25;
export const RETRY_MOST_MS = 2_000;

/** What is known of a fact whose turn and time are over is forgotten after this: until then a late write still counts. */
export const FACT_FORGOTTEN_MS = 60_000;

/** Ages go wrong where the store's clock was set back: what is of later than now says nothing. */
export interface FactRecord {
  /** Of the newest turn. */
  readonly token: number;
  readonly asker: string;
  readonly begunAtMs: number;
  /** 0 = no turn. */
  readonly turnUntilMs: number;
  /** When the turn began in which it was fetched. */
  readonly bornAtMs: number;
  /** How long that took. */
  readonly tookMs: number;
  /** 0 = there is none. */
  readonly keptUntilMs: number;
  readonly unsharedUntilMs: number;
  readonly bytes: number;
}
