import type { Clock } from "../../adapters/index.ts";
import { bucketOf, type Parameters, type Result, type SimulatedCloud } from "../index.ts";
import { TokenSchedule } from "./token-schedule.ts";

/** Who goes first: pods that wait, nodes that are not ready, what is wanted ahead, and what nobody waits for. */
export type Urgency = 0 | 1 | 2 | 3;
export const WAITING: Urgency = 0;
export const STARTING: Urgency = 1;
export const AHEAD: Urgency = 2;
export const AT_LEISURE: Urgency = 3;

export interface Wish {
  readonly answer: Promise<Result>;
  /** Moves it forward if it still waits. */
  hurry(urgency: Urgency): void;
}

interface Entry {
  readonly parameters: Parameters;
  readonly resolve: (result: Result) => void;
  readonly reject: (thrown: unknown) => void;
  urgency: Urgency;
  isSent: boolean;
}

/** The calls of one action of the whole fleet. Each reaches EC2 at the very moment at which there is a token for it. */
export class OracleQueue {
  readonly #cloud: SimulatedCloud;
  readonly #clock: Clock;
  readonly #action: string;
  readonly #tokens: TokenSchedule;
  readonly #lanes: readonly [Lane, Lane, Lane, Lane] = [new Lane(), new Lane(), new Lane(), new Lane()];
  #waiting = 0;
  #isTimed = false;

  constructor(cloud: SimulatedCloud, clock: Clock, action: string) {
    this.#cloud = cloud;
    this.#clock = clock;
    this.#action = action;
    const { settings } = cloud;
    const { capacity, refillPerSecond } = bucketOf(action, "mutating", settings);
    this.#tokens = new TokenSchedule(
      settings.throttling
        ? { capacity, refillPerSecond: refillPerSecond * settings.speed }
        : { capacity: 1, refillPerSecond: Number.POSITIVE_INFINITY },
    );
  }

  /** The answer rejects with EC2's SimulatedError; it is never throttled. */
  wish(urgency: Urgency, parameters: Parameters): Wish {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const entry: Entry = { parameters, resolve, reject, urgency, isSent: false };
    this.#lanes[urgency].push(entry);
    this.#waiting += 1;
    this.#time();
    return {
      answer: promise,
      hurry: (sooner) => {
        if (entry.isSent || sooner >= entry.urgency) return;
        entry.urgency = sooner;
        this.#lanes[sooner].push(entry);
      },
    };
  }

  /** Sends the next call so that it arrives together with its token; who that is is decided at that moment. */
  #time(): void {
    if (this.#isTimed || this.#waiting === 0) return;
    this.#isTimed = true;
    const halfMs = this.#cloud.drawLatencyMs(this.#action) / 2;
    const nowMs = this.#clock.monotonicMs();
    const sendMs = this.#tokens.nextMs(nowMs + halfMs) - halfMs;
    this.#clock.after(sendMs - nowMs, () => {
      this.#isTimed = false;
      this.#send(halfMs);
      this.#time();
    });
  }

  #send(halfMs: number): void {
    const entry = this.#next();
    if (entry === undefined) return;
    entry.isSent = true;
    this.#waiting -= 1;
    const nowMs = this.#clock.monotonicMs();
    const arrivesMs = this.#tokens.take(nowMs + halfMs);
    this.#clock.after(arrivesMs - nowMs, () => {
      const settle = this.#perform(entry);
      this.#clock.after(halfMs, settle);
    });
  }

  #perform({ parameters, resolve, reject }: Entry): () => void {
    try {
      const result = this.#cloud.call(this.#action, parameters);
      return () => resolve(result);
    } catch (thrown) {
      return () => reject(thrown);
    }
  }

  #next(): Entry | undefined {
    for (const lane of this.#lanes) {
      // One that was hurried stands in two lanes.
      for (let entry = lane.shift(); entry !== undefined; entry = lane.shift()) if (!entry.isSent) return entry;
    }
    return undefined;
  }
}

/** First in, first out. */
class Lane {
  #entries: Entry[] = [];
  #first = 0;

  push(entry: Entry): void {
    this.#entries.push(entry);
  }

  shift(): Entry | undefined {
    const entry = this.#entries[this.#first];
    if (entry === undefined) return undefined;
    this.#first += 1;
    if (this.#first > 1_000 && this.#first * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
    return entry;
  }
}
