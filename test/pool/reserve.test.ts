import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cidrDifference, cidrHolds, cidrsOverlap, type Pool } from "../../src/pool/index.ts";
import { attachment, leased, makeLease, makePool, NOW_MS, POD, refusal } from "./make-pool.ts";

const BLOCK = "10.0.0.0/28";

function addressesOf(pool: Pool): string[] {
  return [...pool.leases()].map(({ address }) => address);
}

describe("addresses of a node CIDR that become reserved", () => {
  test("are given to nobody while they are, free ones at once, others once they are released", () => {
    const pool = makePool({ node: [BLOCK] }, "node-cidr");
    const first = leased(pool, "a");
    pool.reserve(BLOCK, [first.address, "10.0.0.8/29"]);
    expect(pool.counts()).toMatchObject({ free: 7, leased: 1, total: 8 });
    expect(pool.stateOf(first.address)).toBe("leased");
    pool.release(attachment("a"), NOW_MS, 1_000);
    expect(pool.stateOf(first.address)).toBe("cooling");
    pool.cool(NOW_MS + 1_000);
    expect(pool.stateOf(first.address)).toBeUndefined();
    for (const name of ["b", "c", "d", "e", "f", "g", "h"]) leased(pool, name);
    expect(pool.lease(attachment("i"), POD, NOW_MS).kind).toBe("none");
    expect(addressesOf(pool).sort()).toEqual([1, 2, 3, 4, 5, 6, 7].map((n) => `10.0.0.${n}`));
    pool.reserve(BLOCK, []);
    expect(pool.lease(attachment("i"), POD, NOW_MS).kind).toBe("leased");
    expect(pool.problems()).toEqual([]);
  });

  test("may be all of it, and the only one of a /32", () => {
    const pool = makePool({ node: ["10.0.0.0/30", "10.0.1.1/32"] }, "node-cidr");
    pool.reserve("10.0.0.0/30", ["10.0.0.0/24"]);
    pool.reserve("10.0.1.1/32", ["10.0.1.1"]);
    expect(pool.counts()).toMatchObject({ total: 0 });
    expect(pool.lease(attachment("a"), POD, NOW_MS).kind).toBe("none");
    expect(pool.problems()).toEqual([]);
    pool.reserve("10.0.1.1/32", []);
    expect(leased(pool, "a").address).toBe("10.0.1.1");
    expect(pool.problems()).toEqual([]);
  });

  test("can have the leases of earlier", () => {
    const pool = makePool({ node: [BLOCK] }, "node-cidr");
    pool.reserve(BLOCK, ["10.0.0.3"]);
    pool.restoreLease(makeLease("10.0.0.3", "a"));
    expect(pool.stateOf("10.0.0.3")).toBe("leased");
    expect(pool.undoLease(attachment("a"))).toBe(true);
    expect(pool.stateOf("10.0.0.3")).toBeUndefined();
    expect(pool.problems()).toEqual([]);
  });

  test("of IPv6 are those of its window, and the first one always", () => {
    const pool = makePool({ node: ["2001:db8::/64"] }, "node-cidr");
    pool.reserve("2001:db8::/64", ["2001:db8::1", "2001:db8::100/120", "2001:db8:0:1::/64"]);
    expect(pool.counts("ipv6").total).toBe(4_096 - 2 - 256);
    pool.reserve("2001:db8::/64", []);
    expect(pool.counts("ipv6").total).toBe(4_095);
  });

  test("are those of node CIDRs alone", () => {
    const pool = makePool({ a: ["10.0.0.4/32"] });
    expect(refusal(() => pool.reserve("10.0.0.4/32", []))).toBe("bad-reservation");
    expect(refusal(() => pool.reserve("10.0.0.5/32", []))).toBe("unknown-block");
  });

  test("whatever is leased, released and reserved, the pool agrees with sets of addresses", () => {
    const act = fc.oneof(
      fc.record({ kind: fc.constantFrom("lease", "release"), pod: fc.nat(11) }),
      fc.record({ kind: fc.constant("reserve"), offsets: fc.uniqueArray(fc.nat(7)) }),
      fc.record({ kind: fc.constant("cool"), pod: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const pool = makePool({ node: ["10.0.0.0/29"] }, "node-cidr");
        let reserved = new Set<string>();
        const cooling = new Set<string>();
        for (const one of acts) {
          if ("offsets" in one) {
            reserved = new Set(one.offsets.map((offset) => `10.0.0.${offset}`));
            pool.reserve("10.0.0.0/29", [...reserved]);
          } else if (one.kind === "cool") {
            pool.cool(NOW_MS + 1);
            cooling.clear();
          } else if (one.kind === "lease") {
            const before = new Set(addressesOf(pool));
            const result = pool.lease(attachment(`pod-${one.pod}`), POD, NOW_MS);
            const free = [0, 1, 2, 3, 4, 5, 6, 7]
              .map((offset) => `10.0.0.${offset}`)
              .filter((address) => !before.has(address) && !reserved.has(address) && !cooling.has(address));
            if (result.kind === "leased") expect(free).toContain(result.lease.address);
            if (result.kind === "none") expect(free).toEqual([]);
          } else {
            const ended = pool.release(attachment(`pod-${one.pod}`), NOW_MS, 1);
            if (ended !== undefined) cooling.add(ended.lease.address);
          }
          expect(pool.problems()).toEqual([]);
        }
      }),
    );
  });
});

