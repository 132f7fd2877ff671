import { IPV6_WINDOW, type Settings } from "../configuration/index.ts";
import type { GivenAddresses } from "../planning/index.ts";
import { type BlockCounts, type Families, type Family, familyOf, type Pool } from "../pool/index.ts";

/** Addresses as the watermarks count them. */
export interface Supply {
  readonly available: number;
  readonly used: number;
  readonly free: number;
}

interface RangesOfNode {
  readonly pool: Pool;
  readonly settings: Settings;
}

/** Addresses of the ranges that pods get addresses of, no more of them than max-allocate allows. */
export function rangeSupply({ pool, settings }: RangesOfNode, family: Family): Supply {
  const { total, free, leased, cooling } = pool.usableCounts(family);
  const most = settings.values["max-allocate"] || Number.POSITIVE_INFINITY;
  const available = Math.min(total, most);
  return {
    available,
    used: Math.min(leased + cooling, available),
    free: Math.max(0, Math.min(free, most - pool.leaseCount)),
  };
}

/** Most pods that can have their addresses at once. */
export function rangeCapacity(node: RangesOfNode): number {
  const [first, other] = familiesOf(node);
  const { available } = rangeSupply(node, first);
  return other === undefined ? available : Math.min(available, rangeSupply(node, other).available);
}

/** Of the families that a pod gets an address of, the one that runs out first. */
export function scarcerFamily(node: RangesOfNode): Family {
  const [first, other] = familiesOf(node);
  if (other === undefined) return first;
  return node.pool.usableCounts(other).free < node.pool.usableCounts(first).free ? other : first;
}

/** What planning is told of the ranges: of the family that runs out first. */
export function givenAddresses(node: RangesOfNode): GivenAddresses {
  const family = scarcerFamily(node);
  const { leased, cooling, free } = node.pool.usableCounts(family);
  const ranges = node.settings.values.podCIDRs.filter((range) => familyOf(range) === family);
  const blocks = [...node.pool.blocks()].filter(
    ({ block }) => block.kind === "node-cidr" && familyOf(block.cidr) === family,
  );
  return {
    ranges,
    free: rangeSupply(node, family).free,
    unused: free,
    leased,
    cooling,
    reserved: sum(blocks.filter(({ usable }) => usable).map(reservedOf)),
    draining: sum(blocks.filter(({ usable }) => !usable).map((block) => block.leased + block.cooling)),
  };
}

/** How many addresses of a block no pod gets, of an IPv6 one those of its window. */
export function reservedOf({ block, total }: BlockCounts): number {
  const bits = familyOf(block.cidr) === "ipv6" ? 128 : 32;
  const size = 2 ** (bits - Number(block.cidr.split("/")[1]));
  return Math.min(size, bits === 128 ? IPV6_WINDOW : size) - total;
}

const FAMILIES = {
  ipv4: ["ipv4"],
  ipv6: ["ipv6"],
  dual: ["ipv4", "ipv6"],
} as const satisfies Record<Families, readonly [Family, Family?]>;

function familiesOf({ settings }: RangesOfNode): readonly [Family, Family?] {
  return FAMILIES[settings.values["ip-families"]];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
