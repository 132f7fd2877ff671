import { type Action, DONE, defineAction } from "../action.ts";
import { chooseAddresses, choosePrefixes, holdersOf, usableAddress, usablePrefix } from "../addresses.ts";
import { holdAddresses, holdPrefixes, releaseSome } from "../holding.ts";
import { formatAddress, formatRange } from "../ipv4.ts";
import { checkPrefixSupport, checkSlots, slotsOf } from "../limits.ts";
import { refuseManaged, required, requireInterface, requireSubnet } from "../lookups.ts";
import type { Fields } from "../parameters.ts";
import type { NetworkInterface, Subnet } from "../records.ts";
import { invalidCombination, invalidValue, missingParameter, SimulatedError } from "../simulated-error.ts";
import { findInterface, putInterface, type World } from "../state.ts";

const ASSIGN_SHAPE = {
  NetworkInterfaceId: "string",
  PrivateIpAddress: ["string"],
  SecondaryPrivateIpAddressCount: "integer",
  Ipv4Prefix: ["string"],
  Ipv4PrefixCount: "integer",
  AllowReassignment: "boolean",
} as const;

type AssignRequest = Fields<typeof ASSIGN_SHAPE>;

/** All or nothing: one address that cannot be assigned leaves the interface as it was. */
export const assignPrivateIpAddresses: Action = defineAction({
  name: "AssignPrivateIpAddresses",
  service: "ec2",
  kind: "mutating",
  hasDryRun: false,
  shape: ASSIGN_SHAPE,
  check: checkAssign,
  run(world, request) {
    const found = requireInterface(world, required(request.NetworkInterfaceId, "networkInterfaceId"));
    refuseManaged(found);
    if (found.interfaceType === "efa-only") {
      throw new SimulatedError("UnsupportedOperation", "EFA-only network interfaces do not support IP addresses.");
    }
    const subnet = requireSubnet(world, found.subnetId);
    const isPrefixes = request.Ipv4Prefix.length > 0 || request.Ipv4PrefixCount !== undefined;
    const added = isPrefixes
      ? assignPrefixes(world, found, subnet, request)
      : assignAddresses(world, found, subnet, request);
    const listed = (element: string) => added.map((value) => ({ [element]: value }));
    return {
      ...DONE,
      networkInterfaceId: found.id,
      assignedPrivateIpAddressesSet: isPrefixes ? undefined : listed("privateIpAddress"),
      assignedIpv4PrefixSet: isPrefixes ? listed("ipv4Prefix") : undefined,
    };
  },
});

function checkAssign(request: AssignRequest): void {
  required(request.NetworkInterfaceId, "networkInterfaceId");
  const ways = [
    request.PrivateIpAddress.length > 0,
    request.SecondaryPrivateIpAddressCount !== undefined,
    request.Ipv4Prefix.length > 0,
    request.Ipv4PrefixCount !== undefined,
  ].filter(Boolean).length;
  if (ways === 0) throw missingParameter("secondaryPrivateIpAddressCount");
  if (ways > 1) {
    throw invalidCombination(
      "Only one of privateIpAddress, secondaryPrivateIpAddressCount, ipv4Prefix and ipv4PrefixCount may be specified.",
    );
  }
  for (const name of ["SecondaryPrivateIpAddressCount", "Ipv4PrefixCount"] as const) {
    const count = request[name];
    if (count !== undefined && count < 1) throw invalidValue(`Value (${count}) for parameter ${name} is invalid.`);
  }
}

function assignAddresses(world: World, found: NetworkInterface, subnet: Subnet, request: AssignRequest): string[] {
  const texts = [...new Set(request.PrivateIpAddress)];
  const numbers = texts.map((text) => usableAddress(subnet, text));
  const own = texts.filter((text) => found.secondaryAddresses.includes(text));
  const count = request.SecondaryPrivateIpAddressCount ?? 0;
  checkSlots(world, found.attachment?.instanceId, slotsOf(found) + texts.length - own.length + count);
  const sources = numbers.length > 0 ? moves(world, found, subnet, numbers, request.AllowReassignment ?? false) : [];
  const chosen = chooseAddresses(world, subnet, count, new Set()).map(formatAddress);
  for (const source of sources) takeFrom(world, source, texts);
  const added = [...texts.filter((text) => !own.includes(text)), ...chosen];
  holdAddresses(world.state, found, added);
  putInterface(world, { ...found, secondaryAddresses: [...found.secondaryAddresses, ...added] });
  return [...texts, ...chosen];
}

