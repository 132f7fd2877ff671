import {
  type Actual,
  type Family,
  LOCAL_TABLE,
  MAIN_TABLE,
  PROTOCOL_KERNEL,
  type Route,
  type Rule,
  routeKey,
  ruleKey,
  SCOPE_LINK,
} from "./actual.ts";
import type { Desired, DeviceAddress } from "./desired.ts";
import { NODE_PORT_MARK } from "./marks.ts";
import { isTable, PRIORITY_FROM_POD, PRIORITY_NODE_PORT, PRIORITY_TO_POD } from "./numbers.ts";

/** One thing to do. Those with a family are lines of a batch of `ip`. */
export type Change =
  | {
      readonly do: "set-link";
      readonly family: "ipv4";
      readonly device: string;
      readonly mtuBytes?: number;
      readonly up: boolean;
    }
  | { readonly do: "add-address" | "remove-address"; readonly family: "ipv4"; readonly address: DeviceAddress }
  | { readonly do: "add-route" | "remove-route"; readonly family: Family; readonly route: Route }
  | { readonly do: "add-rule" | "remove-rule"; readonly family: Family; readonly rule: Rule }
  | { readonly do: "set-filter"; readonly device: string; readonly value: number }
  | { readonly do: "set-marks"; readonly device: string }
  | { readonly do: "remove-marks" };

/** How enid knows what it made, beside the shape and the kernel's protocol that all of it has. */
export interface Ownership {
  /** The address is of a block of this node. */
  readonly inBlock: (address: string) => boolean;
  /** Keys of rules and routes that this process made, or found in place as it wanted them. */
  readonly made: ReadonlySet<string>;
}

export interface Difference {
  /** In an order in which they can be done. */
  readonly changes: readonly Change[];
  /** By device: what enid would need and may not do, because something of somebody else is in its place. */
  readonly conflicts: ReadonlyMap<string, string>;
}

/** PURE. What has to be done so that the node has what is desired; nothing, when it has. */
export function difference(desired: Desired, actual: Actual, ownership: Ownership): Difference {
  const conflicts = new Map<string, string>();
  const routes = routeChanges(desired, actual, ownership, conflicts);
  noteStolenAddresses(desired, actual, conflicts);
  const changes = [
    ...linkChanges(desired, actual),
    ...addressChanges(desired, actual, conflicts),
    ...subnetRouteRemovals(desired, actual),
    ...filterChanges(desired, actual),
    ...routes,
    ...ruleChanges(desired, actual, ownership),
    ...markChanges(desired, actual, ownership),
  ];
  return { changes, conflicts };
}

export const MARKS_KEY = "marks";

function linkChanges(desired: Desired, { links }: Actual): readonly Change[] {
  return desired.links.flatMap(({ device, mtuBytes }): readonly Change[] => {
    const link = links.find((each) => each.device === device);
    if (link === undefined || (link.up && link.mtuBytes === mtuBytes)) return [];
    return [{ do: "set-link", family: "ipv4", device, up: true, ...(link.mtuBytes === mtuBytes ? {} : { mtuBytes }) }];
  });
}

function addressChanges(desired: Desired, { links }: Actual, conflicts: Map<string, string>): readonly Change[] {
  const found = ({ device, address }: DeviceAddress) =>
    links.find((link) => link.device === device)?.addresses.find((each) => each.address === address);
  const added = desired.addresses.filter((wanted) => found(wanted) === undefined);
  const removed = desired.podAddresses.filter((unwanted) => {
    const there = found(unwanted);
    if (there === undefined) return false;
    if (isOwnAddress(there)) return true;
    conflicts.set(unwanted.device, `the node itself has ${unwanted.address}, which is a pod's`);
    return false;
  });
  return [
    ...removed.map((address): Change => ({ do: "remove-address", family: "ipv4", address })),
    ...added.map((address): Change => ({ do: "add-address", family: "ipv4", address })),
  ];
}

/** Only enid adds an interface's primary address for ever and without the route of its subnet; DHCP's have an end. */
export function isOwnAddress({ dynamic, withoutRoute }: { dynamic: boolean; withoutRoute: boolean }): boolean {
  return withoutRoute && !dynamic;
}

/**
 * A pod's address on the node itself, as nm-cloud-setup gives it: its packets end in the node, unless the local table is
 * looked up after the rules to the pods, as Cilium's agent arranges it.
 */
function noteStolenAddresses(desired: Desired, { links, rules }: Actual, conflicts: Map<string, string>): void {
  if (!rules.some(({ table, priority }) => table === LOCAL_TABLE && priority < PRIORITY_TO_POD)) return;
  const pods = new Set(desired.rules.map(({ to }) => to).filter((to) => to !== ""));
  for (const { device, addresses } of links) {
    const stolen = addresses.find(({ address }) => pods.has(address));
    if (stolen !== undefined) conflicts.set(device, `the node itself has ${stolen.address}, which is a pod's`);
  }
}