test("a pool makes no more leases than it may, and keeps those that there are", () => {
  const pool = makePool({ node: [BLOCK] }, "node-cidr");
  pool.mostLeases = 2;
  leased(pool, "a");
  leased(pool, "b");
  expect(pool.lease(attachment("c"), POD, NOW_MS)).toEqual({ kind: "none", lacks: "ipv4" });
  expect(pool.lease(attachment("a"), POD, NOW_MS).kind).toBe("existing");
  pool.mostLeases = 1;
  expect(pool.leaseCount).toBe(2);
  pool.release(attachment("a"), NOW_MS, 0);
  expect(pool.lease(attachment("c"), POD, NOW_MS).kind).toBe("none");
  pool.release(attachment("b"), NOW_MS, 0);
  expect(pool.lease(attachment("c"), POD, NOW_MS).kind).toBe("leased");
});

describe("CIDRs", () => {
  test.each([
    ["10.0.0.0/24", ["10.0.0.0/25"], ["10.0.0.128/25"]],
    ["10.0.0.0/24", ["10.0.0.64/26"], ["10.0.0.0/26", "10.0.0.128/25"]],
    ["10.0.0.0/24", ["10.0.0.0/23"], []],
    ["10.0.0.0/24", ["10.0.1.0/24", "2001:db8::/64"], ["10.0.0.0/24"]],
    ["10.0.0.8/31", ["10.0.0.9/32"], ["10.0.0.8/32"]],
    ["192.0.2.0/30", ["192.0.2.0/32", "192.0.2.3/32"], ["192.0.2.1/32", "192.0.2.2/32"]],
    ["2001:db8::/63", ["2001:db8::/64"], ["2001:db8:0:1::/64"]],
  ])("%s without %j is %j", (cidr, others, left) => {
    expect(cidrDifference(cidr, others)).toEqual(left);
  });

  test("hold addresses and one another", () => {
    expect(cidrHolds("10.0.0.0/24", "10.0.0.255")).toBe(true);
    expect(cidrHolds("10.0.0.0/24", "10.0.1.0")).toBe(false);
    expect(cidrHolds("2001:db8::/64", "2001:db8::1")).toBe(true);
    expect(cidrHolds("10.0.0.0/24", "shop/web-1")).toBe(false);
    expect(cidrsOverlap("10.0.0.0/28", "10.0.0.0/24")).toBe(true);
    expect(cidrsOverlap("10.0.0.0/28", "10.0.0.16/28")).toBe(false);
  });
});
