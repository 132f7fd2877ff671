/**
 * Node-port traffic: a connection from outside to the node that comes in on the primary device must be answered over it,
 * also when a pod of another interface answers. Its first packet leaves a mark with the connection, which the packets
 * of the answer get back; the rule of priority 109 sends them by the main table.
 *
 * In an nft table of enid's own: it is set and replaced in one transaction and nobody else writes to it, while the
 * chains of iptables are shared, flushed and restored by others.
 */

/** The bit that Cilium and Amazon's plugin use for the same thing. */
export const NODE_PORT_MARK = "0x80";

const TABLE = "enid_node_port";
export const TABLE_ARGUMENTS = ["inet", TABLE] as const;

/** The input of `nft -f -` that puts the marks in place, whatever was there before. */
export function setMarks(device: string): string {
  const [set, restored] = comments(device);
  const primary = JSON.stringify(device);
  return [
    `table inet ${TABLE}`,
    `delete table inet ${TABLE}`,
    `table inet ${TABLE} {`,
    "  chain prerouting {",
    "    type filter hook prerouting priority mangle; policy accept;",
    `    iifname ${primary} fib daddr . iif type local ct state new ct mark set ct mark | ${NODE_PORT_MARK} comment "${set}"`,
    `    iifname != ${primary} ct direction reply ct mark & ${NODE_PORT_MARK} == ${NODE_PORT_MARK} meta mark set meta mark | ${NODE_PORT_MARK} comment "${restored}"`,
    "  }",
    "}",
    "",
  ].join("\n");
}

/** The input of `nft -f -` that removes them, whether they are there or not. */
export function removeMarks(): string {
  return `table inet ${TABLE}\ndelete table inet ${TABLE}\n`;
}

/** The device that the marks are of, as `nft -j list table` shows them; empty unless they are whole. */
export function markedDevice(listing: string): string {
  const found = commentsOf(listing);
  const device = found[0]?.split(" ").at(-1) ?? "";
  const wanted = comments(device);
  return found.length === wanted.length && found.every((comment, at) => comment === wanted[at]) ? device : "";
}

/** The comments tell the version too: marks of an older form are replaced. */
function comments(device: string): readonly [string, string] {
  return [`enid 1: connections of ${device}`, `enid 1: answers to ${device}`];
}

function commentsOf(listing: string): readonly string[] {
  try {
    const { nftables } = JSON.parse(listing) as { nftables: readonly { rule?: { comment?: string } }[] };
    return nftables.flatMap(({ rule }) => (rule === undefined ? [] : [rule.comment ?? ""]));
  } catch {
    return [];
  }
}
