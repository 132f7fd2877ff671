import { sleep } from "../../adapters/index.ts";
import type { FactsReport, SharedFacts } from "../../manager/ports/index.ts";
import type { FactAnswer } from "../store/facts.ts";
import { FactAccess } from "./fact-access.ts";
import { nameWithin } from "./names.ts";
import type { PartOptions } from "./parts.ts";

/** A turn: a Describe takes a fraction of a second, with all its tries and pauses seldom more than this. */
export const TURN_MS = 10_000;
/** So many turns of others are waited for. */
const TURNS_MOST = 2;
/** Those who wait come back spread over this much more than they were told. */
const SPREAD = 0.5;

/** A fact is kept in the store at least and at most for so long, whatever age its reader asked for. */
const KEEP_LEAST_MS = 60_000;
const KEEP_MOST_MS = 24 * 3_600_000;

/** Longer texts are not shared. */
const FACT_BYTES_MOST = 512 * 1_024;
const UNSHARED_MS = 10 * 60_000;

/** Facts that the process remembers by itself. */
const REMEMBERED_MOST = 64;

interface Known {
  readonly value: unknown;
  /** Monotonic; the fact is not older. */
  readonly bornAtMs: number;
}

interface Flight {
  readonly ended: Promise<void>;
  readonly signal: AbortSignal | undefined;
}

interface Question {
  readonly key: string;
  /** Monotonic; a fact that was born later will do. */
  readonly bornAfterMs: number;
  readonly maxAgeMs: number;
  readonly fetch: () => Promise<unknown>;
  readonly signal: AbortSignal | undefined;
}

/**
 * Facts that one node fetches and all read. A fact that is older than asked for is fetched by whoever has the turn; the
 * others ask again when it is likely to be there. Whatever goes wrong with the store, the fact is fetched here.
 */
export class NodeFacts implements SharedFacts {
  readonly #options: PartOptions;
  readonly #access: FactAccess;
  readonly #known = new Map<string, Known>();
  /** One at a time for each name. */
  readonly #flights = new Map<string, Flight>();
  /** Names of which it was told that they are too large. */
  readonly #tooLarge = new Set<string>();
  readonly #counts = { remembered: 0, shared: 0, fetched: 0, alone: 0, waits: 0 };

  constructor(options: PartOptions) {
    this.#options = options;
    this.#access = new FactAccess(options);
  }

  async read<Fact>(name: string, maxAgeMs: number, fetch: () => Promise<Fact>, signal?: AbortSignal): Promise<Fact> {
    signal?.throwIfAborted();
    const { member, clock } = this.#options;
    const here = member();
    // On-premises, or where STS did not say it, there is no account whose facts could be shared.
    if (here === undefined || here.accountId === "") {
      this.#counts.alone++;
      return fetch();
    }
    const key = nameWithin(here, name);
    const question = { key, bornAfterMs: clock.monotonicMs() - maxAgeMs, maxAgeMs, fetch, signal };
    const known = maxAgeMs > 0 ? await this.#atMost(question) : await this.#fly(question);
    return known.value as Fact;
  }

  report(): FactsReport {
    return { ...this.#counts };
  }

  /** What the process remembers, or is about to know, or brings now. */
  async #atMost(question: Question): Promise<Known> {
    const { key, bornAfterMs, signal } = question;
    for (;;) {
      const known = this.#known.get(key);
      if (known !== undefined && known.bornAtMs >= bornAfterMs) {
        this.#counts.remembered++;
        return known;
      }
      const other = this.#flights.get(key);
      if (other === undefined) return this.#fly(question);
      try {
        await unlessAborted(other.ended, signal);
      } catch (error) {
        // That another caller lost patience says nothing of the fact.
        if (signal?.aborted || !other.signal?.aborted) throw error;
      }
    }
  }

