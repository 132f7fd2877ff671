import type { Random } from "../adapters/index.ts";
import { reservedIn } from "../configuration/index.ts";
import { EnidError } from "../errors.ts";
import { cidrHolds } from "../pool/index.ts";
import { fixedAt } from "./fixed-held.ts";
import type { FixedPod } from "./fixed-rules.ts";
import { LIMITS } from "./limits.ts";
import type { NodeState } from "./node.ts";

/** An address that a pod without one could have for life. */
export interface Candidate {
  readonly address: string;
  /** Empty on-premises. */
  readonly subnetId: string;
}

/**
 * A single address of the node that is free for any pod: not of a prefix, which cannot move by itself, and not the primary
 * one of an interface, which never does. `asked`: it must be this one.
 */
export function freeSingle(node: NodeState, { ranges }: FixedPod, asked: string | undefined): Candidate | undefined {
  for (const { block, usable, free } of node.pool.blocks()) {
    if (block.kind !== "address" || !usable || free !== 1 || block.found === true) continue;
    const record = node.interfaces.get(block.interfaceId);
    const address = block.cidr.slice(0, -"/32".length);
    if (record === undefined || record.primaryAddress === address) continue;
    if (node.pool.interface(record.id)?.usable !== true || (asked ?? address) !== address) continue;
    if (ranges.length > 0 && !ranges.some((range) => cidrHolds(range, address))) continue;
    return { address, subnetId: record.subnetId };
  }
  return undefined;
}

/**
 * Addresses of the ranges that are not known to be somebody's, from a random one on, so that nodes that ask together do not
 * try the same ones; at most `LIMITS.fixedTries`. On AWS only those of allowed subnets.
 */
export function* ofRanges(
  node: NodeState,
  { ranges }: FixedPod,
  asked: string | undefined,
  random: Random,
): Iterable<Candidate> {
  const excluded = node.settings.values["excluded-addresses"];
  const total = ranges.reduce((sum, range) => sum + sizeOf(range), 0);
  const start = Math.floor(random.fraction() * total);
  const reserved = new Set(ranges.flatMap((range) => (sizeOf(range) > 2 ? reservedIn(range, excluded) : [])));
  let tries = 0;
  for (let step = 0; step < total && tries < LIMITS.fixedTries; step++) {
    const address = addressAt(ranges, (start + step) % total);
    if ((asked ?? address) !== address || reserved.has(address)) continue;
    const candidate = candidateOf(node, address);
    if (candidate === undefined) continue;
    tries++;
    yield candidate;
  }
}

function candidateOf(node: NodeState, address: string): Candidate | undefined {
  if (node.ownAddresses.has(address) || node.pool.blockOf(address) !== undefined) return undefined;
  if (fixedAt(node, address) !== undefined) return undefined;
  if (node.hasRanges) return { address, subnetId: "" };
  const subnet = node.resolution?.subnets.find(({ cidr }) => cidrHolds(cidr, address));
  return subnet === undefined ? undefined : { address, subnetId: subnet.id };
}

/** Why a pod gets no first address. */
export function noneLeft(node: NodeState, { key, ranges, because }: FixedPod, asked: string | undefined): EnidError {
  const allowed = node.hasRanges
    ? ""
    : `, as far as ${(node.resolution?.subnets ?? []).map(({ cidr }) => cidr)} hold them`;
  const from =
    ranges.length === 0 ? "no range is named for it" : `no address of ${ranges.join(", ")} is free${allowed}`;
  const detail = asked === undefined ? from : `${asked}, which it asks for, cannot be had`;
  return new EnidError("ENID_FIXED_NONE_LEFT", { pod: key, rule: because, detail });
}

function sizeOf(range: string): number {
  return 2 ** (32 - Number(range.split("/")[1] ?? 32));
}

/** The nth address of all the ranges. */
function addressAt(ranges: readonly string[], index: number): string {
  let rest = index;
  for (const range of ranges) {
    const size = sizeOf(range);
    if (rest >= size) {
      rest -= size;
      continue;
    }
    const octets = (range.split("/")[0] ?? "").split(".").map(Number);
    const number = octets.reduce((sum, octet) => sum * 256 + octet, 0) + rest;
    return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
  }
  return "";
}
