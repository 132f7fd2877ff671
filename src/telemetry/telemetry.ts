import { Gauge, Registry } from "prom-client";
import type { Clock } from "../adapters/index.ts";
import type { EnidEvent, Telemetry } from "../manager/ports/index.ts";
import { callMetrics } from "./call-metrics.ts";
import { CallTally } from "./call-tally.ts";
import { EventRing, type RecordedEvent } from "./event-ring.ts";
import type { Logger } from "./logger.ts";
import { processMetrics } from "./process-metrics.ts";
import { statusMetrics, type TelemetrySource } from "./status-metrics.ts";

export interface TelemetryOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly version: string;
}

/** The telemetry of one daemon: the port the rooms speak to, and what the operator reads. */
export interface NodeTelemetry extends Telemetry {
  readonly registry: Registry;
  /** From now on the gauges are computed from `source` at each scrape. */
  watch(source: TelemetrySource): void;
  /** What `watch` was given. */
  source(): TelemetrySource | undefined;
  /** The latest events but those of level debug, oldest first. */
  recent(limit: number): readonly RecordedEvent[];
  /** Attempts of cloud calls in the last 5 minutes, by action. */
  recentCalls(): Readonly<Record<string, number>>;
  /** All metrics in Prometheus' text format. */
  scrape(): Promise<string>;
}

/** Events kept for `enid status --events`; at about 300 bytes each. */
export const EVENTS_KEPT = 512;

/**
 * Turns what the rooms tell into log lines, metrics and the ring of events. An event is one log line and one count; a
 * cloud call is a debug line (a warning when it failed), a count and a duration; a served verb is a duration.
 */
export function createTelemetry({ clock, logger, version }: TelemetryOptions): NodeTelemetry {
  const registry = new Registry();
  const calls = callMetrics(registry);
  const refreshStatus = statusMetrics(registry);
  const refreshProcess = processMetrics(registry, clock);
  const ring = new EventRing(EVENTS_KEPT);
  const tally = new CallTally();
  let watched: TelemetrySource | undefined;
  new Gauge({
    name: "enid_build_info",
    help: "Always 1; the labels say which enid on which Node.js this is.",
    labelNames: ["version", "node_version"],
    registers: [registry],
  }).set({ version, node_version: process.version }, 1);
  return {
    registry,
    event(event: EnidEvent) {
      logger[event.level]({ event: event.name, ...event.fields }, event.message);
      calls.event(event.name, event.fields);
      if (event.level !== "debug") ring.add({ ...event, atMs: clock.nowMs() });
    },
    cloudCall({ action, code, durationMs, requestId, waitedMs = 0 }) {
      calls.cloudCall(action, code, durationMs, waitedMs);
      tally.add(action, clock.monotonicMs());
      const level = code === "ok" ? "debug" : "warn";
      logger[level]({ action, code, durationMs: Math.round(durationMs), requestId }, `${action} ${code}`);
    },
    served(verb, outcome, durationMs) {
      calls.served(verb, outcome, durationMs);
    },
    watch(source) {
      watched = source;
    },
    source: () => watched,
    recent: (limit) => ring.latest(limit),
    recentCalls: () => tally.lately(clock.monotonicMs()),
    scrape() {
      refreshProcess();
      if (watched !== undefined) refreshStatus(watched, clock.nowMs());
      return registry.metrics();
    },
  };
}
