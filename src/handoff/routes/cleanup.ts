import type { ReachPicture } from "../../manager/ports/index.ts";
import {
  type Actual,
  type Link,
  LOCAL_TABLE,
  MAIN_TABLE,
  PROTOCOL_KERNEL,
  type Route,
  type Rule,
  routeKey,
  SCOPE_LINK,
} from "./actual.ts";
import { applyChanges } from "./applying.ts";
import { canonical, familyOf, inside, prefixLengthOf } from "./cidr.ts";
import { desire, isPrimary, tableRoutes } from "./desired.ts";
import { linkOfMac } from "./devices.ts";
import { type Change, isAlone, isNodePortRule, isOwnAddress, podOf } from "./difference.ts";
import type { Host } from "./host.ts";
import { linesOf } from "./lines.ts";
import { TABLE_ARGUMENTS } from "./marks.ts";
import { readActual } from "./reading.ts";

/** What the state says of the node; undefined where there is no state, and only the shape tells. */
export type CleanupKnowledge = Pick<ReachPicture, "interfaces" | "blocks" | "addresses"> | undefined;

export interface CleanupPlan {
  readonly changes: readonly Change[];
  /** What would go, in an operator's words; one for each change. */
  readonly items: readonly CleanupItem[];
}

export interface CleanupItem {
  readonly what: "rule" | "route" | "address" | "rp_filter" | "marks";
  /** The command that does it. */
  readonly command: string;
  /** Why it was refused; empty when it is done, or only shown. */
  readonly refused: string;
}

/**
 * Everything that enid made on this node and that is still there; changes nothing.
 *
 * @throws EnidError ENID_HOST_ROUTES
 */
export async function planCleanup(host: Host, knowledge: CleanupKnowledge): Promise<CleanupPlan> {
  const interfaces = knowledge?.interfaces.filter(({ mac }) => mac !== "") ?? [];
  const actual = await readActual(host, { macs: new Set(interfaces.map(({ mac }) => mac)) });
  const hasMarks = await host.run("nft", ["list", "table", ...TABLE_ARGUMENTS]).then(
    ({ code }) => code === 0,
    () => false,
  );
  const changes = cleanupChanges(knowledge, actual, hasMarks);
  return { changes, items: changes.map((change) => itemOf(change, "")) };
}

/** Does what `planCleanup` found. A refusal stops none of the others. */
export async function cleanUp(host: Host, { changes }: CleanupPlan): Promise<readonly CleanupItem[]> {
  const applied = await applyChanges(host, changes);
  return applied.map(({ change, refused }) => itemOf(change, refused));
}

/** PURE. */
export function cleanupChanges(knowledge: CleanupKnowledge, actual: Actual, hasMarks: boolean): readonly Change[] {
  const rules = ownRules(knowledge, actual.rules);
  const routes = ownRoutes(knowledge, actual, rules);
  return [
    ...rules.map((rule): Change => ({ do: "remove-rule", family: rule.family, rule })),
    ...ownRoutes(knowledge, actual, rules).map(
      (route): Change => ({ do: "remove-route", family: route.family, route }),
    ),
    ...(knowledge === undefined ? [] : deviceChanges(knowledge, actual, new Set(routes))),
    ...(hasMarks ? [{ do: "remove-marks" } as const] : []),
  ];
}

/**
 * By the state: rules of enid's shape whose address is of a block or a lease. By the shape alone: only addresses that
 * have both rules, for one alone could be anybody's.
 */
function ownRules(knowledge: CleanupKnowledge, rules: readonly Rule[]): readonly Rule[] {
  const inBlock = inside(knowledge?.blocks.map(({ cidr }) => cidr) ?? []);
  const leased = new Set(knowledge?.addresses.map(({ address }) => canonical(address)));
  const priorities = new Map<string, Set<number>>();
  for (const rule of rules) {
    const pod = podOf(rule);
    if (pod !== undefined) priorities.set(pod, (priorities.get(pod) ?? new Set()).add(rule.priority));
  }
  return rules.filter((rule) => {
    const pod = podOf(rule);
    const own =
      pod === undefined
        ? isNodePortRule(rule)
        : knowledge === undefined
          ? priorities.get(pod)?.size === 2
          : inBlock(pod) || leased.has(pod);
    return own && isAlone(rule, rules);
  });
}

