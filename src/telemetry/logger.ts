import { type DestinationStream, type Logger, pino } from "pino";
import type { Clock } from "../adapters/index.ts";
import { maskSecrets, safeFields } from "./secrets.ts";

export type { Logger } from "pino";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  readonly clock: Clock;
  readonly level: LogLevel;
  /** Where lines go; see `standardError`. */
  readonly stream: DestinationStream;
}

/** A pino logger of JSON lines: ISO time, level as a word, `msg`, the fields; nothing secret passes it. */
export function createLogger({ clock, level, stream }: LoggerOptions): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date(clock.nowMs()).toISOString()}"`,
      // Errors are already plain when a serializer sees them; pino's own would drop the cause.
      serializers: { err: (error: unknown) => error },
      formatters: {
        level: (label) => ({ level: label }),
        log: safeFields,
      },
      hooks: { streamWrite: maskSecrets },
    },
    stream,
  );
}

/** Lines that wait for a reader that does not read; beyond it they are dropped: the datapath never waits for a log. */
const BUFFER_LIMIT_BYTES = 4 * 1024 * 1024;

/**
 * Standard error as a destination: readable lines on a terminal, JSON otherwise. Both write in this process (no worker
 * thread) and flush when it exits.
 */
export async function standardError(isTerminal: boolean): Promise<DestinationStream> {
  if (!isTerminal) return pino.destination({ dest: 2, sync: false, maxLength: BUFFER_LIMIT_BYTES });
  // Loaded only here: a daemon under systemd or Kubernetes never needs it.
  const { default: pretty } = await import("pino-pretty");
  return pretty({ destination: 2, sync: true, colorize: true, translateTime: "SYS:HH:MM:ss.l", ignore: "event" });
}
