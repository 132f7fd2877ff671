import type { Clock } from "../../adapters/index.ts";
import type { SettingValues } from "../../configuration/index.ts";
import { coerceError, EnidError } from "../../errors.ts";
import type { FleetStore } from "../../fleet/index.ts";
import { daemonClient } from "../client.ts";
import { type FlagDefinition, JSON_FLAG, SOCKET_FLAG } from "../command.ts";
import type { DaemonStatus } from "../control-routes.ts";

/** How every command of the fleet finds it. */
export const FLEET_FLAGS = {
  configuration: {
    type: "string",
    value: "FILE",
    help: "A configuration whose section fleet names the servers. Without it the daemon on --socket is asked which fleet it is in.",
    env: "ENID_CONFIGURATION",
    alias: "read-eni-configuration",
  },
  socket: SOCKET_FLAG,
  json: JSON_FLAG,
} as const satisfies Record<string, FlagDefinition>;

export interface FleetAccess {
  readonly configuration: string | undefined;
  readonly socket: string;
}

export interface OpenFleet {
  readonly store: FleetStore;
  /** Of the file, or of the daemon. */
  readonly values: SettingValues;
}

/**
 * Opens the fleet's store for `use`, and closes it whatever comes of that.
 *
 * @throws EnidError ENID_FLEET_NONE when no fleet is configured, ENID_CONFIG_*, ENID_FLEET_AWAY, and what `use` throws.
 */
export async function withFleet<Outcome>(
  access: FleetAccess,
  clock: Clock,
  use: (fleet: OpenFleet) => Promise<Outcome>,
): Promise<Outcome> {
  const values = await valuesOf(access, clock);
  const { openFleetStore } = await import("../fleet.ts");
  const store = await openFleetStore(values);
  if (store === undefined) {
    const asked = access.configuration ?? `the daemon on ${access.socket}`;
    throw new EnidError("ENID_FLEET_NONE", { detail: `${asked} names no servers ("redis" in "fleet")` });
  }
  try {
    return await use({ store, values });
  } finally {
    await store.close();
  }
}

async function valuesOf({ configuration, socket }: FleetAccess, clock: Clock): Promise<SettingValues> {
  if (configuration !== undefined) {
    const { effectiveSettings, readConfigurationFile } = await import("../../configuration/index.ts");
    return effectiveSettings(await readConfigurationFile(configuration), {}).values;
  }
  try {
    const status = await daemonClient(socket, clock).request<DaemonStatus>("GET", "/v1/status");
    return status.settings.values;
  } catch (thrown) {
    const error = coerceError(thrown);
    if (error.code !== "ENID_DAEMON_UNREACHABLE") throw error;
    const detail = `no --configuration names a file, and no daemon answers on ${socket}`;
    throw new EnidError("ENID_FLEET_NONE", { detail }, { cause: error });
  }
}