/** The other interfaces that must give up addresses. Errors: InvalidParameterValue, Resource.AlreadyAssigned. */
function moves(
  world: World,
  found: NetworkInterface,
  subnet: Subnet,
  numbers: readonly number[],
  allowed: boolean,
): string[] {
  const holders = holdersOf(world.state, subnet.id);
  const held = numbers.filter((number) => holders.has(number));
  if (held.length > 0 && !allowed) {
    throw invalidValue(`[${held.map(formatAddress).join(", ")}] assigned, but move is not allowed.`);
  }
  const sources = new Set<string>();
  for (const number of held) {
    const holder = holders.get(number);
    const address = formatAddress(number);
    if (holder?.role === "primary") {
      throw invalidValue(`Address ${address} is not one of the secondary-addresses of interface ${holder.interfaceId}`);
    }
    if (holder?.role !== "secondary") {
      throw new SimulatedError("Resource.AlreadyAssigned", `The address ${address} is already assigned.`);
    }
    if (holder.interfaceId !== found.id) sources.add(holder.interfaceId);
  }
  return [...sources];
}

function takeFrom(world: World, sourceId: string, texts: readonly string[]): void {
  const source = findInterface(world.state, sourceId);
  if (!source) return;
  const moved = source.secondaryAddresses.filter((address) => texts.includes(address));
  releaseSome(world.state, source, moved);
  putInterface(world, {
    ...source,
    secondaryAddresses: source.secondaryAddresses.filter((address) => !moved.includes(address)),
  });
}

function assignPrefixes(world: World, found: NetworkInterface, subnet: Subnet, request: AssignRequest): string[] {
  checkPrefixSupport(world, found.attachment?.instanceId);
  const texts = [...new Set(request.Ipv4Prefix)];
  const count = request.Ipv4PrefixCount ?? 0;
  checkSlots(world, found.attachment?.instanceId, slotsOf(found) + texts.length + count);
  const holders = holdersOf(world.state, subnet.id);
  for (const text of texts) {
    const range = usablePrefix(subnet, text);
    for (let address = range.first; address < range.first + range.size; address += 1) {
      if (holders.has(address)) throw invalidValue(`[${text}] assigned, but move is not allowed.`);
    }
  }
  const added = [...texts, ...choosePrefixes(world, subnet, count, new Set()).map(formatRange)];
  holdPrefixes(world.state, found, added);
  putInterface(world, { ...found, prefixes: [...found.prefixes, ...added] });
  return added;
}

/** Only explicit lists; one address that is not there fails the whole call. */
export const unassignPrivateIpAddresses: Action = defineAction({
  name: "UnassignPrivateIpAddresses",
  service: "ec2",
  kind: "mutating",
  hasDryRun: false,
  shape: { NetworkInterfaceId: "string", PrivateIpAddress: ["string"], Ipv4Prefix: ["string"] } as const,
  check(request) {
    required(request.NetworkInterfaceId, "networkInterfaceId");
    if (request.PrivateIpAddress.length === 0 && request.Ipv4Prefix.length === 0)
      throw missingParameter("privateIpAddress");
  },
  run(world, request) {
    const found = requireInterface(world, required(request.NetworkInterfaceId, "networkInterfaceId"));
    refuseManaged(found);
    const addresses = new Set(request.PrivateIpAddress);
    const prefixes = new Set(request.Ipv4Prefix);
    if (found.primaryAddress !== "" && addresses.has(found.primaryAddress)) {
      throw invalidValue(
        `The primary private IP address ${found.primaryAddress} of interface ${found.id} cannot be unassigned`,
      );
    }
    const areAssigned =
      [...addresses].every((address) => found.secondaryAddresses.includes(address)) &&
      [...prefixes].every((prefix) => found.prefixes.includes(prefix));
    if (!areAssigned) throw invalidValue(`Some of the specified addresses are not assigned to interface ${found.id}`);
    releaseSome(world.state, found, [...addresses, ...prefixes]);
    putInterface(world, {
      ...found,
      secondaryAddresses: found.secondaryAddresses.filter((address) => !addresses.has(address)),
      prefixes: found.prefixes.filter((prefix) => !prefixes.has(prefix)),
    });
    return DONE;
  },
});
