import type { BlockIndex, Place } from "./block-index.ts";
import type { CoolingQueue } from "./cooling-queue.ts";
import { familyOf } from "./family.ts";
import type { LeaseTable } from "./lease-table.ts";
import type { Families, Unavailable } from "./types.ts";

/** Where the addresses are that a pod wants in particular. */
export interface Wished {
  readonly ipv4?: Place;
  readonly ipv6?: Place;
}

export const NOTHING_WISHED: Wished = {};

interface Books {
  readonly index: BlockIndex;
  readonly leases: LeaseTable;
  readonly cooling: CoolingQueue;
}

/** `isKept`: for the pod that they are kept for. The places of the addresses wanted, if each of them is free; otherwise the first that cannot be had. */
export function findWished(
  wanted: readonly string[],
  families: Families,
  books: Books,
  isKept = false,
): Wished | { address: string; why: Unavailable } {
  const wished: { ipv4?: Place; ipv6?: Place } = {};
  for (const address of wanted) {
    const family = familyOf(address);
    const isAsked = families === "dual" || families === family;
    const place = books.index.place(address);
    const why = isAsked && wished[family] === undefined ? whyNot(place, books, isKept) : OTHER_FAMILY;
    if (why !== undefined || place === undefined) return { address, why: why ?? NOT_HERE };
    wished[family] = place;
  }
  return wished;
}

const NOT_HERE = { because: "not-here" } as const;
const OTHER_FAMILY = { because: "other-family" } as const;

function whyNot(place: Place | undefined, { leases, cooling }: Books, isKept: boolean): Unavailable | undefined {
  if (place === undefined) return NOT_HERE;
  const { block, offset, address } = place;
  switch (block.state(offset)) {
    case undefined:
      return { because: "reserved" };
    case "leased":
      return { because: "leased", pod: leases.at(address)?.lease.pod ?? NOBODY };
    case "cooling":
      return { because: "cooling", untilMs: coolingEndMs(cooling, address) };
    case "releasing":
      return { because: "releasing" };
    default:
      if (!block.allowed || !block.stock.carrier.interface.usable) return { because: "unusable" };
      return block.kept && !isKept ? { because: "kept" } : undefined;
  }
}

const NOBODY = { namespace: "", name: "", uid: "" } as const;

/** Looks through all that cool: only who is refused pays for it. */
function coolingEndMs(cooling: CoolingQueue, wanted: number): number {
  for (const { address, untilMs } of cooling) if (address === wanted) return untilMs;
  return 0;
}
