import type { Cancel, Clock } from "../../adapters/index.ts";
import type { Telemetry } from "../../manager/ports/index.ts";
import type { Host } from "./host.ts";
import { MONITOR_ARGUMENTS } from "./notices.ts";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** A monitor that ran for as long is not the one that ended at once. */
const LIVED_MS = 10_000;

export interface MonitorOptions {
  readonly host: Host;
  readonly clock: Clock;
  readonly telemetry: Pick<Telemetry, "event">;
  readonly line: (line: string) => void;
  readonly ended: () => void;
  /** It runs again after it did not: notices may have been missed. */
  readonly restarted: () => void;
}

/** `ip monitor`, begun again whenever it ends, after a pause that doubles while it ends at once. */
export class Monitor {
  readonly #options: MonitorOptions;
  #cancel: Cancel | undefined;
  #running = false;
  #pauseMs = FIRST_PAUSE_MS;

  constructor(options: MonitorOptions) {
    this.#options = options;
  }

  get running(): boolean {
    return this.#running;
  }

  start(): void {
    if (this.#cancel === undefined) this.#begin();
  }

  stop(): void {
    this.#cancel?.();
    this.#running = false;
  }

  #begin(): void {
    const { host, clock, line } = this.#options;
    const sinceMs = clock.monotonicMs();
    this.#running = true;
    this.#cancel = host.follow("ip", MONITOR_ARGUMENTS, { line, ended: (why) => this.#again(why, sinceMs) });
  }

  #again(why: string, sinceMs: number): void {
    const { clock, telemetry, ended, restarted } = this.#options;
    this.#running = false;
    if (clock.monotonicMs() - sinceMs >= LIVED_MS) this.#pauseMs = FIRST_PAUSE_MS;
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
    telemetry.event({
      name: "host-routes-monitor-ended",
      level: "warn",
      message: `ip monitor: ${why}; started again in ${pauseMs / 1_000} s, the host routes are looked at more often until then`,
      fields: { why, pauseMs },
    });
    ended();
    this.#cancel = clock.after(pauseMs, () => {
      this.#begin();
      restarted();
    });
  }
}
