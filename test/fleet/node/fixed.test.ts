import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FIXED_TIMES } from "../../../src/fleet/store/fixed.ts";
import { FIXED_SYNC_MS } from "../../../src/manager/ports/index.ts";
import { type FixedNodeModel, FixedWorld } from "./fixed-world.ts";

const NODES = 4;
const PODS = ["shop/db-0", "shop/db-1"] as const;

interface Act {
  readonly what: "move" | "force" | "crash" | "die" | "cut" | "down" | "fail-over" | "wipe" | "pass";
  readonly node: number;
  readonly pod: (typeof PODS)[number];
  readonly passMs: number;
}

function acts(...kinds: Act["what"][]): fc.Arbitrary<Act[]> {
  const act = fc.record({
    what: fc.constantFrom(...kinds),
    node: fc.nat(NODES - 1),
    pod: fc.constantFrom(...PODS),
    passMs: fc.constantFrom(0, 1, 700, 3_000, 9_000, 21_000, 50_000, 120_000),
  });
  return fc.array(act, { minLength: 3, maxLength: 14 });
}

async function play(world: FixedWorld, list: readonly Act[], crashedMs: number): Promise<void> {
  for (const { what, node: n, pod, passMs } of list) {
    const node = world.nodes[n] as FixedNodeModel;
    if (what === "move" && !node.isDead) world.schedule(pod, node);
    if (what === "force" && !node.isDead) world.schedule(pod, node, false);
    if (what === "crash") {
      node.crash();
      world.clock.after(crashedMs, () => node.start());
    }
    if (what === "die" && world.nodes.filter(({ isDead }) => !isDead).length > 2) die(world, node);
    if (what === "cut") {
      world.server.cutOff(node.id, true, passMs % 2 === 1 ? "answers" : "both");
      world.clock.after(passMs * 2, () => world.server.cutOff(node.id, false));
    }
    if (what === "down") {
      world.server.down(true);
      world.clock.after(passMs, () => world.server.down(false));
    }
    if (what === "fail-over") world.server.failOver(Math.min(passMs, 5_000));
    if (what === "wipe") world.server.loseEverything();
    await pass(world, passMs);
  }
}

function die(world: FixedWorld, node: FixedNodeModel): void {
  const pods = [...world.wishes].filter(([, on]) => on === node).map(([pod]) => pod);
  node.die();
  const next = world.nodes.find(({ isDead }) => !isDead) as FixedNodeModel;
  for (const pod of pods) world.schedule(pod, next);
}

/** In small steps, each held against the promises. */
async function pass(world: FixedWorld, ms: number): Promise<void> {
  let left = ms;
  do {
    await world.clock.advance(Math.min(left, 5_000));
    left -= 5_000;
    for (const pod of PODS) expect(world.newestBound(pod).length, `newest holders of ${pod}`).toBeLessThanOrEqual(1);
    for (const node of world.nodes) expect(node.faults).toEqual([]);
  } while (left > 0);
}

/** All faults end; within the bound each pod runs where it should, by a record that everybody agrees on. */
async function heal(world: FixedWorld): Promise<void> {
  world.server.down(false);
  for (const node of world.nodes) {
    world.server.cutOff(node.id, false);
    node.start();
    for (const pod of node.leases) if (world.wishes.get(pod) !== node) node.podEnds(pod);
  }
  const { ttlMs, graceMs, youngMs } = FIXED_TIMES;
  await pass(world, youngMs + ttlMs + graceMs + 3 * FIXED_SYNC_MS);
  for (const [pod, node] of world.wishes) {
    const [record, ...others] = world.newestBound(pod);
    expect(others).toEqual([]);
    expect(record).toMatchObject({ holder: node.id, state: "bound" });
    expect([...node.leases]).toContain(pod);
    expect(world.nodes.filter((each) => each.leases.has(pod))).toEqual([node]);
  }
}

async function property(kinds: Act["what"][], crashedMs: number, runs: number, isSteady: boolean): Promise<void> {
  await fc.assert(
    fc.asyncProperty(acts(...kinds), async (list) => {
      const world = new FixedWorld(NODES);
      try {
        await pass(world, FIXED_TIMES.settleMs);
        for (const [n, pod] of PODS.entries()) world.schedule(pod, world.nodes[n] as FixedNodeModel);
        await pass(world, 3_000);
        await play(world, list, crashedMs);
        await heal(world);
        if (isSteady) for (const pod of PODS) expect(world.addresses.get(pod)?.size).toBe(1);
      } finally {
        world.stop();
      }
    }),
    { numRuns: runs },
  );
}

describe("fixed addresses of a fleet", () => {
  it(
    "are bound once in the newest epoch, and come to rest, whatever fails",
    () => property(["move", "force", "crash", "die", "cut", "down", "fail-over", "wipe", "pass"], 12_000, 40, false),
    120_000,
  );

  it(
    "never change while the store keeps its data",
    () => property(["move", "force", "crash", "die", "cut", "down", "pass"], 12_000, 25, true),
    120_000,
  );

  it(
    "never change when the store loses data and all who hold them live",
    () => property(["move", "crash", "fail-over", "wipe", "pass"], 3_000, 25, true),
    120_000,
  );

  it("of a dead node are its pod's again within its time to live, the grace and two questions", async () => {
    const world = new FixedWorld(NODES);
    const [one, two] = world.nodes as [FixedNodeModel, FixedNodeModel];
    await pass(world, FIXED_TIMES.settleMs);
    world.schedule(PODS[0], one);
    await pass(world, 3_000);
    world.schedule(PODS[1], one);
    await pass(world, 15_000);
    die(world, one);
    world.schedule(PODS[0], two);
    const { ttlMs, graceMs, retryMs } = FIXED_TIMES;
    await pass(world, Math.max(ttlMs, graceMs) - FIXED_SYNC_MS - retryMs);
    expect([...two.leases]).toEqual([]);
    await pass(world, Math.min(ttlMs, graceMs) + 2 * retryMs);
    expect(two.held.get(PODS[0])).toMatchObject({ state: "bound", holder: two.id });
    expect(world.addresses.get(PODS[0])?.size).toBe(1);
    world.stop();
  });

  it("stay with living nodes after an outage in which all signs of life ran out", async () => {
    const world = new FixedWorld(NODES);
    const [one, two] = world.nodes as [FixedNodeModel, FixedNodeModel];
    await pass(world, FIXED_TIMES.settleMs);
    world.schedule(PODS[0], one);
    await pass(world, 3_000);
    world.schedule(PODS[0], two, false);
    await pass(world, 5_000);
    world.server.down(true);
    await pass(world, 600_000);
    world.server.down(false);
    await pass(world, 60_000);
    expect(one.held.get(PODS[0])).toMatchObject({ state: "bound", holder: one.id });
    expect([...one.leases]).toEqual([PODS[0]]);
    expect([...two.leases]).toEqual([]);
    one.podEnds(PODS[0]);
    await pass(world, 5_000);
    expect([...two.leases]).toEqual([PODS[0]]);
    world.stop();
  });
});
