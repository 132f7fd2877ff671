import { MemoryServer, memoryFleetStore } from "../../../src/fleet/index.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { describeFactContract } from "../contract/facts.ts";
import { describeSingletonContract } from "../contract/singletons.ts";
import type { StoreBench } from "../contract/store-bench.ts";

async function bench(): Promise<StoreBench> {
  const clock = new VirtualClock();
  const store = memoryFleetStore(new MemoryServer({ clock }), "node", clock);
  return { store, pass: (ms) => clock.advance(ms), shortMs: 10_000 };
}

describeFactContract("memory", bench);
describeSingletonContract("memory", bench);
