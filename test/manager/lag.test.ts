import { beforeEach, describe, expect, it } from "vitest";
import { Lag } from "../../src/manager/lag.ts";
import { LIMITS } from "../../src/manager/limits.ts";

const MINUTE_MS = 60_000;
let nowMs: number;
let lag: Lag;
const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, after: () => () => {}, nextTurn: () => {} };

beforeEach(() => {
  nowMs = 1_000_000;
  lag = new Lag(clock);
});

describe("what changed lately", () => {
  it("is not denied by an observation that may be older, whoever learned of it", () => {
    lag.came(["eni-1", "10.0.0.1/32"]);
    for (const name of ["eni-1", "10.0.0.1/32"]) {
      expect(lag.deniableFromMs(name)).toBe(nowMs + LIMITS.lagMs);
    }
    expect(lag.deniableFromMs("10.0.0.2/32")).toBeLessThanOrEqual(nowMs);
    lag.lost("10.0.0.1/32");
    expect(lag.deniableFromMs("10.0.0.1/32")).toBeLessThanOrEqual(nowMs);
  });

  it("is nothing that a process denies of what an earlier one may just have taken", () => {
    lag.followsAnother();
    expect(lag.deniableFromMs("10.0.0.1/32")).toBe(nowMs + LIMITS.lagMs);
  });

  it("does not come back from a describe that lags by minutes after it was given back", () => {
    lag.went("eni-1", ["10.0.0.1/32"]);
    const fromMs = lag.adoptableFromMs("eni-1", "10.0.0.1/32");
    // EC2's guidance for its consistency is "up to about five minutes".
    expect(fromMs - nowMs).toBeGreaterThan(5 * MINUTE_MS);
    // Another interface may have got it at once, and what a step brings anew is there.
    expect(lag.adoptableFromMs("eni-2", "10.0.0.1/32")).toBeLessThanOrEqual(nowMs);
    lag.cameBack("eni-1", ["10.0.0.1/32"]);
    expect(lag.adoptableFromMs("eni-1", "10.0.0.1/32")).toBeLessThanOrEqual(nowMs);
  });

  it("is not brought back by a step that was settled by a describe which lags", () => {
    lag.went("eni-1", ["10.0.0.1/32", "10.0.1.0/28"]);
    const outcome = {
      kind: "done",
      added: ["10.0.0.1/32", "10.0.0.2/32", "10.0.1.0/28"],
      interface: { id: "eni-1", addresses: ["10.0.0.1", "10.0.0.2"], prefixes: ["10.0.1.0/28", "10.0.2.0/28"] },
    } as unknown as Parameters<Lag["believable"]>[0];
    expect(lag.believable(outcome)).toEqual({
      kind: "done",
      added: ["10.0.0.2/32"],
      interface: { id: "eni-1", addresses: ["10.0.0.2"], prefixes: ["10.0.2.0/28"] },
    });
    nowMs += LIMITS.adoptionLagMs;
    expect(lag.believable(outcome)).toEqual(outcome);
    expect(lag.believable({ kind: "undone" })).toEqual({ kind: "undone" });
  });

  it("does not come back by a process that does not know what the one before gave back", () => {
    expect(lag.adoptableFromMs("eni-1", "10.0.0.1/32")).toBeLessThanOrEqual(nowMs);
    lag.followsAnother();
    expect(lag.adoptableFromMs("eni-1", "10.0.0.1/32") - nowMs).toBeGreaterThan(5 * MINUTE_MS);
  });

  it("is an interface that is shown although it was removed", () => {
    expect(lag.mayShowRemoved("eni-1", nowMs)).toBe(false);
    lag.removed("eni-1");
    expect(lag.mayShowRemoved("eni-1", nowMs + 5 * MINUTE_MS)).toBe(true);
    expect(lag.mayShowRemoved("eni-1", nowMs + LIMITS.adoptionLagMs)).toBe(false);
    expect(lag.mayShowRemoved("eni-2", nowMs)).toBe(false);
  });

  it("is forgotten once it is old", () => {
    lag.went("eni-1", ["10.0.0.1/32"]);
    nowMs += LIMITS.adoptionLagMs + 1;
    lag.went("eni-1", ["10.0.0.2/32"]);
    expect(lag.adoptableFromMs("eni-1", "10.0.0.1/32")).toBe(Number.NEGATIVE_INFINITY);
    expect(lag.adoptableFromMs("eni-1", "10.0.0.2/32")).toBe(nowMs + LIMITS.adoptionLagMs);
  });
});
