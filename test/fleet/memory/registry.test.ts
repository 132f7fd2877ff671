import { MemoryServer, memoryFleetStore } from "../../../src/fleet/index.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { describeProfileContract } from "../contract/profiles.ts";
import { describeRegistryContract } from "../contract/registry.ts";
import type { StoreBench } from "../contract/store-bench.ts";

async function bench(): Promise<StoreBench> {
  const clock = new VirtualClock();
  const store = memoryFleetStore(new MemoryServer({ clock }), "node", clock);
  return { store, pass: (ms) => clock.advance(ms), shortMs: 10_000 };
}

describeRegistryContract("memory", bench);
describeProfileContract("memory", bench);
