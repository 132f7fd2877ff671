import { MemoryServer, memoryFleetStore } from "../../../src/fleet/index.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { describeBudgetContract } from "../contract/budget.ts";

describeBudgetContract("the twin", async () => {
  const clock = new VirtualClock();
  const server = new MemoryServer({ clock });
  return {
    clients: (count) => Array.from({ length: count }, (_, at) => memoryFleetStore(server, `node-${at}`, clock).budget),
    wait: (ms) => clock.advance(ms),
    nowMs: () => clock.nowMs(),
    close: () => Promise.resolve(),
  };
});
