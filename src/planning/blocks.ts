import type { BlockUnit, FreeBlock, PlanInput } from "./types.ts";

/** Addresses in a delegated IPv4 prefix (/28), which takes one address slot of an interface. */
export const ADDRESSES_PER_PREFIX = 16;

/** What a slot for IPv4 can hold. */
export type SlotUnit = Exclude<BlockUnit, "ipv6-prefix">;

/** IPv4 addresses in a block. */
export function addressesIn(unit: BlockUnit): number {
  if (unit === "ipv6-prefix") return 0;
  return unit === "prefix" ? ADDRESSES_PER_PREFIX : 1;
}

/** IPv4 addresses in the blocks. */
export function addressesOf(blocks: readonly FreeBlock[]): number {
  return blocks.reduce((sum, { unit }) => sum + addressesIn(unit), 0);
}

/** What growth may be made of, the best first. Empty: prefixes are required, and the instance takes none. */
export function unitsToTake({ prefixMode = "off", limits }: PlanInput): readonly SlotUnit[] {
  const supported = limits.prefixes === true;
  switch (prefixMode) {
    case "off":
      return ["address"];
    case "preferred":
      return supported ? ["prefix", "address"] : ["address"];
    case "required":
      return supported ? ["prefix"] : [];
  }
}
