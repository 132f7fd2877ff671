import type { Carrier } from "./carrier.ts";
import { comesBefore } from "./filling-order.ts";
import type { Stock } from "./stock.ts";
import { Tally } from "./tally.ts";
import type { Counts, Family, InterfaceCounts, WholeBlock } from "./types.ts";

/** All addresses of the family. */
export function countsOf(carriers: Iterable<Carrier>, family: Family): Counts {
  const sum = new Tally();
  for (const carrier of carriers) sum.add(carrier[family].tally);
  return sum.counts();
}

/** The addresses of usable blocks on usable interfaces. */
export function usableCountsOf(carriers: Iterable<Carrier>, family: Family): Counts {
  const sum = new Tally();
  for (const carrier of carriers) {
    if (!carrier.interface.usable) continue;
    sum.add(carrier[family].tally);
    sum.add(carrier[family].denied, -1);
  }
  return sum.counts();
}

/** Addresses and blocks of the family, by index, among equals by id. */
export function interfaceCountsOf(carriers: Iterable<Carrier>, family: Family): InterfaceCounts[] {
  return [...carriers]
    .sort((left, right) => (comesBefore(left, right) ? -1 : 1))
    .map((carrier) => carrier.counts(family));
}

/** The blocks of which every address is free and for any pod, in the order in which they were added. */
export function wholeBlocksOf({ blocks }: Stock): WholeBlock[] {
  const free: WholeBlock[] = [];
  for (const { whole, kept, block } of blocks) {
    const { cidr, kind, found } = block;
    if (whole && !kept) free.push(found === true ? { cidr, kind, found } : { cidr, kind });
  }
  return free;
}
