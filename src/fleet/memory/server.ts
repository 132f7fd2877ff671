import { type Clock, sleep } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";

/** The data as one step sees it. Values are plain JSON and never shared with the caller. */
export interface Database {
  /** The server's own time, wall ms. */
  readonly nowMs: number;
  /** Names the server's process: another one after a fail-over or a restart, as Redis's `run_id`. */
  readonly run: string;
  get<Value>(key: string): Value | undefined;
  /** Without `ttlMs` it stays. */
  put(key: string, value: unknown, ttlMs?: number): void;
  remove(key: string): void;
  /** How many keys begin so. */
  count(prefix: string): number;
  /** Keys that begin so, in order, with their values. */
  entries<Value>(prefix: string): readonly (readonly [string, Value])[];
}

interface Entry {
  readonly json: string;
  readonly untilMs: number;
}

interface Undo {
  readonly atMs: number;
  readonly key: string;
  readonly before: Entry | undefined;
}

export interface MemoryServerOptions {
  /** The server's. */
  readonly clock: Clock;
  /** There and back; drawn for each step. Absent = 0. */
  readonly latencyMs?: () => number;
}

/** What of a client's way to the server is cut: all of it, or requests arrive and their answers do not. */
export type CutOff = "both" | "answers";

/** The way of one client's steps, where that is more than its clock. */
export interface MemoryWay {
  /** How long an answer is waited for. 1,000 if absent. */
  readonly limitMs?: number;
  /** Carries what was sent, also when the process that sent it has died. The client's clock if absent. */
  readonly flight?: Clock;
  /** Called before a step is sent, and when its answer has come. */
  readonly moment?: () => void;
}

/** How far back a fail-over can lose writes. */
const UNDO_MS = 60_000;

/** One simulated Redis: steps are atomic, data has a time to live, and it can go away, lose writes and be cut off. */
export class MemoryServer {
  readonly #options: MemoryServerOptions;
  readonly #data = new Map<string, Entry>();
  readonly #cutOff = new Map<string, CutOff>();
  #undo: Undo[] = [];
  #isDown = false;
  #run = 1;

  constructor(options: MemoryServerOptions) {
    this.#options = options;
  }

  /** A connection to it. `clock` is the client's: when it stands still, nothing is heard any more. */
  client(name: string, clock: Clock, way: MemoryWay = {}): MemoryClient {
    return new MemoryClient(this, name, clock, way);
  }

  /** Nobody reaches it, or everybody does again; it keeps its data. */
  down(isDown: boolean): void {
    this.#isDown = isDown;
  }

  /** That client does not reach it, or does again. */
  cutOff(client: string, isCutOff: boolean, what: CutOff = "both"): void {
    if (isCutOff) this.#cutOff.set(client, what);
    else this.#cutOff.delete(client);
  }

  /** Whether what the client sends arrives. */
  hears(client: string): boolean {
    return !this.#isDown && this.#cutOff.get(client) !== "both";
  }

  /** Whether the client gets answers. */
  reaches(client: string): boolean {
    return !this.#isDown && !this.#cutOff.has(client);
  }

  latencyMs(): number {
    return this.#options.latencyMs?.() ?? 0;
  }

  /** A replica takes over that had not heard of the last writes. */
  failOver(lostMs: number): void {
    this.#run += 1;
    const sinceMs = this.#options.clock.nowMs() - lostMs;
    for (const { atMs, key, before } of this.#undo.reverse()) {
      if (atMs < sinceMs) continue;
      if (before === undefined) this.#data.delete(key);
      else this.#data.set(key, before);
    }
    this.#undo = [];
  }

  /** A restart without anything on its disk. */
  loseEverything(): void {
    this.#run += 1;
    this.#data.clear();
    this.#undo = [];
  }