  #fly(question: Question): Promise<Known> {
    const { key, signal } = question;
    const landed = this.#obtain(question).then((known) => this.#remember(key, known));
    const end = () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    const ended = landed.then(end, (error: unknown) => {
      end();
      throw error;
    });
    ended.catch(() => {});
    const flight: Flight = { ended, signal };
    this.#flights.set(key, flight);
    return unlessAborted(landed, signal);
  }

  async #obtain(question: Question): Promise<Known> {
    const { clock, random } = this.#options;
    const { key, bornAfterMs, maxAgeMs, signal } = question;
    const startedAtMs = clock.monotonicMs();
    const holders = new Set<number>();
    for (;;) {
      const askedAtMs = clock.monotonicMs();
      const ageMs = Math.max(0, Math.floor(askedAtMs - bornAfterMs));
      const answer = await this.#access.read(key, ageMs, TURN_MS, maxAgeMs <= 0);
      signal?.throwIfAborted();
      const known = this.#taken(answer, askedAtMs);
      if (known !== undefined) return known;
      if (answer?.kind === "turn") return this.#inTurn(question, answer.token);
      if (answer?.kind !== "wait") return this.#alone(question);
      holders.add(answer.token);
      const waitedMs = clock.monotonicMs() - startedAtMs;
      if (holders.size > TURNS_MOST || waitedMs > TURNS_MOST * TURN_MS) return this.#alone(question);
      this.#counts.waits++;
      await sleep(clock, answer.retryMs * (1 + SPREAD * random.fraction()), signal);
    }
  }

  /** The fact of an answer; undefined when there is none in it, or none that can be read. */
  #taken(answer: FactAnswer | undefined, askedAtMs: number): Known | undefined {
    if (answer?.kind !== "fact") return undefined;
    try {
      const value: unknown = JSON.parse(answer.json);
      this.#counts.shared++;
      // Counted from before the request: it may be that much younger, never older.
      return { value, bornAtMs: askedAtMs - answer.ageMs };
    } catch {
      return undefined;
    }
  }

  async #alone({ fetch }: Question): Promise<Known> {
    this.#counts.alone++;
    const bornAtMs = this.#options.clock.monotonicMs();
    return { value: await fetch(), bornAtMs };
  }

  /** Nobody waits for what is told to the store. */
  async #inTurn({ key, maxAgeMs, fetch }: Question, token: number): Promise<Known> {
    this.#counts.fetched++;
    const bornAtMs = this.#options.clock.monotonicMs();
    let value: unknown;
    try {
      value = await fetch();
    } catch (error) {
      void this.#access.giveBack(key, token, 0);
      throw error;
    }
    const json: string | undefined = JSON.stringify(value);
    const bytes = json === undefined ? 0 : Buffer.byteLength(json);
    if (bytes > 0 && bytes <= FACT_BYTES_MOST) {
      const keepMs = Math.min(KEEP_MOST_MS, Math.max(KEEP_LEAST_MS, maxAgeMs));
      void this.#access.write(key, token, json, Math.ceil(keepMs));
    } else {
      void this.#access.giveBack(key, token, UNSHARED_MS);
      this.#tellTooLarge(key, bytes);
    }
    return { value, bornAtMs };
  }

  #tellTooLarge(key: string, bytes: number): void {
    if (this.#tooLarge.has(key) || this.#tooLarge.size >= REMEMBERED_MOST) return;
    this.#tooLarge.add(key);
    this.#options.telemetry.event({
      name: "fact-not-shared",
      level: "warn",
      message: `${key} takes ${bytes} bytes, of which the fleet shares ${FACT_BYTES_MOST}: each node asks for it by itself`,
      fields: { fact: key, bytes },
    });
  }

  #remember(key: string, known: Known): Known {
    this.#known.delete(key);
    this.#known.set(key, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > REMEMBERED_MOST && oldest !== undefined) this.#known.delete(oldest);
    return known;
  }
}

/** One who stops waiting takes nothing from the others. */
function unlessAborted<Output>(shared: Promise<Output>, signal: AbortSignal | undefined): Promise<Output> {
  if (signal === undefined) return shared;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    shared.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
