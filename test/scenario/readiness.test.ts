import { describe, expect, it } from "vitest";
import { Dice, Scheduler } from "../../src/simulator/engine/index.ts";
import { ReadinessWatch } from "../../src/simulator/scenario/readiness.ts";

/** When each node, ready from its moment on, was found so (ms), and how often nodes were looked at. */
async function found(readyAtMs: readonly number[], hints: readonly { node: number; atMs: number }[] = []) {
  const clock = new Scheduler({ startMs: 1_000_000_000_000, dice: new Dice(1) });
  const foundAtMs: (number | undefined)[] = readyAtMs.map(() => undefined);
  let looks = 0;
  const watch = new ReadinessWatch(clock, (node) => {
    looks += 1;
    const isReady = clock.elapsedMs() >= (readyAtMs[node] ?? 0);
    if (isReady) {
      expect(foundAtMs[node]).toBeUndefined();
      foundAtMs[node] = clock.elapsedMs();
    }
    return isReady;
  });
  for (const node of readyAtMs.keys()) watch.watch(node);
  for (const { node, atMs } of hints) clock.after(atMs, () => watch.hint(node));
  await clock.run(clock.nowMs() + 2_000_000);
  return { foundAtMs, looks, steps: clock.steps };
}

describe("the watch over nodes that are not ready", () => {
  it("finds each exact to 50 ms, or 5 % of its wait, at most 5 s", async () => {
    const readyAtMs = [0, 10, 900, 1_500, 30_000, 77_777, 400_000, 1_234_567];
    const { foundAtMs } = await found(readyAtMs);
    for (const [node, readyMs] of readyAtMs.entries()) {
      const lateMs = (foundAtMs[node] ?? Number.NaN) - readyMs;
      expect(lateMs, `node ${node}`).toBeGreaterThanOrEqual(0);
      expect(lateMs, `node ${node}`).toBeLessThanOrEqual(50 + Math.min(5_025, Math.max(50, readyMs * 0.053)));
    }
  });

  it("finds it exact to 50 ms soon after a hint, however long it waited before", async () => {
    const { foundAtMs } = await found([900_300, 900_300], [{ node: 0, atMs: 900_000 }]);
    expect(foundAtMs[0]).toBe(900_300);
    expect(foundAtMs[1]).toBeGreaterThan(900_300);
  });

  it("looks rarely at those that wait long, and sets no timer once all are ready", async () => {
    const { looks, steps } = await found([1_000_000]);
    expect(looks).toBeLessThan(320);
    expect(steps).toBeLessThanOrEqual(1_000_000 / 50 + 101);
  });
});
