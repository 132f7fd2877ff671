import { type Action, DONE, defineAction } from "../action.ts";
import { applyFilters, FILTER_SHAPE, type FilterFields } from "../filters.ts";
import {
  requireInstance,
  requireInterface,
  requireReservation,
  requireRouteTable,
  requireSecurityGroup,
  requireSubnet,
  requireVpc,
} from "../lookups.ts";
import { PAGE_SHAPE, paginate } from "../pagination.ts";
import type { Tags } from "../records.ts";
import { checkTagCount, readTags, TAG_SHAPE } from "../request-tags.ts";
import { invalidValue, missingParameter, SimulatedError } from "../simulated-error.ts";
import { describedInterfaces, putInterface, type World, withTags } from "../state.ts";

const MAX_RESOURCES = 1_000;

/** A tagged thing and how to give it other tags. */
interface Resource {
  readonly tags: Tags;
  readonly put: (tags: Tags) => void;
}

export const createTags: Action = defineAction({
  name: "CreateTags",
  service: "ec2",
  kind: "mutating",
  shape: { ResourceId: ["string"], Tag: [TAG_SHAPE] } as const,
  check: (request) => {
    checkResources(request.ResourceId);
    if (request.Tag.length === 0) throw missingParameter("tagSet");
  },
  run(world, request) {
    const tags = readTags(request.Tag);
    change(world, request.ResourceId, (resource) => withTags(resource.tags, tags));
    return DONE;
  },
});

/** Without tags in the request: all of them. With a value: only if it is that value. */
export const deleteTags: Action = defineAction({
  name: "DeleteTags",
  service: "ec2",
  kind: "mutating",
  shape: { ResourceId: ["string"], Tag: [TAG_SHAPE] } as const,
  check: (request) => checkResources(request.ResourceId),
  run(world, request) {
    change(world, request.ResourceId, ({ tags }) => {
      const isRemoved = ([key, value]: [string, string]) =>
        !key.startsWith("aws:") &&
        (request.Tag.length === 0 ||
          request.Tag.some((tag) => tag.Key === key && (tag.Value === undefined || tag.Value === value)));
      return Object.fromEntries(Object.entries(tags).filter((entry) => !isRemoved(entry)));
    });
    return DONE;
  },
});

export const describeTags: Action = defineAction({
  name: "DescribeTags",
  service: "ec2",
  kind: "describe",
  shape: { Filter: FILTER_SHAPE, ...PAGE_SHAPE } as const,
  run(world, request, { replica }) {
    const rows = taggedResources(world, replica).flatMap(({ id, type, tags }) =>
      Object.entries(tags).map(([key, value]) => ({ id, type, key, value, tags })),
    );
    const selected = applyFilters(rows, request.Filter, TAG_FILTERS);
    const scope = ["DescribeTags", request.Filter];
    const page = paginate(selected, (row) => `${row.id} ${row.key}`, request, { scope, ceiling: 1_000 });
    const item = (row: Row) => ({ resourceId: row.id, resourceType: row.type, key: row.key, value: row.value });
    return { tagSet: page.items.map(item), nextToken: page.nextToken };
  },
});

interface Row {
  readonly id: string;
  readonly type: string;
  readonly key: string;
  readonly value: string;
  readonly tags: Tags;
}

const TAG_FILTERS: FilterFields<Row> = {
  key: (row) => [row.key],
  "resource-id": (row) => [row.id],
  "resource-type": (row) => [row.type],
  value: (row) => [row.value],
};

function taggedResources(world: World, replica: number): { id: string; type: string; tags: Tags }[] {
  const { state } = world;
  const typed = (type: string, items: Iterable<{ readonly id: string; readonly tags: Tags }>) =>
    [...items].map(({ id, tags }) => ({ id, type, tags }));
  return [
    ...typed("network-interface", describedInterfaces(world, replica)),
    ...typed("subnet", state.subnets.values()),
    ...typed("security-group", state.securityGroups.values()),
    ...typed("vpc", state.vpcs.values()),
    ...typed("route-table", state.routeTables.values()),
    ...typed("instance", state.instances.values()),
    ...typed("subnet-cidr-reservation", state.reservations.values()),
  ];
}

function checkResources(ids: readonly string[]): void {
  if (ids.length === 0) throw missingParameter("resourceIdSet");
  if (ids.length > MAX_RESOURCES) throw invalidValue(`At most ${MAX_RESOURCES} resources may be tagged in one call.`);
}

/** All or nothing: every resource is found and every count checked before the first one changes. */
function change(world: World, ids: readonly string[], next: (resource: Resource) => Tags): void {
  const changes = [...new Set(ids)].map((id) => {
    const resource = requireResource(world, id);
    const tags = next(resource);
    checkTagCount(Object.keys(tags).length);
    return () => resource.put(tags);
  });
  for (const apply of changes) apply();
}

function requireResource(world: World, id: string): Resource {
  const { state } = world;
  const inMap = <T extends { readonly tags: Tags }>(map: Map<string, T>, found: T): Resource => ({
    tags: found.tags,
    put: (tags) => void map.set(id, { ...found, tags }),
  });
  switch (id.slice(0, id.lastIndexOf("-"))) {
    case "eni": {
      const found = requireInterface(world, id);
      return { tags: found.tags, put: (tags) => void putInterface(world, { ...found, tags }) };
    }
    case "subnet":
      return inMap(state.subnets, requireSubnet(world, id));
    case "sg":
      return inMap(state.securityGroups, requireSecurityGroup(world, id));
    case "vpc":
      return inMap(state.vpcs, requireVpc(world, id));
    case "i":
      return inMap(state.instances, requireInstance(world, id));
    case "scr":
      return inMap(state.reservations, requireReservation(world, id));
    case "rtb":
      return inMap(state.routeTables, requireRouteTable(world, id));
    default:
      throw new SimulatedError("InvalidID", `The ID '${id}' is not valid`);
  }
}
