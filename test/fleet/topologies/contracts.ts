import { afterAll } from "vitest";
import { type FleetStore, type RedisOptions, redisFleetStore } from "../../../src/fleet/index.ts";
import { describeBudgetContract } from "../contract/budget.ts";
import { describeFactContract } from "../contract/facts.ts";
import { describeFixedContract } from "../contract/fixed.ts";
import { describeProfileContract } from "../contract/profiles.ts";
import { describeRegistryContract } from "../contract/registry.ts";
import { describeSingletonContract } from "../contract/singletons.ts";
import { until } from "../redis/bench.ts";

export interface Engine {
  /** How it is reached; known once the tests run. */
  readonly way: () => Omit<RedisOptions, "prefix">;
  /** All of its data is gone. */
  readonly lose: () => Promise<void>;
  /** Another process has the data from now on. */
  readonly replace: () => Promise<void>;
}

const pass = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

let fleets = 0;

/** Every contract of the fleet's engine, on real servers of that kind. */
export function describeAllContracts(name: string, engine: Engine): void {
  const stores: FleetStore[] = [];
  afterAll(async () => {
    for (const store of stores) await store.close();
  });
  const open = (prefix: string) => {
    const store = redisFleetStore({ ...engine.way(), prefix });
    stores.push(store);
    return store;
  };
  const bench = async () => ({ store: open(`enid:test-${fleets++}:`), pass, shortMs: 600 });
  describeBudgetContract(name, async () => {
    const prefix = `enid:test-${fleets++}:`;
    const rooms = [open(prefix), open(prefix), open(prefix)];
    // This contract counts on quick answers: each client has asked each server before, which knows the scripts by then.
    for (let n = 0; n < 16; n++) {
      const bucket = { account: `warm-${n}`, region: "", action: "Warm" };
      const size = { capacity: 1_000, refillPerSecond: 1 };
      for (const { budget } of rooms) await budget.ask({ bucket, size, ticket: "a", urgency: 0, limitMs: 1_000 });
    }
    return {
      clients: (count) => rooms.slice(0, count).map(({ budget }) => budget),
      wait: pass,
      nowMs: () => performance.now(),
      close: async () => {},
    };
  });
  describeFactContract(name, bench);
  describeSingletonContract(name, bench);
  describeProfileContract(name, bench);
  describeRegistryContract(name, bench);
  describeFixedContract(name, async () => {
    const room = await bench();
    const answers = () =>
      room.store.fixed.find("any/pod").then(
        () => true,
        () => false,
      );
    const restart = async (keepsData: boolean) => {
      await (keepsData ? engine.replace() : engine.lose());
      await until("an answer", answers);
    };
    return { ...room, restart };
  });
}
