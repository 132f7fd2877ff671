import ipaddr from "ipaddr.js";

/** Whether one of these blocks is another one and shares addresses with it: only one of two such can be in a pool. */
export function overlapsAnother(cidr: string, blocks: Iterable<string>): boolean {
  const network = cidr.slice(0, cidr.indexOf("/"));
  for (const other of blocks) {
    if (other !== cidr && (covers(other, network) || covers(cidr, other.slice(0, other.indexOf("/"))))) return true;
  }
  return false;
}

/** Whether a block contains an address; never of the other family. */
export function covers(cidr: string, address: string): boolean {
  // By far the most frequent question needs no parsing.
  if (cidr.endsWith("/32")) return cidr.slice(0, -3) === address;
  if (cidr.includes(":") !== address.includes(":") || address.startsWith("eni-")) return false;
  const [network, length] = ipaddr.parseCIDR(cidr);
  const parsed = ipaddr.parse(address);
  return parsed.kind() === network.kind() && parsed.match(network, length);
}
