import { type Action, defineAction, type Result } from "../action.ts";
import { choose6, hold6, release6, requireRange6, usableAddress6, usablePrefix6 } from "../ipv6-addresses.ts";
import { checkPrefixSupport, checkSlots6, slots6Of } from "../limits.ts";
import { refuseManaged, required, requireInterface, requireSubnet } from "../lookups.ts";
import type { Fields } from "../parameters.ts";
import { invalidCombination, invalidValue, missingParameter } from "../simulated-error.ts";
import { putInterface } from "../state.ts";

const ASSIGN_SHAPE = {
  NetworkInterfaceId: "string",
  Ipv6Addresses: ["string"],
  Ipv6AddressCount: "integer",
  Ipv6Prefix: ["string"],
  Ipv6PrefixCount: "integer",
} as const;

/** All or nothing; an IPv6 address never moves from one interface to another. */
export const assignIpv6Addresses: Action = defineAction({
  name: "AssignIpv6Addresses",
  service: "ec2",
  kind: "mutating",
  hasDryRun: false,
  shape: ASSIGN_SHAPE,
  check: checkAssign,
  run(world, request): Result {
    const found = requireInterface(world, required(request.NetworkInterfaceId, "networkInterfaceId"));
    refuseManaged(found);
    const isPrefixes = request.Ipv6Prefix.length > 0 || request.Ipv6PrefixCount !== undefined;
    if (isPrefixes) checkPrefixSupport(world, found.attachment?.instanceId);
    const subnet = requireSubnet(world, found.subnetId);
    requireRange6(subnet);
    const wanted = {
      addresses: request.Ipv6Addresses,
      addressCount: request.Ipv6AddressCount ?? 0,
      prefixes: request.Ipv6Prefix,
      prefixCount: request.Ipv6PrefixCount ?? 0,
    };
    const count = new Set([...wanted.addresses, ...wanted.prefixes]).size + wanted.addressCount + wanted.prefixCount;
    checkSlots6(world, found.attachment?.instanceId, slots6Of(found) + count);
    const added = choose6(world, subnet, wanted, (text) =>
      invalidValue(`[${text}] assigned, but move is not allowed.`),
    );
    hold6(world.state, found, added);
    putInterface(world, {
      ...found,
      ipv6Addresses: [...found.ipv6Addresses, ...added.addresses],
      ipv6Prefixes: [...found.ipv6Prefixes, ...added.prefixes],
    });
    return {
      networkInterfaceId: found.id,
      assignedIpv6Addresses: isPrefixes ? undefined : added.addresses,
      assignedIpv6PrefixSet: isPrefixes ? added.prefixes : undefined,
    };
  },
});

function checkAssign(request: Fields<typeof ASSIGN_SHAPE>): void {
  required(request.NetworkInterfaceId, "networkInterfaceId");
  const ways = [
    request.Ipv6Addresses.length > 0,
    request.Ipv6AddressCount !== undefined,
    request.Ipv6Prefix.length > 0,
    request.Ipv6PrefixCount !== undefined,
  ].filter(Boolean).length;
  if (ways === 0) throw missingParameter("ipv6AddressCount");
  if (ways > 1) {
    throw invalidCombination(
      "Only one of ipv6Addresses, ipv6AddressCount, ipv6Prefix and ipv6PrefixCount may be specified.",
    );
  }
  for (const name of ["Ipv6AddressCount", "Ipv6PrefixCount"] as const) {
    const count = request[name];
    if (count !== undefined && count < 1) throw invalidValue(`Value (${count}) for parameter ${name} is invalid.`);
  }
}

/** Only explicit lists; one that is not there fails the whole call. Answers with what it took away. */
export const unassignIpv6Addresses: Action = defineAction({
  name: "UnassignIpv6Addresses",
  service: "ec2",
  kind: "mutating",
  hasDryRun: false,
  shape: { NetworkInterfaceId: "string", Ipv6Addresses: ["string"], Ipv6Prefix: ["string"] } as const,
  check(request) {
    required(request.NetworkInterfaceId, "networkInterfaceId");
    if (request.Ipv6Addresses.length + request.Ipv6Prefix.length === 0) throw missingParameter("ipv6Addresses");
  },
  run(world, request): Result {
    const found = requireInterface(world, required(request.NetworkInterfaceId, "networkInterfaceId"));
    refuseManaged(found);
    const range = requireRange6(requireSubnet(world, found.subnetId));
    const addresses = [...new Set(request.Ipv6Addresses.map((text) => usableAddress6(range, text)))];
    const prefixes = [...new Set(request.Ipv6Prefix.map((text) => usablePrefix6(range, text)))];
    const areAssigned =
      addresses.every((text) => found.ipv6Addresses.includes(text)) &&
      prefixes.every((text) => found.ipv6Prefixes.includes(text));
    if (!areAssigned) throw invalidValue(`Some of the specified addresses are not assigned to interface ${found.id}`);
    release6(world.state, found, { addresses, prefixes });
    putInterface(world, {
      ...found,
      ipv6Addresses: found.ipv6Addresses.filter((text) => !addresses.includes(text)),
      ipv6Prefixes: found.ipv6Prefixes.filter((text) => !prefixes.includes(text)),
    });
    return {
      networkInterfaceId: found.id,
      unassignedIpv6Addresses: addresses,
      unassignedIpv6PrefixSet: prefixes,
    };
  },
});