function subnetRouteRemovals(desired: Desired, { routes }: Actual): readonly Change[] {
  const unwanted = new Set(desired.subnetRoutes.map(({ device, subnet }) => `${device} ${subnet}`));
  return routes
    .filter(
      ({ family, table, gateway, scope, special, device, destination }) =>
        family === "ipv4" &&
        table === MAIN_TABLE &&
        gateway === "" &&
        scope === SCOPE_LINK &&
        !special &&
        unwanted.has(`${device} ${destination}`),
    )
    .map((route): Change => ({ do: "remove-route", family: "ipv4", route }));
}

function filterChanges(desired: Desired, { filters }: Actual): readonly Change[] {
  return desired.filters
    .filter(({ device, value }) => filters.has(device) && filters.get(device) !== value)
    .map(({ device, value }): Change => ({ do: "set-filter", device, value }));
}

function routeChanges(
  desired: Desired,
  actual: Actual,
  { made }: Ownership,
  conflicts: Map<string, string>,
): readonly Change[] {
  const wanted = new Set(desired.routes.map(routeKey));
  const there = new Set(actual.routes.map(routeKey));
  const removed = actual.routes.filter(
    (route) => !wanted.has(routeKey(route)) && route.protocol === PROTOCOL_KERNEL && made.has(routeKey(route)),
  );
  const staying = actual.routes.filter((route) => !removed.includes(route));
  const added = desired.routes.filter((route) => {
    if (there.has(routeKey(route))) return false;
    const other = staying.find((each) => sameplace(each, route));
    if (other === undefined) return true;
    const way = [
      other.gateway === "" ? "" : ` via ${other.gateway}`,
      other.device === "" ? "" : ` dev ${other.device}`,
    ];
    conflicts.set(route.device, `table ${route.table} has another route: ${other.destination}${way.join("")}`);
    return false;
  });
  return [
    ...removed.map((route): Change => ({ do: "remove-route", family: route.family, route })),
    ...added.map((route): Change => ({ do: "add-route", family: route.family, route })),
  ];
}

/** The kernel has one route of a kind in a place; another one there is somebody else's. */
function sameplace(one: Route, other: Route): boolean {
  return (
    one.family === other.family &&
    one.table === other.table &&
    one.destination === other.destination &&
    one.metric === other.metric
  );
}

function ruleChanges(desired: Desired, { rules }: Actual, ownership: Ownership): readonly Change[] {
  const wanted = new Set(desired.rules.map(ruleKey));
  const there = new Set(rules.map(ruleKey));
  const added = desired.rules.filter((rule) => !there.has(ruleKey(rule)));
  const removed = rules.filter(
    (rule) => !wanted.has(ruleKey(rule)) && isOwnRule(rule, ownership, desired.kept) && isAlone(rule, rules),
  );
  return [
    ...added.map((rule): Change => ({ do: "add-rule", family: rule.family, rule })),
    ...removed.map((rule): Change => ({ do: "remove-rule", family: rule.family, rule })),
  ];
}

/** A rule that enid made, and that is of no address in `kept`. */
export function isOwnRule(rule: Rule, { inBlock, made }: Ownership, kept: ReadonlySet<string>): boolean {
  const address = podOf(rule);
  if (address === undefined) return isNodePortRule(rule) && made.has(ruleKey(rule));
  return !kept.has(address) && (inBlock(address) || made.has(ruleKey(rule)));
}

/** The address of the pod that a rule is of, if it has the shape of one that enid makes. */
export function podOf({ priority, from, to, mark, table, protocol, special }: Rule): string | undefined {
  if (special || protocol !== PROTOCOL_KERNEL || mark !== "") return undefined;
  const isTo = priority === PRIORITY_TO_POD && from === "" && isHost(to) && table === MAIN_TABLE;
  const isFrom = priority === PRIORITY_FROM_POD && to === "" && isHost(from) && isTable(table);
  return isTo ? to : isFrom ? from : undefined;
}

export function isNodePortRule({ priority, from, to, mark, table, protocol, special }: Rule): boolean {
  return (
    priority === PRIORITY_NODE_PORT &&
    from === "" &&
    to === "" &&
    mark === `${NODE_PORT_MARK}/${NODE_PORT_MARK}` &&
    table === MAIN_TABLE &&
    protocol === PROTOCOL_KERNEL &&
    !special
  );
}

function isHost(selector: string): boolean {
  return selector !== "" && !selector.includes("/");
}

/**
 * The kernel deletes the first rule that has what the request names, whatever else that rule has: with a foreign rule
 * that says the same and more, it could be that one. Then neither is touched.
 */
export function isAlone(rule: Rule, rules: readonly Rule[]): boolean {
  const fits = rules.filter(
    (other) =>
      other.family === rule.family &&
      other.priority === rule.priority &&
      other.table === rule.table &&
      other.protocol === rule.protocol &&
      (rule.from === "" || other.from === rule.from) &&
      (rule.to === "" || other.to === rule.to) &&
      (rule.mark === "" || other.mark === rule.mark),
  );
  return fits.length === 1;
}

function markChanges(desired: Desired, { marked }: Actual, { made }: Ownership): readonly Change[] {
  if (desired.marked === marked) return [];
  if (desired.marked !== "") return [{ do: "set-marks", device: desired.marked }];
  return made.has(MARKS_KEY) && marked !== undefined ? [{ do: "remove-marks" }] : [];
}
