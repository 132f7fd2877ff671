/** The state that a model file describes. What the schema cannot say (references, CIDRs, places) is checked here. */
import { EnidError } from "../../errors.ts";
import { numbersOf } from "./addresses.ts";
import type {
  AccountDescription,
  RouteTableDescription,
  SecurityGroupDescription,
  SubnetDescription,
  VpcDescription,
} from "./description.ts";
import { fragment, occupy } from "./foreign-hand.ts";
import { contains, overlaps, parseRange, type Range } from "./ipv4.ts";
import { contains6, formatRange6, parseRange6, type Range6 } from "./ipv6.ts";
import { launchInstance, placeInterface } from "./launch.ts";
import { requireSubnet } from "./lookups.ts";
import type { RouteTable, SecurityGroup } from "./records.ts";
import { reserve } from "./reservations.ts";
import { SimulatedError } from "./simulated-error.ts";
import { type CloudState, drawId, type World } from "./state.ts";

/** Fills `world.state`. `within`: where the file describes the account. Errors: ENID_SIMULATOR_MODEL with the place. */
export function buildState(description: AccountDescription, world: World, file: string, within = ""): void {
  const at = (place: string, build: () => unknown): void => {
    try {
      build();
    } catch (thrown) {
      if (!(thrown instanceof SimulatedError)) throw thrown;
      throw new EnidError("ENID_SIMULATOR_MODEL", { file, detail: `${within}${place}: ${thrown.message}` });
    }
  };
  description.vpcs.forEach((one, index) => {
    at(`/vpcs/${index}`, () => addVpc(world, one));
  });
  description.subnets.forEach((one, index) => {
    at(`/subnets/${index}`, () => addSubnet(world, one));
    at(`/subnets/${index}/reservations`, () => addReservations(world, one));
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
    if (one.fragmented) at(`/subnets/${index}/fragmented`, () => fragment(world, one.id));
  });
  description.subnets.forEach((one, index) => {
    if (typeof one.used === "number") at(`/subnets/${index}/used`, () => occupyExactly(world, one));
  });
}

/** Every address that the file names for an interface: nothing that takes any free address may take one of these. */
function namedAddresses({ instances = [], interfaces = [] }: AccountDescription): ReadonlySet<number> {
  const launched = instances.flatMap((one) => one.interfaces ?? []);
  return new Set(
    [...instances, ...launched, ...interfaces].flatMap(({ primaryAddress, secondaryAddresses = [], prefixes = [] }) =>
      numbersOf([...(primaryAddress === undefined ? [] : [primaryAddress]), ...secondaryAddresses, ...prefixes]),
    ),
  );
}

function addVpc({ state }: World, described: VpcDescription): void {
  const { id, cidrs, ipv6Cidrs = [], tags = {}, isDefault = false } = described;
  refuseTwice(state.vpcs, id);
  const ranges = cidrs.map(requireRange);
  ranges.forEach((range, position) => {
    const clash = ranges.findIndex((other, otherPosition) => otherPosition < position && overlaps(range, other));
    if (clash !== -1) throw problem(`${cidrs[position]} overlaps ${cidrs[clash]}`);
  });
  for (const cidr of ipv6Cidrs) requireRange6(cidr);
  state.vpcs.set(id, { id, cidrs, ipv6Cidrs, tags, isDefault });
}

function addSubnet({ state }: World, described: SubnetDescription): void {
  const { id, vpc, cidr, ipv6Cidr, zone, tags = {} } = described;
  refuseTwice(state.subnets, id);
  const range = requireRange(cidr);
  if (range.length < 16 || range.length > 28) throw problem(`${cidr} must be between /16 and /28`);
  const within = state.vpcs.get(vpc)?.cidrs.map(requireRange);
  if (!within) throw problem(`no VPC ${vpc}`);
  if (!within.some((outer) => contains(outer, range))) throw problem(`${cidr} is in no CIDR of ${vpc}`);
  const clash = [...state.subnets.values()].find((other) => other.vpcId === vpc && overlaps(other.range, range));
  if (clash) throw problem(`${cidr} overlaps ${clash.cidr} of ${clash.id}`);
  if (!zone.startsWith(state.region)) throw problem(`zone ${zone} is not in region ${state.region}`);
  checkIpv6(state, vpc, ipv6Cidr);
  state.subnets.set(id, { id, vpcId: vpc, cidr, range, ipv6Cidr, zone, tags });
}

function checkIpv6(state: CloudState, vpcId: string, cidr: string | undefined): void {
  if (cidr === undefined) return;
  const range = requireRange6(cidr);
  if (range.length !== 64) throw problem(`${cidr} must be a /64`);
  const outer = state.vpcs.get(vpcId)?.ipv6Cidrs.map(requireRange6) ?? [];
  if (!outer.some((one) => contains6(one, range))) throw problem(`${cidr} is in no IPv6 CIDR of ${vpcId}`);
  const clash = [...state.subnets.values()].find((other) => other.ipv6Cidr === cidr);
  if (clash) throw problem(`${cidr} is the IPv6 CIDR of ${clash.id} already`);
}

function addReservations(world: World, { id, reservations = [] }: SubnetDescription): void {
  const subnet = requireSubnet(world, id);
  for (const { type: kind, description = "", tags = {}, ...one } of reservations) {
    if (one.id !== undefined) refuseTwice(world.state.reservations, one.id);
    reserve(world, subnet, { ...one, kind, description, tags });
  }
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

function requireRange6(cidr: string): Range6 {
  const range = parseRange6(cidr);
  if (!range) throw problem(`${cidr} is not an IPv6 CIDR without host bits`);
  if (formatRange6(range) !== cidr) throw problem(`${cidr} must be written ${formatRange6(range)}`);
  return range;
}

function refuseTwice(map: ReadonlyMap<string, unknown>, id: string): void {
  if (map.has(id)) throw problem(`${id} is described twice`);
}

function problem(detail: string): SimulatedError {
  return new SimulatedError("InvalidModel", detail);
}
