import { coerceError } from "../errors.ts";
import type { Telemetry } from "../manager/index.ts";

/**
 * Ends the process with 1 at an exception or rejection that nobody caught: memory may be wrong then, the state on disk
 * is right, and the supervisor starts enid anew. What happened is logged first.
 */
export function exitOnCrash(telemetry: Pick<Telemetry, "event">): void {
  process.on("uncaughtException", (err, origin) => {
    const message = `crashed: ${coerceError(err).message}`;
    telemetry.event({ name: "crashed", level: "error", message, fields: { origin, err } });
    process.exit(1);
  });
}
