import type { AddressNetwork } from "../handoff/cni/port.ts";
import { familyOf } from "../pool/index.ts";
import type { NodeState } from "./node.ts";

/**
 * Link-local, as Amazon's VPC CNI has it: on EC2 the router of the subnet cannot answer inside of a pod, so the node
 * itself is every pod's gateway, and the same one for all.
 */
const NODE_GATEWAY = { ipv4: "169.254.1.1", ipv6: "fe80::1" } as const;
/** Subnets of EC2 have IPv6 CIDRs of this length, unless they were made with a shorter one; either serves a pod. */
const EC2_IPV6_PREFIX_LENGTH = 64;

/** The network that a pod's address is of; undefined where it is not known. */
export function networkOf(node: NodeState, address: string): AddressNetwork | undefined {
  const block = node.pool.blockOf(address);
  if (block === undefined) return undefined;
  const family = familyOf(address);
  if (block.kind === "node-cidr") return undefined;
  if (family === "ipv6") return { prefixLength: EC2_IPV6_PREFIX_LENGTH, gateway: NODE_GATEWAY.ipv6 };
  const subnetCidr = node.interfaces.get(block.interfaceId)?.subnetCidr ?? "";
  const prefixLength = Number(subnetCidr.split("/")[1]);
  return Number.isInteger(prefixLength) ? { prefixLength, gateway: NODE_GATEWAY.ipv4 } : undefined;
}
