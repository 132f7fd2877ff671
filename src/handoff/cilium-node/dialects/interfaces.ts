import { type Fields, fieldsOf, listOf, textOf } from "../merge-patch.ts";
import type { AgentOffer, OfferedInterface } from "../port.ts";
import { covers } from "../ranges.ts";
import type { CiliumNode } from "../resource.ts";
import type { Spoken } from "./detecting.ts";

export type SpokenBy = Pick<Spoken, "dialect" | "isMoving">;

/**
 * `status.eni.enis` as the agents of ipam eni want it. They reject the whole CiliumNode when an interface has no VPC, an empty
 * CIDR of it, no address or no subnet (pkg/ipam/crd.go and pkg/aws/eni/types of Cilium 1.17 to 1.20).
 *
 * An interface or address that a pod has stays, whatever is offered: to withdraw it would not make it the node's again.
 * What is in the pool stays until it has left that (`keepsPool`): agents reject a pool with addresses of no interface.
 */
export function interfacesFor(offer: AgentOffer, node: CiliumNode, by: SpokenBy, keepsPool: boolean): Fields {
  const isLate = (id: string, address: string) =>
    (keepsPool && node.pool.get(address) === id) || (!isOfAnother(offer, node) && isInUse(node, address, by));
  const wanted: Record<string, Fields> = {};
  for (const one of offer.interfaces) wanted[one.id] = interfaceFor(offer, one, node, isLate);
  for (const [id, before] of Object.entries(node.interfaces)) {
    if (wanted[id] !== undefined) continue;
    if (listOf(before.addresses).some((address) => isLate(id, textOf(address)))) wanted[id] = before;
  }
  return wanted;
}

/**
 * What is offered to an agent of 1.20, which could take anew what it gave up as long as it sees it: not what is wanted back of
 * that, and not what is on its way back.
 */
export function offeredTo(offer: AgentOffer, { allocated }: CiliumNode, { dialect, isMoving }: SpokenBy): AgentOffer {
  const withheld = new Set(
    [...(isMoving ? [] : offer.wantedBack), ...offer.leaving].filter((address) => !covers(allocated, address)),
  );
  if (dialect !== "eni-1.20" || withheld.size === 0) return offer;
  const interfaces = offer.interfaces.map((one) => ({
    ...one,
    addresses: one.addresses.filter((address) => !withheld.has(address)),
    prefixes: one.prefixes.filter((prefix) => !withheld.has(prefix.slice(0, prefix.indexOf("/")))),
  }));
  return { ...offer, interfaces };
}

/** Prefixes, and single addresses that are of none. */
export function blocksOf({ interfaces }: AgentOffer): readonly string[] {
  return interfaces.flatMap(({ prefixes, addresses }) => [
    ...prefixes,
    ...addresses.filter((address) => !covers(prefixes, address)).map((address) => `${address}/32`),
  ]);
}

/** The resource is left from another instance of this name: nothing of it is this one's. */
export function isOfAnother({ instanceId }: AgentOffer, node: CiliumNode): boolean {
  return node.instanceId !== "" && node.instanceId !== instanceId;
}

/**
 * A pod has it; while one agent follows the other, also what the newer one has taken. Otherwise what is in `allocated` and not
 * offered is on no interface by EC2's word, and a pod that got it would reach nothing.
 */
export function isInUse({ used, allocated }: CiliumNode, address: string, by: SpokenBy): boolean {
  const isOlder = by.isMoving || by.dialect !== "eni-1.20";
  return (isOlder && used.has(address)) || (by.isMoving && covers(allocated, address));
}

function interfaceFor(
  offer: AgentOffer,
  one: OfferedInterface,
  node: CiliumNode,
  isLate: (id: string, address: string) => boolean,
): Fields {
  const { availabilityZone, vpcId, vpcCidrs } = offer;
  const [primary = "", ...others] = vpcCidrs.filter((cidr) => cidr !== "");
  const before = node.interfaces[one.id];
  const stuck = listOf(before?.addresses)
    .map(textOf)
    .filter((address) => !one.addresses.includes(address) && isLate(one.id, address));
  const prefixes = listOf(before?.prefixes)
    .map(textOf)
    .filter((prefix) => !one.prefixes.includes(prefix) && stuck.some((address) => covers([prefix], address)));
  return {
    id: one.id,
    ip: one.primaryAddress,
    mac: one.mac,
    "availability-zone": availabilityZone,
    description: "served by enid",
    number: one.deviceIndex,
    subnet: { id: one.subnetId, cidr: one.subnetCidr },
    vpc: { id: vpcId, "primary-cidr": primary, ...(others.length === 0 ? {} : { cidrs: others }) },
    addresses: [...one.addresses, ...stuck],
    ...listed("prefixes", [...one.prefixes, ...prefixes]),
    ...listed("ipv6-prefixes", one.ipv6Prefixes),
    "security-groups": [...one.securityGroups],
    // Not enid's to read here; agents leave out interfaces by them, and those are offered by no enid.
    tags: fieldsOf(before?.tags),
  };
}

function listed(key: string, values: readonly string[]): Fields {
  return values.length === 0 ? {} : { [key]: [...values] };
}
