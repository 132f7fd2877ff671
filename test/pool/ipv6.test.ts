import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Block, familyOf, ipv6PrefixOf, type Pool, type PoolRefusal } from "../../src/pool/index.ts";
import { formatIpv6Address, parseIpv6Address } from "../../src/pool/ipv6.ts";
import { attachment, granted, makeLease, makePool, NOW_MS, POD, refusal } from "./make-pool.ts";

function leased6(pool: Pool, containerId: string): string {
  return granted(pool.lease(attachment(containerId), POD, NOW_MS, "ipv6")).address;
}

describe("IPv6 text", () => {
  test.each([
    "2001:db8::1",
    "2001:db8:0:1:1:1:1:1",
    "2001:0:0:1::1",
    "2001:db8::1:0:0:1",
    "fd00::",
    "fe80::ffff:ffff:ffff:ffff",
    "2600:1f14:abc:de00:1234::f",
  ])("%s is canonical", (text) => {
    expect(formatIpv6Address(parseIpv6Address(text) ?? 0n)).toBe(text);
  });

  test.each([
    ...[
      "2001:DB8::1",
      "2001:0db8::1",
      "2001:db8::01",
      "2001:db8:0::1",
      "2001:db8:0:0:0:0:0:1",
      "2001:db8:1::1:1:1:1:1",
    ],
    ...[
      "2001:db8::1:0:0:0:1",
      "2001:db8::1::1",
      ":2001:db8::1",
      "2001:db8:::1",
      "2001:db8::1:",
      "2001:db8:1",
      "2001:db8",
    ],
    ...["2001:db8::1%eth0", "[2001:db8::1]", "2001:db8::10.0.0.1", "2001:db8::10000", "2001:db8::g", "2001:db8::-1"],
    ...["2001:db8::1 ", "", ":", "::", "::1", "::ffff:a00:1", "64::ffff::", "ff02::1", "1:2:3:4:5:6:7:8:9", "10.0.0.1"],
    `2001:db8::${"0".repeat(40)}`,
  ])("%s is not canonical, or no pod's", (text) => {
    expect(parseIpv6Address(text)).toBeUndefined();
  });

  test("is what the URL standard writes for the same address, and is read back", () => {
    const group = fc.oneof(fc.constant(0), fc.constant(0), fc.constant(1), fc.integer({ min: 0, max: 0xffff }));
    const address = fc
      .tuple(fc.integer({ min: 0x0100, max: 0xfeff }), fc.array(group, { minLength: 7, maxLength: 7 }))
      .map(([first, others]) => [first, ...others]);
    fc.assert(
      fc.property(address, (groups) => {
        const number = groups.reduce((sum, one) => (sum << 16n) | BigInt(one), 0n);
        const full = groups.map((one) => one.toString(16).padStart(4, "0")).join(":");
        const text = formatIpv6Address(number);
        expect(`[${text}]`).toBe(new URL(`http://[${full}]/`).hostname);
        expect(parseIpv6Address(text)).toBe(number);
        expect(parseIpv6Address(full) ?? number).toBe(number);
        expect(familyOf(text)).toBe("ipv6");
      }),
    );
  });
});

test("the /80 of an address is its block, in canonical text", () => {
  expect(ipv6PrefixOf("2001:db8:0:1:1:2:3:4")).toBe("2001:db8:0:1:1::/80");
  expect(ipv6PrefixOf("2001:db8::1")).toBe("2001:db8::/80");
  expect([ipv6PrefixOf("10.0.0.1"), ipv6PrefixOf("2001:db8::01"), ipv6PrefixOf("::1")]).toEqual(
    Array(3).fill(undefined),
  );
});

