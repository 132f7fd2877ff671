import { describe, expect, it } from "vitest";
import { Manager } from "../../src/manager/index.ts";
import { FakeProvider, PRIMARY } from "../support/fake-provider.ts";
import { seededRandom } from "../support/virtual-clock.ts";
import { ProcessClock, WorldClock } from "../support/world-clock.ts";
import { add, attachment, configuration, LabStore } from "./harness.ts";

const HOUR_MS = 3_600_000;
const FILE = configuration({ ipam: { "pre-allocate": 1, "max-allocate": 1, "cooling-seconds": 30 } });

/** A node whose wall clock can be set; `start` is a start of the daemon. */
function wallLab() {
  const world = new WorldClock();
  const provider = new FakeProvider(world);
  const store = new LabStore(world);
  const telemetry = { event: () => {}, cloudCall: () => {}, served: () => {} };
  let clock = new ProcessClock(world);
  const start = async (file = FILE) => {
    clock.cut();
    clock = new ProcessClock(world);
    const manager = new Manager({ provider, store, clock, random: seededRandom(1), bootId: "boot-1", telemetry });
    const started = manager.start({ kind: "valid", configuration: file });
    await world.drain();
    await started;
    await world.advance(3_000);
    return manager;
  };
  return { world, provider, store, start };
}

describe("a wall clock that is set while the daemon runs", () => {
  it.each([8 * HOUR_MS, -8 * HOUR_MS])(
    "(by %i ms) neither shortens nor prolongs what cools, also across a restart",
    async (byMs) => {
      const { world, start } = wallLab();
      const first = await start();
      world.wallOffsetMs += byMs;
      void add(first, 1);
      await world.drain();
      expect(first.leases()).toHaveLength(1);
      void first.remove(attachment(1));
      await world.advance(1_000);
      const next = await start();
      expect(next.status().pool).toMatchObject({ cooling: 1, free: 0 });
      await world.advance(20_000);
      expect(next.status().pool).toMatchObject({ cooling: 1, free: 0 });
      await world.advance(8_000);
      expect(next.status().pool).toMatchObject({ cooling: 0, free: 1 });
    },
  );

  it.each([8 * HOUR_MS, -8 * HOUR_MS])(
    "(by %i ms) does not keep EC2 from being believed, nor make a late look count",
    async (byMs) => {
      const { world, provider, start } = wallLab();
      const manager = await start(configuration({ ipam: { "pre-allocate": 3 } }));
      world.wallOffsetMs += byMs;
      provider.interfaces.get(PRIMARY)?.addresses.pop();
      await world.advance(10 * 60_000);
      expect(manager.status().pool.total).toBe(3);
      expect(provider.mutations).toEqual(["add-blocks 3", "add-blocks 1"]);
    },
  );
});
