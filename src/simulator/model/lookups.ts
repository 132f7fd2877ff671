/** Finding what a request names, and the answer when it is not there. Malformed ids are told apart from unknown ones. */
import type { Instance, NetworkInterface, Reservation, RouteTable, SecurityGroup, Subnet, Vpc } from "./records.ts";
import { missingParameter, SimulatedError } from "./simulated-error.ts";
import { findInterface, type World } from "./state.ts";

export function required<T>(value: T | undefined, name: string): T {
  if (value === undefined || value === "") throw missingParameter(name);
  return value;
}

const ID_DIGITS = /^-([0-9a-f]{8}|[0-9a-f]{17})$/;

export function checkId(kind: string, id: string, malformedCode: string): void {
  if (!id.startsWith(kind) || !ID_DIGITS.test(id.slice(kind.length))) {
    throw new SimulatedError(malformedCode, `Invalid id: "${id}" (expecting "${kind}-...")`);
  }
}

export function requireInterface(world: World, id: string): NetworkInterface {
  checkId("eni", id, "InvalidNetworkInterfaceId.Malformed");
  const found = findInterface(world.state, id);
  if (!found || found.visibleFromMs > world.nowMs) throw interfaceNotFound(id);
  return found;
}

export function interfaceNotFound(id: string): SimulatedError {
  return new SimulatedError("InvalidNetworkInterfaceID.NotFound", `The networkInterface ID '${id}' does not exist`);
}

export function requireSubnet(world: World, id: string): Subnet {
  checkId("subnet", id, "InvalidSubnetID.Malformed");
  const found = world.state.subnets.get(id);
  if (!found) throw new SimulatedError("InvalidSubnetID.NotFound", `The subnet ID '${id}' does not exist`);
  return found;
}

export function requireVpc(world: World, id: string): Vpc {
  checkId("vpc", id, "InvalidVpcID.Malformed");
  const found = world.state.vpcs.get(id);
  if (!found) throw new SimulatedError("InvalidVpcID.NotFound", `The vpc ID '${id}' does not exist`);
  return found;
}

export function requireInstance(world: World, id: string): Instance {
  checkId("i", id, "InvalidInstanceID.Malformed");
  const found = world.state.instances.get(id);
  if (!found) throw new SimulatedError("InvalidInstanceID.NotFound", `The instance ID '${id}' does not exist`);
  return found;
}

export function requireSecurityGroup(world: World, id: string): SecurityGroup {
  checkId("sg", id, "InvalidGroupId.Malformed");
  const found = world.state.securityGroups.get(id);
  if (!found) throw new SimulatedError("InvalidGroup.NotFound", `The security group '${id}' does not exist`);
  return found;
}

export function requireRouteTable(world: World, id: string): RouteTable {
  checkId("rtb", id, "InvalidRouteTableId.Malformed");
  const found = world.state.routeTables.get(id);
  if (!found) throw new SimulatedError("InvalidRouteTableID.NotFound", `The routeTable ID '${id}' does not exist`);
  return found;
}

export function requireReservation(world: World, id: string): Reservation {
  checkId("scr", id, "InvalidSubnetCidrReservationID.Malformed");
  const found = world.state.reservations.get(id);
  if (!found) {
    throw new SimulatedError(
      "InvalidSubnetCidrReservationID.NotFound",
      `The subnet CIDR reservation ID '${id}' does not exist`,
    );
  }
  return found;
}

/** The groups of an interface in `vpcId`: those named, else the VPC's default group. */
export function securityGroupsFor(world: World, ids: readonly string[], vpcId: string): readonly string[] {
  const groups = [...new Set(ids)].map((id) => requireSecurityGroup(world, id));
  const elsewhere = groups.find((group) => group.vpcId !== vpcId);
  if (elsewhere) {
    throw new SimulatedError(
      "InvalidGroup.NotFound",
      `You have specified two resources that belong to different networks: ${elsewhere.id} is not in ${vpcId}`,
    );
  }
  if (groups.length > world.settings.securityGroupsPerInterface) {
    throw new SimulatedError(
      "SecurityGroupsPerInterfaceLimitExceeded",
      "You have exceeded the number of security groups allowed per network interface.",
    );
  }
  if (groups.length > 0) return groups.map((group) => group.id);
  const fallback = [...world.state.securityGroups.values()].find(
    (group) => group.vpcId === vpcId && group.name === "default",
  );
  return fallback ? [fallback.id] : [];
}

/** Interfaces that AWS manages or operates for a service refuse every change by the account. */
export function refuseManaged(found: NetworkInterface): void {
  if (found.requesterManaged || found.operator !== undefined) {
    throw new SimulatedError("OperationNotPermitted", "You are not allowed to manage 'ela-attach' attachments.");
  }
}