describe("an IPv6 block", () => {
  test.each<[PoolRefusal, Partial<Block>]>([
    ["not-canonical", { cidr: "2001:DB8::/80" }],
    ["not-canonical", { cidr: "2001:db8:0:0::/80" }],
    ["not-canonical", { cidr: "2001:db8::/080" }],
    ["not-canonical", { cidr: "2001:db8::/129" }],
    ["not-canonical", { cidr: "2001:db8::1/80" }],
    ["not-canonical", { cidr: "2001:db8::1:0:0:0/79", kind: "node-cidr" }],
    ["not-canonical", { cidr: "2001:db8::" }],
    ["not-canonical", { cidr: "ff02::/80" }],
    ["not-canonical", { cidr: "::/80" }],
    ["wrong-size", { cidr: "2001:db8::/79" }],
    ["wrong-size", { cidr: "2001:db8::/96" }],
    ["wrong-size", { cidr: "2001:db8::1/128", kind: "address" }],
    ["wrong-size", { cidr: "2001:db8::/47", kind: "node-cidr" }],
    ["wrong-size", { cidr: "2001:db8::/121", kind: "node-cidr" }],
    ["bad-reservation", { reserved: ["2001:db8::1"] }],
    ["bad-reservation", { kind: "node-cidr", reserved: ["2001:db8::1:0:0:0"] }],
    ["bad-reservation", { kind: "node-cidr", reserved: ["2001:db7::1"] }],
    ["bad-reservation", { kind: "node-cidr", reserved: ["10.0.0.1"] }],
    ["overlap", { cidr: "2001:db8:0:1:1::/80" }],
    ["overlap", { cidr: "2001:db8:0:1::/64", kind: "node-cidr" }],
    ["overlap", { cidr: "2001:db8::/48", kind: "node-cidr" }],
    ["overlap", { cidr: "2001:db8:0:1:1:ffff:ffff:ff00/120", kind: "node-cidr" }],
  ])("is refused as %s: %o", (expected, changed) => {
    const pool = makePool({ a: ["2001:db8:0:1:1::/80"] });
    const block: Block = { cidr: "2001:db8::/80", interfaceId: "a", kind: "prefix", ...changed };
    const otherwise = { ...block, interfaceId: expected === "overlap" ? "b" : "a" };
    pool.upsertInterface({ id: "b", index: 1, usable: true });
    expect(refusal(() => pool.addBlock(otherwise))).toBe(expected);
    expect([...pool.blocks()]).toHaveLength(1);
    expect(pool.problems()).toEqual([]);
  });

  test("lends its first 4,096 addresses but the very first, which is every router's", () => {
    const pool = makePool({ a: ["2001:db8:0:1:1::/80"] });
    expect(pool.addBlock({ cidr: "2001:db8:0:1:1::/80", interfaceId: "a", kind: "prefix" })).toBe(false);
    expect(pool.counts("ipv6")).toEqual({ total: 4095, free: 4095, leased: 0, cooling: 0, releasing: 0 });
    expect(pool.counts()).toMatchObject({ total: 0 });
    const addresses = Array.from({ length: 4095 }, (_, pod) => leased6(pool, `c${pod}`));
    expect(addresses[0]).toBe("2001:db8:0:1:1::1");
    expect(addresses.at(-1)).toBe("2001:db8:0:1:1::fff");
    expect(addresses.map((text) => formatIpv6Address(parseIpv6Address(text) ?? 0n))).toEqual(addresses);
    expect(new Set(addresses).size).toBe(4095);
    expect(pool.lease(attachment("late"), POD, NOW_MS, "ipv6")).toEqual({ kind: "none", lacks: "ipv6" });
    expect(pool.leaseAt("2001:db8:0:1:1::a0")?.attachment).toEqual(attachment("c159"));
    for (const text of ["2001:db8:0:1:1::1000", "2001:db8:0:1:1:1::", "2001:db8:0:1:1::00a0", "224.0.0.160"]) {
      expect([pool.stateOf(text), pool.leaseAt(text), pool.blockOf(text)]).toEqual([undefined, undefined, undefined]);
    }
    expect(pool.stateOf("2001:db8:0:1:1::")).toBeUndefined();
    expect(pool.blockOf("2001:db8:0:1:1::")?.cidr).toBe("2001:db8:0:1:1::/80");
    expect(pool.problems()).toEqual([]);
  });

  test("of a node CIDR lends all that it has, but what is reserved", () => {
    const pool = makePool({ a: [] });
    const reserved = ["fd00::12ff", "fd00::1201"];
    pool.addBlock({ cidr: "fd00::1200/120", interfaceId: "a", kind: "node-cidr", reserved });
    // Beyond what is lent of the block, and harmless.
    const far = ["fd00:0:0:1::5", "fd00:0:0:1:8000::"];
    pool.addBlock({ cidr: "fd00:0:0:1::/64", interfaceId: "a", kind: "node-cidr", reserved: far });
    expect(pool.counts("ipv6").total).toBe(253 + 4094);
    expect(leased6(pool, "c1")).toBe("fd00::1202");
    expect(pool.stateOf("fd00::12fe")).toBe("free");
    expect(pool.stateOf("fd00::12ff")).toBeUndefined();
    expect(pool.stateOf("fd00:0:0:1::fff")).toBe("free");
    expect(refusal(() => pool.restoreLease(makeLease("fd00::12ff", "c2")))).toBe("address-not-free");
    expect(pool.problems()).toEqual([]);
  });

  test("is told from others although the pool numbers them in few integers, also when they come and go", () => {
    const pool = makePool({ a: ["10.0.0.0/28", "2001:db8:0:1:1::/80", "2001:db8:0:1:2::/80"] });
    pool.restoreLease(makeLease("2001:db8:0:1:2::7", "c1"));
    expect(pool.removeBlock("2001:db8:0:1:1::/80")).toBe(true);
    pool.addBlock({ cidr: "2001:db8:0:1:3::/80", interfaceId: "a", kind: "prefix" });
    pool.addBlock({ cidr: "2001:db8:0:1:1::/80", interfaceId: "a", kind: "prefix" });
    pool.restoreLease(makeLease("2001:db8:0:1:1::7", "c2"));
    expect(pool.leaseAt("2001:db8:0:1:3::7")).toBeUndefined();
    expect(pool.leaseAt("2001:db8:0:1:1::7")?.attachment).toEqual(attachment("c2"));
    expect(pool.leaseAt("2001:db8:0:1:2::7")?.attachment).toEqual(attachment("c1"));
    expect(pool.problems()).toEqual([]);
  });

  test("is refused when there are more than any instance takes", () => {
    const pool = makePool({ a: [] });
    const add = (number: number) =>
      pool.addBlock({ cidr: `fd00::${number.toString(16)}:0/120`, interfaceId: "a", kind: "node-cidr" });
    for (let number = 1; number <= 4096; number++) add(number);
    expect(refusal(() => add(4097))).toBe("too-many-blocks");
    expect(pool.removeBlock("fd00::12:0/120")).toBe(true);
    expect(add(4097)).toBe(true);
    expect(pool.interfaceCounts("ipv6")).toMatchObject([{ blocks: 4096 }]);
  });
});

