/** The state that a model file describes. What the schema cannot say (references, CIDRs, places) is checked here. */
import { EnidError } from "../../errors.ts";
import { numbersOf } from "./addresses.ts";
import type {
  ModelDescription,
  RouteTableDescription,
  SecurityGroupDescription,
  SubnetDescription,
  VpcDescription,
} from "./description.ts";
import { contains, overlaps, parseRange, type Range } from "./ipv4.ts";
import { launchInstance, occupy, placeInterface } from "./launch.ts";
import type { RouteTable, SecurityGroup } from "./records.ts";
import { SimulatedError } from "./simulated-error.ts";
import { drawId, type World } from "./state.ts";

/** Fills `world.state`. Errors: ENID_SIMULATOR_MODEL with the place in the file. */
export function buildState(description: ModelDescription, world: World, file: string): void {
  const at = (place: string, build: () => unknown): void => {
    try {
      build();
    } catch (thrown) {
      if (!(thrown instanceof SimulatedError)) throw thrown;
      throw new EnidError("ENID_SIMULATOR_MODEL", { file, detail: `${place}: ${thrown.message}` });
    }
  };
  description.vpcs.forEach((one, index) => {
    at(`/vpcs/${index}`, () => addVpc(world, one));
  });
  description.subnets.forEach((one, index) => {
    at(`/subnets/${index}`, () => addSubnet(world, one));
  });
  description.securityGroups?.forEach((one, index) => {
    at(`/securityGroups/${index}`, () => addSecurityGroup(world, one));
  });
  addDefaultGroups(world);
  description.routeTables?.forEach((one, index) => {
    at(`/routeTables/${index}`, () => addRouteTable(world, one));
  });
  addMainRouteTables(world);

  description.subnets.forEach((one, index) => {
    if (typeof one.used === "object") at(`/subnets/${index}/used`, () => occupyExactly(world, one));
  });
  const named = namedAddresses(description);
  description.instances?.forEach((one, index) => {
    at(`/instances/${index}`, () => launchInstance(world, one, named));
  });
  description.interfaces?.forEach((one, index) => {
    at(`/interfaces/${index}`, () => placeInterface(world, one, named));
  });
  description.subnets.forEach((one, index) => {
    if (typeof one.used === "number") at(`/subnets/${index}/used`, () => occupyExactly(world, one));
  });
}

/** Every address that the file names for an interface: nothing that takes any free address may take one of these. */
function namedAddresses({ instances = [], interfaces = [] }: ModelDescription): ReadonlySet<number> {
  return new Set(
    [...instances, ...interfaces].flatMap(({ primaryAddress, secondaryAddresses = [], prefixes = [] }) =>
      numbersOf([...(primaryAddress === undefined ? [] : [primaryAddress]), ...secondaryAddresses, ...prefixes]),
    ),
  );
}

function addVpc({ state }: World, { id, cidrs, tags = {}, isDefault = false }: VpcDescription): void {
  refuseTwice(state.vpcs, id);
  const ranges = cidrs.map(requireRange);
  ranges.forEach((range, position) => {
    const clash = ranges.findIndex((other, otherPosition) => otherPosition < position && overlaps(range, other));
    if (clash !== -1) throw problem(`${cidrs[position]} overlaps ${cidrs[clash]}`);
  });
  state.vpcs.set(id, { id, cidrs, tags, isDefault });
}

function addSubnet({ state }: World, { id, vpc, cidr, zone, tags = {} }: SubnetDescription): void {
  refuseTwice(state.subnets, id);
  const range = requireRange(cidr);
  if (range.length < 16 || range.length > 28) throw problem(`${cidr} must be between /16 and /28`);
  const within = state.vpcs.get(vpc)?.cidrs.map(requireRange);
  if (!within) throw problem(`no VPC ${vpc}`);
  if (!within.some((outer) => contains(outer, range))) throw problem(`${cidr} is in no CIDR of ${vpc}`);
  const clash = [...state.subnets.values()].find((other) => other.vpcId === vpc && overlaps(other.range, range));
  if (clash) throw problem(`${cidr} overlaps ${clash.cidr} of ${clash.id}`);
  if (!zone.startsWith(state.region)) throw problem(`zone ${zone} is not in region ${state.region}`);
  state.subnets.set(id, { id, vpcId: vpc, cidr, range, zone, tags });
}

function addSecurityGroup({ state }: World, described: SecurityGroupDescription): void {
  const { id, vpc, name = id, description = "", tags = {} } = described;
  refuseTwice(state.securityGroups, id);
  if (!state.vpcs.has(vpc)) throw problem(`no VPC ${vpc}`);
  const group: SecurityGroup = { id, vpcId: vpc, name, description, tags };
  state.securityGroups.set(id, group);
}

/** Every VPC has a group called default. */
function addDefaultGroups(world: World): void {
  const { vpcs, securityGroups } = world.state;
  for (const vpcId of vpcs.keys()) {
    if ([...securityGroups.values()].some((group) => group.vpcId === vpcId && group.name === "default")) continue;
    const id = drawId(world, "sg");
    securityGroups.set(id, { id, vpcId, name: "default", description: "default VPC security group", tags: {} });
  }
}

function addRouteTable({ state }: World, described: RouteTableDescription): void {
  const { id, vpc, main = false, subnets = [], routes = [], tags = {} } = described;
  refuseTwice(state.routeTables, id);
  const cidrs = state.vpcs.get(vpc)?.cidrs;
  if (!cidrs) throw problem(`no VPC ${vpc}`);
  const tables = [...state.routeTables.values()];
  if (main && tables.some((table) => table.vpcId === vpc && table.main))
    throw problem(`${vpc} has a main table already`);
  for (const subnet of subnets) {
    if (state.subnets.get(subnet)?.vpcId !== vpc) throw problem(`no subnet ${subnet} in ${vpc}`);
    if (tables.some((table) => table.subnetIds.includes(subnet))) throw problem(`${subnet} has a table already`);
  }
  const local = cidrs.map((destination) => ({ destination, target: "local" }));
  state.routeTables.set(id, { id, vpcId: vpc, main, subnetIds: subnets, routes: [...local, ...routes], tags });
}

/** Every VPC has a main table; without any it holds the local routes only. */
function addMainRouteTables(world: World): void {
  const { vpcs, routeTables } = world.state;
  for (const vpc of vpcs.values()) {
    if ([...routeTables.values()].some((table) => table.vpcId === vpc.id && table.main)) continue;
    const id = drawId(world, "rtb");
    const routes = vpc.cidrs.map((destination) => ({ destination, target: "local" }));
    const table: RouteTable = { id, vpcId: vpc.id, main: true, subnetIds: [], routes, tags: {} };
    routeTables.set(id, table);
  }
}

function occupyExactly(world: World, { id, used = 0 }: SubnetDescription): void {
  const taken = occupy(world, id, used);
  if (typeof used === "number" && taken < used) throw problem(`only ${taken} addresses are left for others`);
}

function requireRange(cidr: string): Range {
  const range = parseRange(cidr);
  if (!range) throw problem(`${cidr} is not an IPv4 CIDR without host bits`);
  return range;
}

function refuseTwice(map: ReadonlyMap<string, unknown>, id: string): void {
  if (map.has(id)) throw problem(`${id} is described twice`);
}

function problem(detail: string): SimulatedError {
  return new SimulatedError("InvalidModel", detail);
}
