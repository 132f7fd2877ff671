import type { BlockIndex, Place } from "./block-index.ts";
import { familyOf } from "./family.ts";
import { PoolError } from "./pool-error.ts";
import type { Family } from "./types.ts";

/**
 * Where a lease or a cooling time of earlier can be entered for the address. Throws `unknown-address` (also for one that
 * is not of the family it must be of), `address-not-free`.
 */
export function restorablePlace(index: BlockIndex, text: string, family?: Family): Place {
  const place = index.place(text);
  if (place === undefined) {
    throw new PoolError("unknown-address", `no block of the pool lends ${JSON.stringify(text)}`);
  }
  if (family !== undefined && familyOf(text) !== family) {
    throw new PoolError(
      "unknown-address",
      `${text} stands where the ${FAMILY_NAMES[family]} address of a lease should`,
    );
  }
  if (!place.block.restorable(place.offset)) {
    const state = place.block.state(place.offset) ?? "reserved";
    throw new PoolError("address-not-free", `address ${text} is ${state}`);
  }
  return place;
}

const FAMILY_NAMES = { ipv4: "IPv4", ipv6: "IPv6" } as const satisfies Record<Family, string>;
