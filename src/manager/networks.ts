import { gatewayOf } from "../configuration/index.ts";
import type { AddressNetwork } from "../handoff/cni/port.ts";
import { familyOf } from "../pool/index.ts";
import type { NodeState } from "./node.ts";
import { rangeOf } from "./range-layout.ts";

/**
 * On EC2 the router of the subnet cannot answer inside of a pod, so the node itself is every pod's gateway, and the same
 * one for all; a plugin like ptp gives the address to its end of each pod. For IPv4 it must be of the subnet, or the
 * kernel refuses a route over it ("network is unreachable"), and nobody else's: the fourth address, which AWS reserves
 * in each subnet "for future use". The router's own would cut the node off.
 */
const EC2_IPV4_GATEWAY_OFFSET = 3;
const EC2_IPV6_GATEWAY = "fe80::1";
/** Subnets of EC2 have IPv6 CIDRs of this length, unless they were made with a shorter one; either serves a pod. */
const EC2_IPV6_PREFIX_LENGTH = 64;

/** The network that a pod's address is of; undefined where it is not known. */
export function networkOf(node: NodeState, address: string): AddressNetwork | undefined {
  const block = node.pool.blockOf(address);
  if (block === undefined) return undefined;
  const family = familyOf(address);
  if (block.kind === "node-cidr") return networkOfRange(rangeOf(node.settings.values.podCIDRs, address) ?? block.cidr);
  if (node.hasRanges) return networkOfFixed(node, address);
  if (family === "ipv6") return { prefixLength: EC2_IPV6_PREFIX_LENGTH, gateway: EC2_IPV6_GATEWAY };
  return networkOfSubnet(node.interfaces.get(block.interfaceId)?.subnetCidr ?? "");
}

/** Subnets of EC2 are /16 to /28, so the last byte of the first address leaves room. */
function networkOfSubnet(subnetCidr: string): AddressNetwork | undefined {
  const [, start, last, length] = /^(\d+\.\d+\.\d+\.)(\d+)\/(\d+)$/.exec(subnetCidr) ?? [];
  if (start === undefined) return undefined;
  return { prefixLength: Number(length), gateway: `${start}${Number(last) + EC2_IPV4_GATEWAY_OFFSET}` };
}

/**
 * A fixed address is of the range that its rule names, whichever node it is on. The gateway is of that range too, and every
 * node is it: a plugin like ptp gives it to its end of each pod.
 */
function networkOfFixed({ settings }: NodeState, address: string): AddressNetwork | undefined {
  const range = rangeOf(
    settings.values.fixed.flatMap(({ addresses = [] }) => addresses),
    address,
  );
  return range === undefined ? undefined : networkOfRange(range);
}

/** A range so small that it has no gateway (/31, /32) leaves its addresses to stand alone. */
function networkOfRange(range: string): AddressNetwork | undefined {
  const gateway = gatewayOf(range);
  return gateway === undefined ? undefined : { prefixLength: Number(range.split("/")[1]), gateway };
}
