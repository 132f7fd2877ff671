import type { Scheduler } from "../engine/index.ts";
import type { SimulatedCloud } from "../index.ts";
import type { AddressTime } from "../kubelet/index.ts";
import type { Daemon } from "./daemon.ts";
import type { Machine } from "./machine.ts";
import type { SeedOutcome } from "./outcome.ts";

type Measured = Pick<
  SeedOutcome,
  "ec2Calls" | "throttledCalls" | "readySeconds" | "timeToAddressMs" | "podsServed" | "podsWaited" | "idleAddresses"
>;

/** From one look at idle addresses to the next. */
const SAMPLE_MS = 60_000;

/** The figures of a world. */
export class Measures {
  readonly #machines: readonly Machine[];
  readonly #scheduler: Scheduler;
  readonly #timesMs: number[] = [];
  readonly #readySeconds: number[] = [];
  #waited = 0;
  #samples = 0;
  #idleSum = 0;
  #idlePeak = 0;

  constructor(machines: readonly Machine[], scheduler: Scheduler) {
    this.#machines = machines;
    this.#scheduler = scheduler;
    this.#sampleLater();
  }

  addressed({ tookMs, waited }: AddressTime): void {
    this.#timesMs.push(tookMs);
    if (waited) this.#waited += 1;
  }

  /** Something happened on the machine: it may have become ready. */
  looked(machine: Machine): void {
    const { daemon } = machine;
    if (machine.readyAfterMs !== undefined || daemon === undefined || !daemon.up) return;
    if (!isReady(daemon)) return;
    machine.readyAfterMs = this.#scheduler.nowMs() - machine.launchedAtMs;
    this.#readySeconds.push(machine.readyAfterMs / 1_000);
  }

  outcome(cloud: SimulatedCloud): Measured {
    const counts = Object.entries(cloud.log.counts());
    return {
      ec2Calls: Object.fromEntries(counts.map(([action, { requests }]) => [action, requests])),
      throttledCalls: counts.reduce((sum, [, { throttled }]) => sum + throttled, 0),
      readySeconds: this.#readySeconds,
      timeToAddressMs: this.#timesMs,
      podsServed: this.#timesMs.length,
      podsWaited: this.#waited,
      idleAddresses: { mean: this.#samples === 0 ? 0 : this.#idleSum / this.#samples, peak: this.#idlePeak },
    };
  }

  #sampleLater(): void {
    this.#scheduler.after(SAMPLE_MS, () => {
      let idle = 0;
      for (const { daemon } of this.#machines) if (daemon?.up) idle += daemon.idleAddresses();
      this.#samples += 1;
      this.#idleSum += idle;
      this.#idlePeak = Math.max(this.#idlePeak, idle);
      this.#sampleLater();
    });
  }
}

/** The reason is not read, so its stack trace, which is most of what it costs, is not taken. */
function isReady({ manager }: Daemon): boolean {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return manager.notReady() === undefined;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
