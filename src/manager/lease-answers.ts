import type { AddAnswer } from "../handoff/cni/port.ts";
import type { Attachment, Lease } from "../pool/index.ts";
import { networkOf } from "./networks.ts";
import type { NodeState } from "./node.ts";

/** The addresses of a lease, the IPv4 one first. */
export function addressesOf({ address, ipv6Address }: Lease): readonly string[] {
  return ipv6Address === undefined ? [address] : [address, ipv6Address];
}

export function answerOf(node: NodeState, { address, ipv6Address }: Lease): AddAnswer {
  const network = networkOf(node, address);
  const first = network === undefined ? { address } : { address, network };
  if (ipv6Address === undefined) return first;
  const ipv6Network = networkOf(node, ipv6Address);
  return ipv6Network === undefined ? { ...first, ipv6Address } : { ...first, ipv6Address, ipv6Network };
}

/** NUL cannot be part of an environment variable, so no two attachments share a key. */
export function attachmentKey(attachment: Attachment): string {
  return `${attachment.network}\0${attachment.containerId}\0${attachment.interfaceName}`;
}
