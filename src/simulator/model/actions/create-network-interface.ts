import { defineAction } from "../action.ts";
import {
  chooseAddresses,
  choosePrefixes,
  freeBeside,
  holdersOf,
  insufficientAddresses,
  usableAddress,
  usablePrefix,
} from "../addresses.ts";
import { holdAll } from "../holding.ts";
import { interfaceResult } from "../interface-result.ts";
import { formatAddress, formatRange, type Range } from "../ipv4.ts";
import { choose6, type Wanted6 } from "../ipv6-addresses.ts";
import { checkSlots, checkSlots6, slots6Of, slotsOf } from "../limits.ts";
import { required, requireSubnet, securityGroupsFor } from "../lookups.ts";
import { drawMac } from "../mac.ts";
import type { Fields } from "../parameters.ts";
import type { NetworkInterface, Subnet } from "../records.ts";
import { readTagSpecifications, TAG_SPECIFICATION_SHAPE } from "../request-tags.ts";
import { invalidCombination, invalidValue, SimulatedError } from "../simulated-error.ts";
import { drawId, putInterface, type World } from "../state.ts";

const SHAPE = {
  SubnetId: "string",
  Description: "string",
  PrivateIpAddress: "string",
  SecurityGroupId: ["string"],
  SecondaryPrivateIpAddressCount: "integer",
  PrivateIpAddresses: [{ PrivateIpAddress: "string", Primary: "boolean" }],
  Ipv4PrefixCount: "integer",
  Ipv4Prefix: [{ Ipv4Prefix: "string" }],
  Ipv6AddressCount: "integer",
  Ipv6Addresses: [{ Ipv6Address: "string" }],
  Ipv6PrefixCount: "integer",
  Ipv6Prefix: [{ Ipv6Prefix: "string" }],
  InterfaceType: "string",
  TagSpecification: TAG_SPECIFICATION_SHAPE,
  ClientToken: "string",
} as const;

type Request = Fields<typeof SHAPE>;

const COUNTS = ["SecondaryPrivateIpAddressCount", "Ipv4PrefixCount", "Ipv6AddressCount", "Ipv6PrefixCount"] as const;
const INTERFACE_TYPES = ["interface", "efa", "efa-only", "branch", "trunk"];
const MAX_CLIENT_TOKENS = 50_000;

export const createNetworkInterface = defineAction({
  name: "CreateNetworkInterface",
  service: "ec2",
  kind: "mutating",
  shape: SHAPE,
  check,
  run(world, request) {
    const token = request.ClientToken;
    const fingerprint = JSON.stringify({ ...request, ClientToken: undefined });
    const earlier = token === undefined ? undefined : world.state.clientTokens.get(token);
    if (earlier && earlier.fingerprint !== fingerprint) {
      throw new SimulatedError(
        "IdempotentParameterMismatch",
        "The request uses the same client token as a previous, but non-identical request.",
      );
    }
    const created = earlier ? latest(world, earlier.created) : create(world, request);
    if (token !== undefined && !earlier) remember(world, token, fingerprint, created);
    const shown = interfaceResult(world.state, created);
    return { networkInterface: earlier ? shown : { ...shown, status: "pending" }, clientToken: token };
  },
});

function check(request: Request): void {
  required(request.SubnetId, "subnetId");
  if (request.ClientToken !== undefined && !/^[\x20-\x7e]{1,64}$/.test(request.ClientToken)) {
    throw new SimulatedError("InvalidClientToken", "The client token is not valid.");
  }
  if (request.InterfaceType !== undefined && !INTERFACE_TYPES.includes(request.InterfaceType)) {
    throw invalidValue(`Value (${request.InterfaceType}) for parameter interfaceType is invalid.`);
  }
  for (const name of COUNTS) {
    if ((request[name] ?? 0) < 0) throw invalidValue(`Value (${request[name]}) for parameter ${name} is invalid.`);
  }
  const ways = [
    request.SecondaryPrivateIpAddressCount !== undefined,
    request.PrivateIpAddresses.some((one) => one.Primary !== true),
    request.Ipv4PrefixCount !== undefined,
    request.Ipv4Prefix.length > 0,
  ];
  if (ways.filter(Boolean).length > 1) {
    throw invalidCombination(
      "Only one of secondaryPrivateIpAddressCount, secondary privateIpAddresses, ipv4PrefixCount and ipv4Prefixes may be specified.",
    );
  }
  const ways6 = [
    request.Ipv6AddressCount !== undefined,
    request.Ipv6Addresses.length > 0,
    request.Ipv6PrefixCount !== undefined,
    request.Ipv6Prefix.length > 0,
  ];
  if (ways6.filter(Boolean).length > 1) {
    throw invalidCombination(
      "Only one of ipv6AddressCount, ipv6Addresses, ipv6PrefixCount and ipv6Prefixes may be specified.",
    );
  }
  const primaries = request.PrivateIpAddresses.filter((one) => one.Primary === true);
  if (primaries.length + (request.PrivateIpAddress === undefined ? 0 : 1) > 1) {
    throw invalidCombination("Only one primary private IP address can be specified.");
  }
}

