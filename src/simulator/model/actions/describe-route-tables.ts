import { defineAction, type Result, tagSet } from "../action.ts";
import { applyFilters, FILTER_SHAPE, type FilterFields } from "../filters.ts";
import { requireRouteTable } from "../lookups.ts";
import { PAGE_SHAPE, paginate } from "../pagination.ts";
import { perState } from "../per-state.ts";
import type { Route, RouteTable } from "../records.ts";
import type { CloudState } from "../state.ts";

export const describeRouteTables = defineAction({
  name: "DescribeRouteTables",
  service: "ec2",
  kind: "describe",
  shape: { RouteTableId: ["string"], Filter: FILTER_SHAPE, ...PAGE_SHAPE } as const,
  run(world, request) {
    const ids = [...new Set(request.RouteTableId)];
    const { state } = world;
    const named = ids.length === 0 ? [...state.routeTables.values()] : ids.map((id) => requireRouteTable(world, id));
    const selected = applyFilters(named, request.Filter, routeTableFilters(state));
    const scope = ["DescribeRouteTables", ids, request.Filter];
    const page = paginate(selected, (one) => one.id, request, { scope, ceiling: 100 });
    return { routeTableSet: page.items.map((one) => routeTableResult(state, one)), nextToken: page.nextToken };
  },
});

const routeTableFilters = perState((state): FilterFields<RouteTable> => {
  const routeTarget = (element: string) => (one: RouteTable) =>
    one.routes.flatMap((route) => (targetElement(route) === element ? [route.target] : []));
  return {
    "association.gateway-id": () => [],
    "association.main": (one) => associations(one).map((association) => String(association.main)),
    "association.route-table-association-id": (one) => associations(one).map((association) => association.id),
    "association.route-table-id": (one) => (associations(one).length > 0 ? [one.id] : []),
    "association.subnet-id": (one) => one.subnetIds,
    "owner-id": () => [state.account],
    "route-table-id": (one) => [one.id],
    "route.destination-cidr-block": (one) => one.routes.map((route) => route.destination),
    "route.gateway-id": routeTarget("gatewayId"),
    "route.instance-id": routeTarget("instanceId"),
    "route.nat-gateway-id": routeTarget("natGatewayId"),
    "route.origin": (one) => one.routes.map(originOf),
    "route.state": (one) => one.routes.map(() => "active"),
    "route.transit-gateway-id": routeTarget("transitGatewayId"),
    "vpc-id": (one) => [one.vpcId],
  };
});

function routeTableResult(state: CloudState, one: RouteTable): Result {
  return {
    routeTableId: one.id,
    vpcId: one.vpcId,
    ownerId: state.account,
    routeSet: one.routes.map((route) => ({
      destinationCidrBlock: route.destination,
      [targetElement(route)]: route.target,
      state: "active",
      origin: originOf(route),
    })),
    associationSet: associations(one).map((association) => ({
      routeTableAssociationId: association.id,
      routeTableId: one.id,
      subnetId: association.subnetId,
      main: association.main,
      associationState: { state: "associated" },
    })),
    propagatingVgwSet: [],
    tagSet: tagSet(one.tags),
  };
}

function associations(one: RouteTable): { id: string; subnetId: string | undefined; main: boolean }[] {
  const main = one.main ? [{ id: `rtbassoc-${one.id.slice("rtb-".length)}`, subnetId: undefined, main: true }] : [];
  const explicit = one.subnetIds.map((subnetId) => ({
    id: `rtbassoc-${subnetId.slice("subnet-".length)}`,
    subnetId,
    main: false,
  }));
  return [...main, ...explicit];
}

const TARGETS: readonly (readonly [prefix: string, element: string])[] = [
  ["nat-", "natGatewayId"],
  ["tgw-", "transitGatewayId"],
  ["eni-", "networkInterfaceId"],
  ["i-", "instanceId"],
];

function targetElement(route: Route): string {
  return TARGETS.find(([prefix]) => route.target.startsWith(prefix))?.[1] ?? "gatewayId";
}

function originOf(route: Route): string {
  return route.target === "local" ? "CreateRouteTable" : "CreateRoute";
}
