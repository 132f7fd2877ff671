import type { Intent } from "../../../manager/ports/index.ts";
import type { MemoryTables } from "../../../state/index.ts";

/** What the open intents give back, gathered once for each change of the intents and not for each question. */
export class ReleasingIndex {
  readonly #cidrs = new Set<string>();
  readonly #interfaceIds = new Set<string>();

  constructor(intents: Iterable<Intent>) {
    for (const { step, before } of intents) {
      if (step.kind === "release-blocks") {
        for (const cidr of step.cidrs) this.#cidrs.add(cidr);
      } else if (step.kind === "remove-interface") {
        this.#interfaceIds.add(step.interfaceId);
        for (const cidr of before) this.#cidrs.add(cidr);
      }
    }
  }

  covers(cidr: string, tables: MemoryTables): boolean {
    if (this.#cidrs.has(cidr)) return true;
    const interfaceId = tables.block(cidr)?.interfaceId;
    return interfaceId !== undefined && this.#interfaceIds.has(interfaceId);
  }
}
