import { gatewayOf, originText, reservedIn } from "../configuration/index.ts";
import { type BlockCounts, type Counts, cidrHolds, cidrsOverlap, familyOf } from "../pool/index.ts";
import type { NodeState } from "./node.ts";
import { rangeOf } from "./range-layout.ts";
import { reservedOf } from "./range-supply.ts";
import type { RangeReport } from "./reports.ts";

const NONE: Counts = { total: 0, free: 0, leased: 0, cooling: 0, releasing: 0 };

/** The node's ranges as they are in the pool, in the order of podCIDRs; those that drain come last. */
export function rangeReports(node: NodeState): RangeReport[] {
  const ranges = node.settings.values.podCIDRs;
  const blocks = [...node.pool.blocks()].filter(({ block }) => block.kind === "node-cidr");
  const named = ranges.flatMap((range) => {
    const parts = blocks.filter(({ block, usable }) => usable && cidrsOverlap(range, block.cidr));
    return parts.length > 0 ? parts.map((part) => report(node, part)) : [joining(range)];
  });
  const draining = blocks.filter(({ usable }) => !usable).map((block) => report(node, block));
  // A block that two ranges cut up stands with the first of them.
  return [...new Map([...named, ...draining].map((one) => [one.cidr, one])).values()];
}

function report(node: NodeState, counts: BlockCounts): RangeReport {
  const { block, usable, free, leased, cooling, releasing, total } = counts;
  const { podCIDRs } = node.settings.values;
  const range = rangeOf(podCIDRs, block.cidr);
  return {
    cidr: block.cidr,
    state: usable ? "serving" : "draining",
    ...(range === undefined || range === block.cidr ? {} : { partOf: range }),
    gateway: gatewayOf(range ?? block.cidr),
    counts: { total, free, leased, cooling, releasing },
    reserved: reservedOf(counts),
    own: [...node.ownAddresses]
      .filter(([address]) => cidrHolds(block.cidr, address))
      .map(([address, device]) => ({ address, device })),
  };
}

function joining(cidr: string): RangeReport {
  return { cidr, state: "joining", gateway: gatewayOf(cidr), counts: NONE, reserved: 0, own: [] };
}

/** Why an address of the node's ranges is for no pod; undefined when it is for one, or of no range. */
export function withheldBecause({ settings, ownAddresses }: NodeState, address: string): string | undefined {
  const { podCIDRs, "excluded-addresses": excluded } = settings.values;
  const range = rangeOf(podCIDRs, address);
  if (range === undefined) return undefined;
  const device = ownAddresses.get(address);
  if (device !== undefined) return `the node itself has it, on ${device}`;
  if (!reservedIn(range, excluded).includes(address)) return undefined;
  const by = excluded.find((one) => cidrHolds(one, address));
  if (by !== undefined) return `excluded-addresses names ${by}`;
  if (address === gatewayOf(range)) return `it is the gateway of ${range}`;
  if (familyOf(address) === "ipv6") return `it is the first address of ${range}, which is that of its routers`;
  return `it is the network or broadcast address of ${range}`;
}

/** What there is to say of an address that is, or was, of a range of the node. */
export function rangeReasons(node: NodeState, address: string): string[] {
  const { values, origins } = node.settings;
  const range = rangeOf(values.podCIDRs, address);
  if (range === undefined) {
    return [
      `${address} is of ${node.pool.blockOf(address)?.cidr ?? "a range"}, which podCIDRs no longer names: no other pod gets it`,
    ];
  }
  const withheld = withheldBecause(node, address);
  return [
    `${address} is of ${range}, which podCIDRs (${originText(origins.podCIDRs)}) gives the node`,
    ...(withheld === undefined ? [] : [`no other pod gets ${address}: ${withheld}`]),
  ];
}
