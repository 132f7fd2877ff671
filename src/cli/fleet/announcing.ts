import { hostname } from "node:os";
import type { Clock } from "../../adapters/index.ts";
import type { NodeDocument } from "../../fleet/index.ts";
import type { Manager } from "../../manager/index.ts";
import type { NodeTelemetry } from "../../telemetry/index.ts";
import { VERSION } from "../version.ts";
import { nodeDocument } from "./node-document.ts";

/** What the daemon says of its node in the registry of the fleet, made anew each time it is asked for. */
export function documentOf(
  manager: Pick<Manager, "status">,
  telemetry: Pick<NodeTelemetry, "recentCalls">,
  clock: Clock,
): () => NodeDocument | undefined {
  const hostName = hostname();
  return () =>
    nodeDocument(manager.status(), {
      version: VERSION,
      hostName,
      calls: telemetry.recentCalls(),
      nowMs: clock.nowMs(),
    });
}
