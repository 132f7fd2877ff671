import { MemoryServer, memoryFleetStore } from "../../../src/fleet/index.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { describeFixedContract, type FixedBench } from "../contract/fixed.ts";

async function bench(): Promise<FixedBench> {
  const clock = new VirtualClock();
  const server = new MemoryServer({ clock });
  const store = memoryFleetStore(server, "node", clock);
  return {
    store,
    pass: (ms) => clock.advance(ms),
    shortMs: 10_000,
    restart: async (keepsData) => (keepsData ? server.failOver(-1) : server.loseEverything()),
  };
}

describeFixedContract("memory", bench);
