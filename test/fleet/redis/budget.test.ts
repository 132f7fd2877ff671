import { setTimeout as sleep } from "node:timers/promises";
import { redisFleetStore } from "../../../src/fleet/index.ts";
import { startRedis } from "../../support/redis.ts";
import { describeBudgetContract } from "../contract/budget.ts";

describeBudgetContract("Redis", async () => {
  const server = await startRedis();
  const stores = Array.from({ length: 3 }, () =>
    redisFleetStore({ host: server.host, port: server.port, prefix: "enid:test:" }),
  );
  return {
    clients: (count) => stores.slice(0, count).map((store) => store.budget),
    wait: (ms) => sleep(ms),
    nowMs: () => performance.now(),
    async close() {
      await Promise.all(stores.map((store) => store.close()));
      await server.stop();
    },
  };
});
