import { describe, expect, it } from "vitest";
import { describesOfMany } from "./describes-of-many.ts";

describe("a thousand nodes that start and grow", () => {
  it("make at most one in a hundred of the describes that they make without a fleet", {
    timeout: 120_000,
  }, async () => {
    const size = { nodes: 1_000, minutes: 12 };
    const alone = await describesOfMany({ ...size, isFleet: false });
    const together = await describesOfMany({ ...size, isFleet: true });
    // Both lived the same lives: each node has asked as often.
    expect(alone.resolved).toBeGreaterThan(2_000);
    expect(together.resolved).toBeGreaterThan(alone.resolved * 0.98);
    expect(together.total).toBeGreaterThan(0);
    expect(together.total).toBeLessThanOrEqual(alone.total / 100);
    expect(together.throttled).toBe(0);
    // And nobody waits for it: an answer of EC2 takes as long.
    expect(together.slowestMs).toBeLessThan(alone.slowestMs * 3);

    // What a fleet asks does not depend on how large it is: about once for as long as a fact lasts.
    const few = await describesOfMany({ ...size, nodes: 100, isFleet: true });
    expect(few.total).toBeGreaterThan(together.total * 0.6);
    expect(together.describes.DescribeInstanceTypes).toBe(1);
    expect(together.describes.DescribeSubnets).toBeLessThanOrEqual(13);
  });

  it("go on asking for themselves while the store is away, and wait no longer than it takes to find out", async () => {
    const size = { nodes: 100, minutes: 30 };
    const alone = await describesOfMany({ ...size, isFleet: false });
    const away = await describesOfMany({ ...size, isFleet: true, away: [10, 20] });
    expect(away.resolved).toBeGreaterThan(alone.resolved * 0.97);
    expect(away.total).toBeGreaterThan(100);
    expect(away.total).toBeLessThan(alone.total * 0.6);
    // A second of the store's, for the facts and for the budget, and EC2's own.
    expect(away.slowestMs).toBeLessThan(3_500);
  });
});