function create(world: World, request: Request): NetworkInterface {
  const subnet = requireSubnet(world, required(request.SubnetId, "subnetId"));
  const groups = securityGroupsFor(world, request.SecurityGroupId, subnet.vpcId);
  const tags = readTagSpecifications(request.TagSpecification, "network-interface");
  if (world.state.index.living >= world.settings.interfaceQuota) {
    throw new SimulatedError(
      "NetworkInterfaceLimitExceeded",
      `The maximum number of network interfaces ${world.settings.interfaceQuota} is reached.`,
    );
  }
  const chosen = request.InterfaceType === "efa-only" ? NO_ADDRESSES : choose(world, subnet, request);
  const chosen6 = choose6(world, subnet, wanted6(request), inUse);
  const id = drawId(world, "eni");
  const created: NetworkInterface = {
    id,
    mac: drawMac(world),
    subnetId: subnet.id,
    vpcId: subnet.vpcId,
    zone: subnet.zone,
    description: request.Description ?? "",
    status: "available",
    primaryAddress: chosen.primary === undefined ? "" : formatAddress(chosen.primary),
    secondaryAddresses: chosen.secondaries.map(formatAddress),
    prefixes: chosen.prefixes.map(formatRange),
    ipv6Addresses: chosen6.addresses,
    ipv6Prefixes: chosen6.prefixes,
    securityGroups: groups,
    sourceDestCheck: true,
    interfaceType: request.InterfaceType ?? "interface",
    requesterId: "AROAENIDSIMULATOR0000",
    requesterManaged: false,
    operator: undefined,
    attachment: undefined,
    tags,
    visibleFromMs: world.nowMs + world.settings.notFoundAfterCreateMs / world.settings.speed,
  };
  checkSlots(world, undefined, slotsOf(created));
  checkSlots6(world, undefined, slots6Of(created));
  holdAll(world.state, created);
  return putInterface(world, created);
}

interface ChosenAddresses {
  /** Undefined: the interface has no addresses at all. */
  readonly primary: number | undefined;
  readonly secondaries: readonly number[];
  readonly prefixes: readonly Range[];
}

/** An `efa-only` interface carries no IP. */
const NO_ADDRESSES: ChosenAddresses = { primary: undefined, secondaries: [], prefixes: [] };

function wanted6(request: Request): Wanted6 {
  return {
    addresses: request.Ipv6Addresses.map((one) => required(one.Ipv6Address, "ipv6Address")),
    prefixes: request.Ipv6Prefix.map((one) => required(one.Ipv6Prefix, "ipv6Prefix")),
    addressCount: request.Ipv6AddressCount ?? 0,
    prefixCount: request.Ipv6PrefixCount ?? 0,
  };
}

function inUse(): SimulatedError {
  return new SimulatedError("InvalidIPAddress.InUse", "The specified address is already in use.");
}

/** The addresses of the new interface: all of them free and different, none taken yet. */
function choose(world: World, subnet: Subnet, request: Request): ChosenAddresses {
  const holders = holdersOf(world.state, subnet.id);
  const explicit = new Set<number>();
  const claim = (text: string): number => {
    const address = usableAddress(subnet, text);
    if (holders.has(address) || explicit.has(address)) throw inUse();
    explicit.add(address);
    return address;
  };
  const literal = (one: { PrivateIpAddress: string | undefined }) =>
    claim(required(one.PrivateIpAddress, "privateIpAddress"));
  const primaryText =
    request.PrivateIpAddress ?? request.PrivateIpAddresses.find((one) => one.Primary)?.PrivateIpAddress;
  const claimedPrimary = primaryText === undefined ? undefined : claim(primaryText);
  const secondaries = request.PrivateIpAddresses.filter((one) => one.Primary !== true).map(literal);
  const prefixes = request.Ipv4Prefix.map((one) => claimPrefix(subnet, required(one.Ipv4Prefix, "ipv4Prefix"), claim));
  if (claimedPrimary === undefined && freeBeside(world.state, subnet, explicit) === 0) throw insufficientAddresses();

  // Prefixes first: they need whole blocks, the primary address takes any place that is left.
  for (const range of choosePrefixes(world, subnet, request.Ipv4PrefixCount ?? 0, explicit)) {
    prefixes.push(range);
    for (let offset = 0; offset < range.size; offset += 1) explicit.add(range.first + offset);
  }
  const wanted = (request.SecondaryPrivateIpAddressCount ?? 0) + (claimedPrimary === undefined ? 1 : 0);
  const chosen = chooseAddresses(world, subnet, wanted, explicit);
  const primary = claimedPrimary ?? chosen.shift() ?? 0;
  return { primary, secondaries: [...secondaries, ...chosen], prefixes };
}

function claimPrefix(subnet: Subnet, text: string, claim: (text: string) => number): Range {
  const range = usablePrefix(subnet, text);
  for (let offset = 0; offset < range.size; offset += 1) claim(formatAddress(range.first + offset));
  return range;
}

function latest(world: World, created: NetworkInterface): NetworkInterface {
  return world.state.interfaces.get(created.id)?.at(-1)?.record ?? created;
}

function remember(world: World, token: string, fingerprint: string, created: NetworkInterface): void {
  const { clientTokens } = world.state;
  clientTokens.set(token, { fingerprint, created });
  const oldest = clientTokens.keys().next();
  if (clientTokens.size > MAX_CLIENT_TOKENS && !oldest.done) clientTokens.delete(oldest.value);
}
