export type { RecordedEvent } from "./event-ring.ts";
export { healthRoutes, LOOP_AGE_LIMIT_MS } from "./health-routes.ts";
export { createLogger, LOG_LEVELS, type Logger, type LogLevel, standardError } from "./logger.ts";
export { metricsTable } from "./metrics-table.ts";
export type { TelemetrySource } from "./status-metrics.ts";
export { createTelemetry, EVENTS_KEPT, type NodeTelemetry, type TelemetryOptions } from "./telemetry.ts";
