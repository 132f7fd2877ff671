import type { Scheduler } from "../engine/index.ts";
import type { SimulatedCloud } from "../index.ts";
import type { CallCounter } from "./calls.ts";
import type { PlacedSubnet } from "./description.ts";
import type { Fleet } from "./fleet.ts";
import type { AddressLedger } from "./ledger.ts";
import type { Sample } from "./outcome.ts";

/** Odd, as every limit here: then the last sample of a full series stays when every second one goes. */
const MOST_SAMPLES = 1_999;
/** Every sample asks every node: so many questions are a second of work. */
const MOST_QUESTIONS = 1_000_000;
const LEAST_SAMPLES = 101;
const FINEST_MS = 1_000;

export interface SamplerOptions {
  readonly scheduler: Scheduler;
  readonly cloud: SimulatedCloud;
  readonly fleet: Fleet;
  readonly ledger: AddressLedger;
  readonly calls: CallCounter;
  readonly subnets: readonly PlacedSubnet[];
  /** After each sample. */
  readonly onSample: () => void;
}

/**
 * Looks at the whole fleet at even distances of virtual time. How long a run takes is not known before it ends: it begins
 * with one look a second, and whenever the series is full, every second sample goes and the distance doubles.
 */
export class Sampler {
  readonly leastFree: number[];
  idlePeak = 0;
  readonly #options: SamplerOptions;
  readonly #limit: number;
  #series: Sample[] = [];
  #distanceMs = FINEST_MS;
  #idleMs = 0;
  #idle = 0;
  #lastMs = 0;
  #calls = 0;
  #throttled = 0;

  constructor(options: SamplerOptions) {
    this.#options = options;
    const affordable = 2 * Math.floor(MOST_QUESTIONS / Math.max(1, options.fleet.nodeCount) / 2) + 1;
    this.#limit = Math.min(MOST_SAMPLES, Math.max(LEAST_SAMPLES, affordable));
    this.leastFree = options.subnets.map(({ size }) => size);
  }

  get series(): readonly Sample[] {
    return this.#series;
  }

  /** Over time. */
  get idleMean(): number {
    return this.#lastMs === 0 ? this.#idle : this.#idleMs / this.#lastMs;
  }

  begin(): void {
    this.sample();
    this.#next();
  }

  /** A look now; also the last one of a run. */
  sample(): void {
    const { scheduler, fleet, ledger, calls, onSample } = this.#options;
    const atMs = scheduler.elapsedMs();
    this.#idleMs += this.#idle * (atMs - this.#lastMs);
    this.#lastMs = atMs;
    this.#idle = fleet.nodes.reduce((sum, node) => sum + node.idleAddresses(), 0);
    this.idlePeak = Math.max(this.idlePeak, this.#idle);
    const atSeconds = atMs / 1_000;
    // The end of a run may be the moment of a sample: this one takes its place.
    const same = this.#series.at(-1)?.atSeconds === atSeconds ? this.#series.pop() : undefined;
    this.#series.push({
      atSeconds,
      readyNodes: fleet.readyNodes,
      heldAddresses: this.#idle + ledger.used,
      usedAddresses: ledger.used,
      waitingPods: fleet.waitingPods,
      calls: calls.total - this.#calls + (same?.calls ?? 0),
      throttledCalls: calls.throttled - this.#throttled + (same?.throttledCalls ?? 0),
      freeInSubnets: this.#lookAtSubnets(),
    });
    this.#calls = calls.total;
    this.#throttled = calls.throttled;
    onSample();
  }

  #next(): void {
    this.#options.scheduler.after(this.#distanceMs, () => {
      this.sample();
      if (this.#series.length >= this.#limit) {
        this.#series = halved(this.#series);
        this.#distanceMs *= 2;
      }
      this.#next();
    });
  }

  #lookAtSubnets(): number {
    const { cloud, subnets } = this.#options;
    let sum = 0;
    for (const [at, { id, size }] of subnets.entries()) {
      const free = cloud.freeAddressesOf(id);
      this.leastFree[at] = Math.min(this.leastFree[at] ?? size, free);
      sum += free;
    }
    return sum;
  }
}

/** Every second sample, the first one of all among them; the calls of those that go are added to the next. */
export function halved(series: readonly Sample[]): Sample[] {
  const kept: Sample[] = [];
  let calls = 0;
  let throttledCalls = 0;
  for (const [at, sample] of series.entries()) {
    calls += sample.calls;
    throttledCalls += sample.throttledCalls;
    if (at % 2 === 1) continue;
    kept.push({ ...sample, calls, throttledCalls });
    calls = 0;
    throttledCalls = 0;
  }
  return kept;
}
