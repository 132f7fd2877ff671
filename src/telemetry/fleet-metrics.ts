import { Counter, Gauge, type Registry } from "prom-client";
import type { StatusReport } from "../manager/index.ts";

/** What the node says of its fleet; without one nothing but that no setting comes from it. */
export function fleetMetrics(registry: Registry): (status: StatusReport) => void {
  const registers = [registry];
  const connected = new Gauge({
    name: "enid_fleet_connected",
    help: "1 while the fleet's store answers; no sample on a node without a fleet. At 0 the node goes on alone: `enid status` says why, docs/fleet.md what that means.",
    labelNames: ["fleet"],
    registers,
  });
  const nodes = new Gauge({
    name: "enid_fleet_nodes",
    help: "Nodes of the fleet when this one heard of them last. Nodes that disagree for longer than a minute: some do not reach the store.",
    labelNames: ["fleet"],
    registers,
  });
  const tasks = new Gauge({
    name: "enid_fleet_task_held",
    help: "1 while this node does the task for the whole fleet. The sum over the fleet is never above 1; at 0 for long: no node reaches the store.",
    labelNames: ["task"],
    registers,
  });
  const facts = new Counter({
    name: "enid_fleet_facts_total",
    help: "Facts read since the start, by how: remembered, shared (another node had fetched it), fetched (for all), alone (for itself), and waits for another node's fetch. Mostly alone: the store is away or was.",
    labelNames: ["how"],
    registers,
  });
  const settings = new Gauge({
    name: "enid_setting_from_fleet",
    help: "1 for each setting that comes from a profile of the fleet. `enid fleet profiles` shows them, and `enid status --settings` what counts here.",
    labelNames: ["setting", "profile"],
    registers,
  });
  return ({ fleet, settings: { origins } }) => {
    for (const metric of [connected, nodes, tasks, facts, settings]) metric.reset();
    for (const [setting, origin] of Object.entries(origins)) {
      if (origin.kind === "fleet") settings.set({ setting, profile: origin.profile }, 1);
    }
    if (fleet === undefined) return;
    connected.set({ fleet: fleet.name }, fleet.connected ? 1 : 0);
    nodes.set({ fleet: fleet.name }, fleet.nodes);
    for (const { task, holds } of fleet.singletons) tasks.set({ task }, holds ? 1 : 0);
    for (const [how, count] of Object.entries(fleet.facts ?? {})) facts.inc({ how }, count);
  };
}
