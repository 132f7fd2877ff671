import { type Settings, selectionOf } from "../configuration/index.ts";
import type { PermissionSettings } from "../providers/aws/index.ts";

/** What of the settings decides which permissions a node needs. */
export function permissionSettings(settings: Settings): PermissionSettings {
  return {
    selection: selectionOf(settings),
    families: settings.values["ip-families"],
    clusterName: settings.values["cluster-name"],
    primaryCarriesPods: settings.values["first-interface-index"] === 0,
    parksInReservations: settings.values["fixed-parking"] === "reservation",
  };
}
