import { type Block, familyOf } from "../pool/index.ts";
import type { NodeState } from "./node.ts";
import type { InterfaceRecord, Observation, ObservedInterface } from "./ports/index.ts";

export function isIpv6(cidr: string): boolean {
  return familyOf(cidr) === "ipv6";
}

/** A block of EC2: single addresses are /32, everything else is a delegated prefix. */
export function blockOf(cidr: string, interfaceId: string): Block {
  return { cidr, interfaceId, kind: cidr.endsWith("/32") && !isIpv6(cidr) ? "address" : "prefix" };
}

/** Everything on the interface that pods can have but its primary address, as canonical CIDRs. */
export function observedCidrs(observed: ObservedInterface): string[] {
  return [
    ...observed.addresses.map((address) => `${address}/32`),
    ...observed.prefixes,
    ...(observed.ipv6Prefixes ?? []),
  ];
}

/** Keeps which addresses the devices of the node have, where that was looked at. */
export function noteOwnAddresses(node: NodeState, { nodeAddresses }: Pick<Observation, "nodeAddresses">): void {
  if (nodeAddresses === undefined) return;
  const seen = new Map(nodeAddresses.map(({ address, device }) => [address, device]));
  const known = node.ownAddresses;
  const isSame = known.size === seen.size && [...seen.keys()].every((address) => known.has(address));
  if (!isSame) node.ownAddresses = seen;
}

/** Of observations that are never changed, so one that is looked at again, as metadata's mostly are, is not read again. */
const CIDRS_SEEN = new WeakMap<ObservedInterface, ReadonlySet<string>>();

/** The same with its primary address. */
export function cidrsSeenOn(observed: ObservedInterface): ReadonlySet<string> {
  const known = CIDRS_SEEN.get(observed);
  if (known !== undefined) return known;
  const seen = new Set([...observedCidrs(observed), `${observed.primaryAddress}/32`]);
  CIDRS_SEEN.set(observed, seen);
  return seen;
}

/** The record to keep, the very same where metadata brings nothing new: EC2 knows all of it; metadata knows neither attachment, maker nor tags. */
export function mergeRecord(
  known: InterfaceRecord | undefined,
  observed: ObservedInterface,
  fromCloud: boolean,
): InterfaceRecord {
  if (known !== undefined && !fromCloud) {
    const { securityGroups } = observed;
    const isNew = securityGroups.length > 0 && !sameList(securityGroups, known.securityGroups);
    return isNew ? { ...known, securityGroups } : known;
  }
  const {
    attached: _attached,
    addresses: _addresses,
    prefixes: _prefixes,
    ipv6Prefixes: _ipv6Prefixes,
    ...record
  } = observed;
  if (known === undefined) return record;
  return {
    ...record,
    subnetCidr: record.subnetCidr || known.subnetCidr,
    attachmentId: record.attachmentId || known.attachmentId,
  };
}

function sameList(one: readonly string[], other: readonly string[]): boolean {
  return one === other || (one.length === other.length && one.every((item, index) => item === other[index]));
}
