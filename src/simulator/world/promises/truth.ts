import type { NetworkInterface, SimulatedCloud } from "../../index.ts";
import { covers } from "./cidr.ts";

/** Secondary addresses and prefixes of both families as CIDRs. */
export function blocksOf(one: NetworkInterface): readonly string[] {
  return [...one.secondaryAddresses.map((address) => `${address}/32`), ...one.prefixes, ...one.ipv6Prefixes];
}

/** The interface on which EC2 has a pod's address now. */
export function carrierOf(cloud: SimulatedCloud, instanceId: string, address: string): NetworkInterface | undefined {
  if (address.includes(":")) {
    const carries = ({ ipv6Prefixes }: NetworkInterface) => ipv6Prefixes.some((cidr) => covers(cidr, address));
    return cloud.interfacesOf(instanceId).find(carries);
  }
  const id = cloud.ownerOf(address);
  return id === undefined ? undefined : cloud.interface(id);
}

/** IPv4 slots of an interface in use beside its primary address: a prefix takes one as a single address does. */
export function slotsTaken({ secondaryAddresses, prefixes }: NetworkInterface): number {
  return secondaryAddresses.length + prefixes.length;
}