  /** One atomic step, now. */
  carryOut<Output>(step: (database: Database) => Output): Output {
    const nowMs = this.#options.clock.nowMs();
    this.#forget(nowMs - UNDO_MS);
    const data = this.#data;
    const live = (key: string): Entry | undefined => {
      const entry = this.#data.get(key);
      return entry !== undefined && entry.untilMs > nowMs ? entry : undefined;
    };
    const change = (key: string, entry: Entry | undefined) => {
      this.#undo.push({ atMs: nowMs, key, before: this.#data.get(key) });
      if (entry === undefined) this.#data.delete(key);
      else this.#data.set(key, entry);
    };
    return step({
      nowMs,
      run: `run-${this.#run}`,
      get: (key) => parsed(live(key)),
      put: (key, value, ttlMs = Number.POSITIVE_INFINITY) =>
        change(key, { json: JSON.stringify(value), untilMs: nowMs + ttlMs }),
      remove: (key) => change(key, undefined),
      count(prefix) {
        let count = 0;
        for (const [key, { untilMs }] of data) if (untilMs > nowMs && key.startsWith(prefix)) count++;
        return count;
      },
      entries: (prefix) =>
        [...this.#data.keys()]
          .filter((key) => key.startsWith(prefix) && live(key) !== undefined)
          .sort()
          .map((key) => [key, parsed(live(key)) as never] as const),
    });
  }

  /** What is older cannot be undone any more: in order of time, and many at once. */
  #forget(beforeMs: number): void {
    const oldest = this.#undo[0];
    if (oldest === undefined || oldest.atMs >= beforeMs - UNDO_MS) return;
    this.#undo = this.#undo.filter(({ atMs }) => atMs >= beforeMs);
  }
}

/** The connection of one node. */
export class MemoryClient {
  readonly name: string;
  readonly #server: MemoryServer;
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #flight: Clock;
  readonly #moment: () => void;
  readonly #listeners = new Set<() => void>();
  #connected = true;
  #sinceMs: number;

  constructor(
    server: MemoryServer,
    name: string,
    clock: Clock,
    { limitMs = 1_000, flight = clock, moment }: MemoryWay,
  ) {
    this.name = name;
    this.#server = server;
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#flight = flight;
    this.#moment = moment ?? (() => undefined);
    this.#sinceMs = clock.nowMs();
  }

  /** @throws EnidError ENID_FLEET_AWAY when the server is not reached on the way there or back; the step may be done then. */
  async run<Output>(step: (database: Database) => Output): Promise<Output> {
    const latencyMs = this.#server.latencyMs();
    this.#moment();
    const output = latencyMs > 0 ? await this.#travel(step, latencyMs / 2) : await this.#atOnce(step);
    this.#be(true);
    this.#moment();
    return output;
  }

  condition() {
    return {
      connected: this.#connected,
      sinceMs: this.#sinceMs,
      because: this.#connected ? "" : `no answer within ${this.#limitMs} ms`,
    };
  }

  watch(changed: () => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  async #atOnce<Output>(step: (database: Database) => Output): Promise<Output> {
    const isHeard = this.#server.hears(this.name);
    if (isHeard && this.#server.reaches(this.name)) return this.#server.carryOut(step);
    if (isHeard) this.#server.carryOut(step);
    await sleep(this.#clock, this.#limitMs);
    throw this.#away();
  }

  /** The step is on its way, whatever becomes of who sent it; its answer is waited for as long as the limit says. */
  #travel<Output>(step: (database: Database) => Output, wayMs: number): Promise<Output> {
    const { promise, resolve, reject } = Promise.withResolvers<Output>();
    const giveUp = this.#clock.after(this.#limitMs, () => reject(this.#away()));
    this.#flight.after(wayMs, () => {
      if (!this.#server.hears(this.name)) return;
      const end = this.#carriedOut(step, resolve, reject);
      // On the client's own clock: a process that has died hears nothing.
      this.#clock.after(wayMs, () => {
        if (!this.#server.reaches(this.name)) return;
        giveUp();
        end();
      });
    });
    return promise;
  }

  #carriedOut<Output>(
    step: (database: Database) => Output,
    resolve: (output: Output) => void,
    reject: (thrown: unknown) => void,
  ): () => void {
    try {
      const output = this.#server.carryOut(step);
      return () => resolve(output);
    } catch (thrown) {
      return () => reject(thrown);
    }
  }

  #away(): EnidError {
    this.#be(false);
    return new EnidError("ENID_FLEET_AWAY", { detail: `no answer within ${this.#limitMs} ms` });
  }

  #be(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    this.#sinceMs = this.#clock.nowMs();
    for (const listener of this.#listeners) listener();
  }
}

function parsed<Value>(entry: Entry | undefined): Value | undefined {
  return entry === undefined ? undefined : JSON.parse(entry.json);
}