describe("the first address of an IPv6 block", () => {
  const text = "2001:db8:0:1:1::";

  test("stays with the pod that has it from the VPC CNI, and is nobody's afterwards", () => {
    const pool = makePool({ a: ["2001:db8:0:1:1::/80"] });
    pool.restoreLease(makeLease(text, "c1"));
    expect(pool.stateOf(text)).toBe("leased");
    expect(pool.counts("ipv6")).toMatchObject({ total: 4096, free: 4095, leased: 1 });
    expect(refusal(() => pool.markReleasing(["2001:db8:0:1:1::/80"]))).toBe("block-in-use");
    expect(refusal(() => pool.restoreLease(makeLease(text, "c2")))).toBe("address-not-free");
    pool.release(attachment("c1"), NOW_MS, 1000);
    expect(pool.stateOf(text)).toBe("cooling");
    expect(pool.problems()).toEqual([]);
    expect(pool.cool(NOW_MS + 1000)).toEqual([text]);
    expect(pool.stateOf(text)).toBeUndefined();
    expect(pool.counts("ipv6")).toMatchObject({ total: 4095, free: 4095, cooling: 0 });
    expect(leased6(pool, "c2")).toBe("2001:db8:0:1:1::1");
    expect(pool.problems()).toEqual([]);
  });

  test("is not entered while the block goes back", () => {
    const pool = makePool({ a: ["2001:db8:0:1:1::/80"] });
    pool.markReleasing(["2001:db8:0:1:1::/80"]);
    expect(refusal(() => pool.restoreLease(makeLease(text, "c1")))).toBe("address-not-free");
    expect(refusal(() => pool.restoreCooling({ address: text, untilMs: NOW_MS }))).toBe("address-not-free");
    expect(pool.counts("ipv6")).toMatchObject({ total: 4095, releasing: 4095 });
    expect(pool.problems()).toEqual([]);
  });
});

test("IPv6 blocks hold their interface and take no part in the questions about IPv4", () => {
  const pool = makePool({ a: ["10.0.0.0/28", "10.0.0.16/32", "2001:db8::/80"] });
  expect(pool.interfaceCounts()).toMatchObject([{ id: "a", blocks: 2, total: 17 }]);
  expect(pool.interfaceCounts("ipv6")).toMatchObject([{ id: "a", blocks: 1, total: 4095 }]);
  pool.setBlockUsable("2001:db8::/80", false);
  expect(pool.usableCounts()).toMatchObject({ total: 17 });
  expect(pool.usableCounts("ipv6")).toMatchObject({ total: 0 });
  expect(pool.lease(attachment("c1"), POD, NOW_MS, "ipv6")).toEqual({ kind: "none", lacks: "ipv6" });
  pool.setBlockUsable("2001:db8::/80", true);
  leased6(pool, "c1");
  expect(pool.inUseOn("a")).toBe(1);
  expect(pool.inUseOn("unknown")).toBe(0);
  const both = [
    { cidr: "10.0.0.0/28", kind: "prefix" },
    { cidr: "10.0.0.16/32", kind: "address" },
  ];
  expect(pool.freeBlocksOn("a")).toEqual(both);
  expect(pool.freeBlocksOn("unknown")).toEqual([]);
  pool.setBlockUsable("10.0.0.0/28", false);
  expect(pool.freeBlocksOn("a")).toEqual(both);
  pool.markReleasing(["10.0.0.0/28"]);
  expect(pool.freeBlocksOn("a")).toEqual(both.slice(1));
  pool.restoreCooling({ address: "10.0.0.16", untilMs: NOW_MS });
  expect(pool.freeBlocksOn("a")).toEqual([]);
  expect(pool.inUseOn("a")).toBe(2);
  pool.cool(NOW_MS);
  for (const cidr of ["10.0.0.0/28", "10.0.0.16/32"]) pool.removeBlock(cidr);
  expect(refusal(() => pool.removeInterface("a"))).toBe("interface-has-blocks");
  expect(refusal(() => pool.removeBlock("2001:db8::/80"))).toBe("block-in-use");
  expect(refusal(() => pool.markReleasing(["2001:db8::/80"]))).toBe("block-in-use");
});
