import type { Clock, Random } from "../../adapters/index.ts";
import type { Reach, Telemetry } from "../../manager/ports/index.ts";
import type { Host } from "./host.ts";
import { HostRoutes } from "./host-routes.ts";
import { linuxHost } from "./linux-host.ts";

export { type CleanupItem, type CleanupKnowledge, type CleanupPlan, cleanUp, planCleanup } from "./cleanup.ts";
export type { Host, Output, Program } from "./host.ts";
export { type LinuxHostOptions, linuxHost } from "./linux-host.ts";

export interface HostRoutesSetup {
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Pick<Telemetry, "event">;
  /** Absent = the node that this process runs on. */
  readonly host?: Host;
}

/** Host routes on AWS: it does nothing on a node whose interfaces have no MAC, that is, on-premises. */
export function createHostRoutes({ host, ...options }: HostRoutesSetup): Reach {
  return new HostRoutes({ ...options, host: host ?? linuxHost({ clock: options.clock }) });
}
