import type { BudgetLevel } from "../../fleet/index.ts";
import type { FleetProfile } from "../../manager/index.ts";
import { callsOf, type FleetSubnet, isUnwell, type ListedFleet, type ListedNode } from "../fleet/nodes.ts";
import type { Output } from "../output.ts";
import { ago, duration, moment, plural, table } from "./text.ts";

type Style = Output["style"];

/** One line for the whole fleet: how many nodes of which kind, and what they have together. */
export function fleetSummary({ nodes, unreadable }: ListedFleet): string[] {
  const kinds = new Map<string, number>();
  for (const { document } of nodes) kinds.set(document.kind, (kinds.get(document.kind) ?? 0) + 1);
  const sum = (value: (node: ListedNode) => number) => nodes.reduce((total, node) => total + value(node), 0);
  const unwell = nodes.filter(({ document }) => isUnwell(document)).length;
  const byKind = [...kinds].sort(([, one], [, other]) => other - one).map(([kind, count]) => `${count} ${kind}`);
  return [
    `${plural(nodes.length, "node", "nodes")}${byKind.length === 0 ? "" : ` (${byKind.join(", ")})`}, ${unwell} not well; ` +
      `${sum(({ document }) => document.ipv4?.free ?? 0)} addresses free, ` +
      `${sum(({ document }) => document.ipv4?.leased ?? 0)} leased; ${plural(
        sum(({ document }) => document.waiting),
        "pod waits",
        "pods wait",
      )}`,
    ...(unreadable === 0 ? [] : [`${plural(unreadable, "entry", "entries")} of another version of enid left out`]),
  ];
}

/** The nodes as a table; `limit` of them, and how many more there are. */
export function renderNodes(fleet: ListedFleet, chosen: readonly ListedNode[], limit: number, style: Style): string[] {
  const header = [
    "NODE",
    "ID",
    "KIND",
    "ZONE",
    "TYPE",
    "FREE",
    "LEASED",
    "COOLING",
    "WAITING",
    "ENIS",
    "CALLS",
    "VERSION",
    "HEARD",
    "STATE",
  ];
  const shown = chosen.slice(0, limit);
  const rows = shown.map((node) => nodeRow(node, fleet.nowMs, style));
  return [
    ...fleetSummary(fleet),
    ...(shown.length === 0 ? [] : ["", ...boldFirst(table([header, ...rows], [5, 6, 7, 8, 9, 10]), style)]),
    ...(chosen.length > shown.length ? [`and ${chosen.length - shown.length} more: --limit N shows them`] : []),
    ...(chosen.length === 0 && fleet.nodes.length > 0 ? ["none of them is as the flags say"] : []),
  ];
}

function nodeRow({ nodeId, document, publishedAtMs }: ListedNode, nowMs: number, style: Style): string[] {
  const { ipv4 } = document;
  const count = (value: number | undefined) => (value === undefined ? "-" : String(value));
  return [
    document.nodeName,
    nodeId === document.nodeName ? "" : nodeId,
    document.kind,
    document.zone,
    document.instanceType,
    count(ipv4?.free),
    count(ipv4?.leased),
    count(ipv4?.cooling),
    String(document.waiting),
    String(document.interfaces),
    String(callsOf(document)),
    document.version,
    ago(publishedAtMs, nowMs),
    stateText(document, style),
  ];
}

function stateText(document: ListedNode["document"], style: Style): string {
  if (document.degraded.length > 0) return style("red", document.degraded.join(", "));
  if (document.kind !== "enid") return "";
  if (!document.ready) return style("yellow", document.waitingFor === "" ? "not ready" : document.waitingFor);
  return style("green", "ready");
}

