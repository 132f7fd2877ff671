import { NODE_KINDS } from "../../manager/ports/index.ts";
import { defineCommand, type FlagDefinition } from "../command.ts";
import { filterNodes, type ListedNode, readNodes, subnetsOf, TOP_BY, type TopBy, topNodes } from "../fleet/nodes.ts";
import { FLEET_FLAGS, withFleet } from "../fleet/session.ts";
import { renderNodes, renderSubnets } from "../render/fleet.ts";

const NODES_SHOWN = 50;
const TOP_SHOWN = 10;

const ZONE_FLAG = { type: "string", value: "ZONE", help: "Only nodes of that availability zone." } as const;
const KIND_FLAG = {
  type: "string",
  value: "KIND",
  help: "Only nodes of that kind.",
  oneOf: NODE_KINDS,
} as const satisfies FlagDefinition;
const limitFlag = (standard: number) =>
  ({
    type: "number",
    value: "N",
    help: `At most so many; ${standard} when absent, and all with --json.`,
    range: [1, 20_000],
  }) as const satisfies FlagDefinition;

export const fleetNodes = defineCommand({
  name: "fleet nodes",
  description:
    "Lists the nodes of the fleet: each says about every ten seconds what it has, and is gone from the list when it has not\nfor 45 seconds. Nodes with another IPAM are there when something announces them (`enid fleet announce`).",
  positionals: "",
  positionalCount: [0, 0],
  flags: {
    ...FLEET_FLAGS,
    limit: limitFlag(NODES_SHOWN),
    zone: ZONE_FLAG,
    kind: KIND_FLAG,
    degraded: { type: "boolean", help: "Only nodes that give way somewhere, or run enid and are not ready." },
    waiting: { type: "boolean", help: "Only nodes on which pods wait for an address." },
    name: { type: "string", value: "TEXT", help: "Only nodes whose name or id has that in it." },
  },
  examples: [
    { line: "enid fleet nodes --degraded", what: "Which nodes are not well?" },
    { line: "enid fleet nodes --kind vpc-cni --limit 1000", what: "Which nodes are still to be moved to enid?" },
    { line: "enid fleet nodes --json | jq '.nodes[] | select(.ipv4.free == 0) | .nodeName'", what: "For a script." },
  ],
  async run({ flags, output, clock }) {
    const fleet = await withFleet(flags, clock, ({ store }) => readNodes(store));
    const { zone, kind, degraded, waiting, name } = flags;
    const chosen = filterNodes(fleet.nodes, { zone, kind, degraded, waiting, name });
    if (flags.json) output.line(nodesJson(fleet.nowMs, fleet.nodes.length, chosen, flags.limit));
    else output.line(renderNodes(fleet, chosen, flags.limit ?? NODES_SHOWN, output.style).join("\n"));
    return 0;
  },
});

export const fleetTop = defineCommand({
  name: "fleet top",
  description:
    "The nodes that stand out. --by free: those with the fewest free addresses; leased: with the most leases; waiting: with\nthe most pods that wait for an address; calls: with the most attempts of EC2 calls in the last 5 minutes.",
  positionals: "",
  positionalCount: [0, 0],
  flags: {
    ...FLEET_FLAGS,
    by: { type: "string", value: "WHAT", help: "What the nodes are ordered by.", default: "free", oneOf: TOP_BY },
    limit: limitFlag(TOP_SHOWN),
    zone: ZONE_FLAG,
    kind: KIND_FLAG,
  },
  examples: [
    { line: "enid fleet top --by waiting", what: "Where do pods wait for addresses?" },
    { line: "enid fleet top --by calls --limit 3", what: "Who calls EC2 the most?" },
  ],
  async run({ flags, output, clock }) {
    const fleet = await withFleet(flags, clock, ({ store }) => readNodes(store));
    const { zone, kind, by } = flags;
    const chosen = topNodes(filterNodes(fleet.nodes, { zone, kind }), by as TopBy);
    if (flags.json) output.line(nodesJson(fleet.nowMs, fleet.nodes.length, chosen, flags.limit));
    else output.line(renderNodes(fleet, chosen, flags.limit ?? TOP_SHOWN, output.style).join("\n"));
    return 0;
  },
});

export const fleetSubnets = defineCommand({
  name: "fleet subnets",
  description:
    "The subnets that the nodes of the fleet have addresses of or may use, those with the fewest free addresses first. What\nis free is what the node that read it last says; asking costs no EC2 call.",
  positionals: "",
  positionalCount: [0, 0],
  flags: { ...FLEET_FLAGS, limit: limitFlag(NODES_SHOWN), zone: ZONE_FLAG },
  examples: [{ line: "enid fleet subnets --zone eu-west-1a", what: "Which subnet of the zone fills up?" }],
  async run({ flags, output, clock }) {
    const fleet = await withFleet(flags, clock, ({ store }) => readNodes(store));
    const subnets = subnetsOf(filterNodes(fleet.nodes, { zone: flags.zone }));
    const { nowMs } = fleet;
    if (flags.json) output.line(JSON.stringify({ nowMs, subnets: subnets.slice(0, flags.limit) }));
    else output.line(renderSubnets(subnets, flags.limit ?? NODES_SHOWN, nowMs, output.style).join("\n"));
    return 0;
  },
});

/** `total`: nodes of the fleet, whatever the flags leave of them. */
function nodesJson(nowMs: number, total: number, chosen: readonly ListedNode[], limit: number | undefined): string {
  const nodes = chosen.slice(0, limit).map(({ document, ...entry }) => ({ ...entry, ...document }));
  return JSON.stringify({ nowMs, total, chosen: chosen.length, nodes });
}
