import { describe, expect, it } from "vitest";
import { CidrPool } from "../../../src/simulator/cilium-agent/index.ts";
import { seededRandom } from "../../support/virtual-clock.ts";

const nobody = () => false;
const dice = seededRandom(3);

function poolOf(...cidrs: string[]): CidrPool {
  const pool = new CidrPool();
  pool.update(cidrs);
  return pool;
}

function take(pool: CidrPool): string | undefined {
  return pool.takeNext(dice, nobody);
}

describe("CIDRs of the agent", () => {
  it("give every address of a delegated prefix, the first and the last too", () => {
    const pool = poolOf("10.0.0.16/28");
    const taken = Array.from({ length: 16 }, () => take(pool));
    expect(new Set(taken)).toEqual(new Set(Array.from({ length: 16 }, (_, host) => `10.0.0.${16 + host}`)));
    expect(take(pool)).toBeUndefined();
  });

  it("are used one after the other, so that the later ones stay whole", () => {
    const pool = poolOf("10.0.0.0/28", "10.0.0.16/28");
    for (let n = 0; n < 16; n++) expect(take(pool)).toMatch(/^10\.0\.0\.(?:\d|1[0-5])$/);
    expect(take(pool)).toMatch(/^10\.0\.0\.(?:1[6-9]|2\d|3[01])$/);
  });

  it("give none that an endpoint has whom the pool does not know", () => {
    const pool = poolOf("10.0.0.5/32", "10.0.0.6/32");
    expect(pool.takeNext(dice, (address) => address === "10.0.0.5")).toBe("10.0.0.6");
    expect(pool.takeNext(dice, (address) => address === "10.0.0.5")).toBeUndefined();
  });

  it("are let go when they are free as a whole and enough stays, the last one first", () => {
    const pool = poolOf("10.0.0.0/28", "10.0.0.16/28", "10.0.0.32/28");
    take(pool);
    pool.settle(20, true);
    expect(pool.cidrs).toEqual(["10.0.0.0/28", "10.0.0.16/28"]);
    pool.settle(15, true);
    expect(pool.cidrs).toEqual(["10.0.0.0/28"]);
    pool.settle(0, true);
    expect(pool.cidrs).toEqual(["10.0.0.0/28"]);
    expect(pool.freeCount).toBe(15);
  });

  it("stay let go while they are only offered again, and are taken again when they are needed", () => {
    const pool = poolOf("10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32");
    pool.settle(1, true);
    expect(pool.cidrs).toEqual(["10.0.0.1/32"]);
    pool.update(["10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32"]);
    expect(pool.cidrs).toEqual(["10.0.0.1/32"]);
    pool.settle(2, false);
    expect(pool.cidrs).toEqual(["10.0.0.1/32"]);
    pool.settle(2, true);
    expect(pool.cidrs).toEqual(["10.0.0.1/32", "10.0.0.2/32"]);
  });

  it("are new once they were offered no more", () => {
    const pool = poolOf("10.0.0.1/32", "10.0.0.2/32");
    pool.settle(1, true);
    pool.update(["10.0.0.1/32"]);
    pool.update(["10.0.0.1/32", "10.0.0.2/32"]);
    expect(pool.cidrs).toEqual(["10.0.0.1/32", "10.0.0.2/32"]);
  });

  it("that are withdrawn from under a pod stay, give nothing more, and go with the pod", () => {
    const pool = poolOf("10.0.0.0/28");
    const address = take(pool) as string;
    expect(pool.update(["10.0.0.16/28"])).toEqual([address]);
    expect(pool.cidrs).toEqual(["10.0.0.0/28", "10.0.0.16/28"]);
    expect(pool.freeCount).toBe(16);
    expect(take(pool)).toMatch(/^10\.0\.0\.(?:1[6-9]|2\d|3[01])$/);
    pool.give(address);
    pool.settle(0, true);
    expect(pool.cidrs).toEqual(["10.0.0.16/28"]);
  });

  it("take back what an endpoint already has, and know nothing of other addresses", () => {
    const pool = poolOf("10.0.0.0/28");
    expect(pool.take("10.0.0.7")).toBe(true);
    expect(pool.take("10.0.0.77")).toBe(false);
    expect(pool.usedCount).toBe(1);
    expect(Array.from({ length: 15 }, () => take(pool))).not.toContain("10.0.0.7");
  });
});
