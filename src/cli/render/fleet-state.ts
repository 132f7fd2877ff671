import type { Settings } from "../../configuration/index.ts";
import type { FleetReport } from "../../manager/ports/index.ts";
import type { Output } from "../output.ts";
import { duration, moment, plural } from "./text.ts";

/** The rows of `enid status` on the fleet that the node is of; none without one. */
export function fleetRows(fleet: FleetReport | undefined, nowMs: number, style: Output["style"]): string[][] {
  if (fleet === undefined) return [];
  const { name, servers, nodes } = fleet;
  const known = nodes === 0 ? "number of nodes not known yet" : plural(nodes, "node", "nodes");
  const tasks = fleet.singletons.filter(({ holds }) => holds).map(({ task }) => task);
  return [
    ["fleet", `${name}, ${known}, ${servers.join(", ")}; ${connectionText(fleet, nowMs, style)}`],
    ...(tasks.length === 0 ? [] : [["", `does for all: ${tasks.join(", ")}`]]),
  ];
}

function connectionText({ connected, sinceMs, because }: FleetReport, nowMs: number, style: Output["style"]): string {
  if (connected) return `connected since ${moment(sinceMs)}`;
  const since = sinceMs > 0 ? ` for ${duration(nowMs - sinceMs)}` : "";
  return `${style("red", `AWAY${since}`)}${because === "" ? "" : `: ${because}`}`;
}

/** Which settings come from the fleet's profiles. */
export function profileRows({ values, origins }: Settings): string[][] {
  const parts = Object.entries(origins).flatMap(([name, origin]) =>
    origin.kind === "fleet"
      ? [`${name}=${JSON.stringify(values[name as keyof typeof values])} (${origin.profile})`]
      : [],
  );
  return parts.length === 0 ? [] : [["profiles", parts.join(", ")]];
}