/** By the state: the routes that enid makes for each interface. By the shape alone: of tables that the pods' rules name. */
function ownRoutes(knowledge: CleanupKnowledge, { routes, links }: Actual, rules: readonly Rule[]): readonly Route[] {
  if (knowledge === undefined) {
    const tables = new Set(rules.map(({ table }) => table).filter((table) => table !== MAIN_TABLE));
    const inTables = routes.filter(
      ({ table, protocol, special }) => tables.has(table) && protocol === PROTOCOL_KERNEL && !special,
    );
    const routers = new Set(
      inTables
        .filter(({ destination, gateway }) => destination === "default" && gateway !== "")
        .map(({ gateway }) => gateway),
    );
    return inTables.filter(
      ({ destination, gateway, scope, family }) =>
        (destination === "default" && gateway !== "") ||
        (routers.has(destination) && gateway === "" && (family === "ipv6" || scope === SCOPE_LINK)),
    );
  }
  const made = new Set(
    knowledge.interfaces.flatMap((record) => {
      const found = linkOfMac(links, record.mac);
      if (record.mac === "" || !("link" in found)) return [];
      // Of IPv6 too: the prefix may have been given back before the interface was looked at again.
      const withIpv6 = [
        ...knowledge.blocks,
        { cidr: "::/128", kind: "prefix", interfaceId: record.id, usable: true } as const,
      ];
      return tableRoutes(record, found.link, { blocks: withIpv6, addresses: [] }).map(routeKey);
    }),
  );
  return routes.filter((route) => made.has(routeKey(route)) && route.protocol === PROTOCOL_KERNEL);
}

/** Primary addresses that enid gave to secondary interfaces, and the filters, which get the kernel's default back. */
function deviceChanges(
  knowledge: NonNullable<CleanupKnowledge>,
  actual: Actual,
  removed: ReadonlySet<Route>,
): readonly Change[] {
  const interfaces = knowledge.interfaces.filter(({ mac }) => mac !== "");
  const changes: Change[] = [];
  for (const record of interfaces.filter((each) => !isPrimary(each))) {
    const found = linkOfMac(actual.links, record.mac);
    if (!("link" in found)) continue;
    const { device, addresses } = found.link;
    const there = addresses.find(({ address }) => address === canonical(record.primaryAddress));
    if (there === undefined || !isOwnAddress(there) || there.prefixLength !== prefixLengthOf(record.subnetCidr))
      continue;
    if (isNeeded(found.link, actual.routes, removed)) continue;
    const address = { device, address: there.address, prefixLength: there.prefixLength };
    changes.push({ do: "remove-address", family: "ipv4", address });
  }
  const { filters } = desire({ ...EMPTY, ...knowledge, interfaces: interfaces.map(asUsable) }, actual);
  const usual = actual.filters.get("default");
  for (const { device, value } of filters) {
    if (usual === undefined || usual === value || actual.filters.get(device) !== value) continue;
    changes.push({ do: "set-filter", device, value: usual });
  }
  return changes;
}

/** With the last address of a device the kernel drops all routes over it, also those that are not enid's. */
function isNeeded({ device, addresses }: Link, routes: readonly Route[], removed: ReadonlySet<Route>): boolean {
  const last = addresses.filter(({ address }) => familyOf(address) === "ipv4").length === 1;
  const others = (route: Route) => route.family === "ipv4" && route.device === device && !removed.has(route);
  return last && routes.some((route) => others(route) && route.table !== LOCAL_TABLE);
}

const EMPTY = { primaryInterfaceId: "", bgp: { asn: 0, includeFile: "", controlSocket: "" } };

function asUsable(record: ReachPicture["interfaces"][number]): ReachPicture["interfaces"][number] {
  return { ...record, usable: true };
}

function itemOf(change: Change, refused: string): CleanupItem {
  switch (change.do) {
    case "remove-rule":
      return { what: "rule", command: ipCommand(change), refused };
    case "remove-address":
      return { what: "address", command: ipCommand(change), refused };
    case "set-filter":
      return { what: "rp_filter", command: `sysctl net.ipv4.conf.${change.device}.rp_filter=${change.value}`, refused };
    case "remove-marks":
      return { what: "marks", command: `nft delete table ${TABLE_ARGUMENTS.join(" ")}`, refused };
    default:
      return { what: "route", command: ipCommand(change), refused };
  }
}

function ipCommand(change: Change): string {
  const family = "family" in change && change.family === "ipv6" ? "ip -6" : "ip";
  return linesOf(change)
    .map((line) => `${family} ${line}`)
    .join("; ");
}