export function renderSubnets(subnets: readonly FleetSubnet[], limit: number, nowMs: number, style: Style): string[] {
  if (subnets.length === 0) return ["no node of the fleet uses a subnet"];
  const rows = subnets
    .slice(0, limit)
    .map((subnet) => [
      subnet.id,
      subnet.cidr,
      subnet.zone,
      subnet.free < 0 ? "-" : String(subnet.free),
      String(subnet.held),
      String(subnet.leased),
      String(subnet.nodes),
      String(subnet.allowedOn),
      ago(subnet.readAtMs, nowMs),
    ]);
  const header = ["SUBNET", "CIDR", "ZONE", "FREE", "HELD", "LEASED", "NODES", "ALLOWED ON", "READ"];
  return [
    ...boldFirst(table([header, ...rows], [3, 4, 5, 6, 7]), style),
    ...(subnets.length > limit ? [`and ${subnets.length - limit} more: --limit N shows them`] : []),
  ];
}

export function renderBudget(levels: readonly BudgetLevel[], urgencies: readonly string[], style: Style): string[] {
  if (levels.length === 0) return ["no node of the fleet has asked for a token within the last day"];
  const header = ["ACTION", "REGION", "ACCOUNT", "TOKENS", "RATE", "WAITING", "GRANTED", "THROTTLED"];
  const rows = levels.map(({ bucket, tokens, capacity, ratePerSecond, fullRatePerSecond, waiting, ...counts }) => {
    const rate = `${ratePerSecond.toFixed(2)} of ${fullRatePerSecond.toFixed(2)}/s`;
    return [
      bucket.action,
      bucket.region,
      bucket.account,
      `${Math.max(0, Math.floor(tokens))} of ${capacity}`,
      rate,
      waitingText(waiting, urgencies),
      String(counts.granted),
      counts.throttled > 0 ? style("red", String(counts.throttled)) : "0",
    ];
  });
  return boldFirst(table([header, ...rows], []), style);
}

/** "0", or "12: 3 pod-waits, 9 buffer". */
function waitingText(waiting: readonly number[], urgencies: readonly string[]): string {
  const all = waiting.reduce((sum, count) => sum + count, 0);
  if (all === 0) return "0";
  const parts = waiting.flatMap((count, at) => (count > 0 ? [`${count} ${urgencies[at] ?? "of a newer enid"}`] : []));
  return `${all}: ${parts.join(", ")}`;
}

const DEFAULT_PROFILE = "default";

/** Each profile with whom it is for and what it says; the default one first. */
export function renderProfiles(profiles: readonly FleetProfile[], style: Style): string[] {
  if (profiles.length === 0) return ["the fleet has no profiles: `enid fleet set NAME=VALUE` makes the default one"];
  const first = (profile: FleetProfile) => (profile.name === DEFAULT_PROFILE ? 0 : 1);
  const sorted = profiles.toSorted((one, other) => first(one) - first(other));
  return sorted.flatMap((profile, at) => [...(at === 0 ? [] : [""]), ...renderProfile(profile, style)]);
}

export function renderProfile(profile: FleetProfile, style: Style): string[] {
  const { name, values, setAtMs } = profile;
  return [
    `${style("bold", name)}: ${matchText(profile)}; set ${moment(setAtMs)}`,
    ...table(Object.entries(values).map(([setting, value]) => [`  ${setting}`, JSON.stringify(value)])),
  ];
}

export function matchText({ match: { instanceTypes, labels = {} } }: Pick<FleetProfile, "match">): string {
  const parts = [
    ...(instanceTypes === undefined ? [] : [`instance types ${instanceTypes.join(", ")}`]),
    ...Object.entries(labels).map(([key, value]) => `label ${key}=${value}`),
  ];
  return parts.length === 0 ? "every node" : `nodes with ${parts.join(" and ")}`;
}

/** How long until a change is everywhere: the registry's turn, and some. */
export const HEARD_WITHIN = duration(15_000);

function boldFirst(lines: readonly string[], style: Style): string[] {
  return lines.map((line, index) => (index === 0 ? style("bold", line) : line));
}
