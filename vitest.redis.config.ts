import { defineConfig } from "vitest/config";

/** `npm run test:redis`: what needs several servers, and minutes: sentinels, a cluster, every contract with least rights. */
export default defineConfig({
  test: {
    include: ["test/fleet/topologies/*.redis.ts"],
    pool: "forks",
    // One after the other: the contracts tell the order of arrival by short times.
    maxWorkers: 1,
    execArgv: ["--disable-warning=ExperimentalWarning"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    allowOnly: false,
    reporters: ["default"],
  },
});
