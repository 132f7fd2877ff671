import { describe, expect, test } from "vitest";
import type { Block, PoolRefusal } from "../../src/pool/index.ts";
import { attachment, leased, makeLease, makePool, NOW_MS, POD, refusal } from "./make-pool.ts";

describe("adding a block", () => {
  test("twice is harmless; in another form it is refused", () => {
    const pool = makePool({ a: ["10.0.0.0/28"], b: ["10.0.1.4/32"] });
    const block: Block = { cidr: "10.0.0.0/28", interfaceId: "a", kind: "prefix" };
    leased(pool, "c1");
    expect(pool.addBlock(block)).toBe(false);
    expect(pool.counts()).toMatchObject({ total: 17, leased: 1 });
    expect(refusal(() => pool.addBlock({ ...block, interfaceId: "b" }))).toBe("overlap");
    expect(refusal(() => pool.addBlock({ ...block, kind: "node-cidr" }))).toBe("overlap");
  });

  test.each([
    ["10.0.0.3/32", "address"],
    ["10.0.0.0/24", "node-cidr"],
    ["10.0.0.8/29", "node-cidr"],
    ["10.0.1.0/28", "prefix"],
    ["10.0.1.4/32", "node-cidr"],
  ] as const)("is refused when %s (%s) overlaps what is there", (cidr, kind) => {
    const pool = makePool({ a: ["10.0.0.0/28"], b: ["10.0.1.4/32"] });
    expect(refusal(() => pool.addBlock({ cidr, interfaceId: "a", kind }))).toBe("overlap");
    expect(pool.counts().total).toBe(17);
  });

  test.each<[PoolRefusal, Partial<Block>]>([
    ["unknown-interface", { interfaceId: "z" }],
    ["not-canonical", { cidr: "10.0.0.4" }],
    ["not-canonical", { cidr: "10.0.0.4/" }],
    ["not-canonical", { cidr: "10.0.0.4/032" }],
    ["not-canonical", { cidr: "10.0.0.4/33" }],
    ["not-canonical", { cidr: "10.0.0.04/32" }],
    ["not-canonical", { cidr: "10.0.0.256/32" }],
    ["not-canonical", { cidr: "10.0.4/32" }],
    ["not-canonical", { cidr: "10.0.0.0.4/32" }],
    ["not-canonical", { cidr: "10.0.0.-4/32" }],
    ["not-canonical", { cidr: " 10.0.0.4/32" }],
    ["not-canonical", { cidr: "10.0.0.4/24", kind: "node-cidr" }],
    ["not-canonical", { cidr: "224.0.0.0/32" }],
    ["not-canonical", { cidr: "239.255.255.240/28", kind: "prefix" }],
    ["wrong-size", { cidr: "10.0.0.0/31" }],
    ["wrong-size", { cidr: "10.0.0.0/29", kind: "prefix" }],
    ["wrong-size", { cidr: "10.0.0.0/8", kind: "node-cidr" }],
    ["bad-reservation", { reserved: ["10.0.0.4"] }],
    ["bad-reservation", { cidr: "10.0.0.0/24", kind: "node-cidr", reserved: ["10.0.1.0"] }],
    ["bad-reservation", { cidr: "10.0.0.0/24", kind: "node-cidr", reserved: ["ten"] }],
    ["bad-reservation", { cidr: "10.0.0.0/31", kind: "node-cidr", reserved: ["10.0.0.0", "10.0.0.1"] }],
  ])("is refused as %s: %o", (expected, changed) => {
    const pool = makePool({ a: [] });
    const block: Block = { cidr: "10.0.0.4/32", interfaceId: "a", kind: "address", ...changed };
    expect(refusal(() => pool.addBlock(block))).toBe(expected);
    expect([...pool.blocks()]).toEqual([]);
  });

  test("makes every address of it usable, the first and the last too, on both sides of 128.0.0.0", () => {
    for (const [cidr, first, last, total] of [
      ["10.0.0.0/24", "10.0.0.0", "10.0.0.255", 256],
      ["127.255.255.254/31", "127.255.255.254", "127.255.255.255", 2],
      ["128.0.0.0/32", "128.0.0.0", "128.0.0.0", 1],
      ["255.255.255.0/24", "255.255.255.0", "255.255.255.255", 256],
      ["223.255.255.240/28", "223.255.255.240", "223.255.255.255", 16],
      ["240.0.0.0/28", "240.0.0.0", "240.0.0.15", 16],
      ["0.0.0.0/28", "0.0.0.0", "0.0.0.15", 16],
    ] as const) {
      const pool = makePool({ a: [cidr] }, "node-cidr");
      expect(pool.counts().total).toBe(total);
      const addresses = Array.from({ length: total }, (_, pod) => leased(pool, `c${pod}`).address);
      expect([addresses[0], addresses.at(-1), new Set(addresses).size]).toEqual([first, last, total]);
      expect(pool.blockOf(last)).toEqual({ cidr, interfaceId: "a", kind: "node-cidr" });
      expect(pool.problems()).toEqual([]);
    }
  });

  test("leaves out the reserved addresses of a node CIDR", () => {
    const pool = makePool({ a: [] });
    const reserved = ["10.0.0.1", "10.0.0.2"];
    const block: Block = { cidr: "10.0.0.0/30", interfaceId: "a", kind: "node-cidr", reserved };
    pool.addBlock(block);
    expect(pool.addBlock({ ...block, reserved: reserved.toReversed() })).toBe(false);
    expect(refusal(() => pool.addBlock({ ...block, reserved: ["10.0.0.1"] }))).toBe("overlap");
    expect(pool.counts().total).toBe(2);
    expect(pool.stateOf("10.0.0.1")).toBeUndefined();
    expect(refusal(() => pool.restoreLease(makeLease("10.0.0.1", "c1")))).toBe("address-not-free");
    expect([leased(pool, "c1").address, leased(pool, "c2").address]).toEqual(["10.0.0.0", "10.0.0.3"]);
    expect(pool.lease(attachment("c3"), POD, NOW_MS).kind).toBe("none");
    expect(pool.problems()).toEqual([]);
  });
});
