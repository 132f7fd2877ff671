import { describe, expect, test } from "vitest";
import type { Families, Lease, Pool } from "../../src/pool/index.ts";
import { attachment, granted, leased, makeLease, makePool, NOW_MS, POD, refusal } from "./make-pool.ts";

const COOLING_MS = 30_000;

function makeDualPool(): Pool {
  return makePool({ a: ["10.0.0.4/32", "10.0.0.5/32", "2001:db8::/80"] });
}

function leasedOf(pool: Pool, containerId: string, families: Families): Lease {
  return granted(pool.lease(attachment(containerId), POD, NOW_MS, families));
}

describe("a dual-stack lease", () => {
  test("has an address of each family and is found by both", () => {
    const pool = makeDualPool();
    const lease = leasedOf(pool, "c1", "dual");
    expect(lease).toEqual({ ...makeLease("10.0.0.4", "c1"), ipv6Address: "2001:db8::1" });
    expect([...pool.leases()]).toEqual([lease]);
    for (const text of ["10.0.0.4", "2001:db8::1"]) {
      expect([pool.leaseAt(text), pool.stateOf(text)]).toEqual([lease, "leased"]);
    }
    expect(pool.inUseOn("a")).toBe(2);
    expect(pool.problems()).toEqual([]);
  });

  test("is answered again as it is, whatever is asked for then", () => {
    const pool = makeDualPool();
    const dual = leasedOf(pool, "c1", "dual");
    const single = leasedOf(pool, "c2", "ipv6");
    expect(single).toEqual(makeLease("2001:db8::2", "c2"));
    for (const families of ["ipv4", "ipv6", "dual"] as const) {
      expect(pool.lease(attachment("c1"), POD, NOW_MS, families)).toEqual({ kind: "existing", lease: dual });
      expect(pool.lease(attachment("c2"), POD, NOW_MS, families)).toEqual({ kind: "existing", lease: single });
    }
  });

  test("is not made by half, and the family that lacks is named", () => {
    const [none, onlyIpv4, onlyIpv6] = [makePool({ a: [] }), makePool({ a: ["10.0.0.4/32"] }), makePool({ a: [] })];
    onlyIpv6.addBlock({ cidr: "2001:db8::/80", interfaceId: "a", kind: "prefix" });
    for (const [pool, lacks] of [
      [none, "ipv4"],
      [onlyIpv4, "ipv6"],
      [onlyIpv6, "ipv4"],
    ] as const) {
      expect(pool.lease(attachment("c1"), POD, NOW_MS, "dual")).toEqual({ kind: "none", lacks });
      expect([pool.counts("ipv4").leased, pool.counts("ipv6").leased]).toEqual([0, 0]);
      expect(pool.leaseOf(attachment("c1"))).toBeUndefined();
    }
    expect(leased(onlyIpv4, "c2").address).toBe("10.0.0.4");
  });

  test("ends with both addresses, which cool equally long", () => {
    const pool = makeDualPool();
    const lease = leasedOf(pool, "c1", "dual");
    const untilMs = NOW_MS + COOLING_MS;
    const ended = pool.release(attachment("c1"), NOW_MS, COOLING_MS);
    expect(ended).toEqual({ lease, cooling: { address: "10.0.0.4", untilMs } });
    expect([...pool.coolings()]).toEqual([
      { address: "10.0.0.4", untilMs },
      { address: "2001:db8::1", untilMs },
    ]);
    expect(pool.leaseAt("2001:db8::1")).toBeUndefined();
    expect(pool.inUseOn("a")).toBe(2);
    expect(pool.cool(untilMs)).toEqual(["10.0.0.4", "2001:db8::1"]);
    expect([pool.stateOf("10.0.0.4"), pool.stateOf("2001:db8::1"), pool.inUseOn("a")]).toEqual(["free", "free", 0]);
    expect(leasedOf(pool, "c2", "dual")).toMatchObject({ address: "10.0.0.5", ipv6Address: "2001:db8::2" });
    expect(pool.problems()).toEqual([]);
  });

  test("whose commit failed gives both addresses to the next pod", () => {
    const pool = makeDualPool();
    const { address, ipv6Address } = leasedOf(pool, "c1", "dual");
    expect(pool.undoLease(attachment("c1"))).toBe(true);
    expect(pool.leaseAt("2001:db8::1")).toBeUndefined();
    expect(leasedOf(pool, "c2", "dual")).toMatchObject({ address, ipv6Address });
    expect(pool.problems()).toEqual([]);
  });

  test("is restored whole or not at all", () => {
    const pool = makeDualPool();
    const restore = (address: string, ipv6Address: string, containerId: string) => () =>
      pool.restoreLease({ ...makeLease(address, containerId), ipv6Address });
    restore("10.0.0.5", "2001:db8::9", "c1")();
    restore("10.0.0.5", "2001:db8::9", "c1")();
    expect(refusal(restore("10.0.0.5", "2001:db8::8", "c1"))).toBe("attachment-leased");
    expect(refusal(() => pool.restoreLease(makeLease("10.0.0.5", "c1")))).toBe("attachment-leased");
    expect(refusal(restore("10.0.0.4", "2001:db8::9", "c2"))).toBe("address-not-free");
    expect(refusal(restore("10.0.0.5", "2001:db8::8", "c2"))).toBe("address-not-free");
    expect(refusal(restore("10.0.0.4", "2001:db8::1000", "c2"))).toBe("unknown-address");
    expect(refusal(restore("10.0.0.4", "10.0.0.4", "c2"))).toBe("unknown-address");
    expect(refusal(restore("2001:db8::8", "2001:db8::8", "c2"))).toBe("unknown-address");
    expect([pool.counts("ipv4").leased, pool.counts("ipv6").leased]).toEqual([1, 1]);
    expect(pool.leaseAt("2001:db8::9")).toMatchObject({ address: "10.0.0.5", ipv6Address: "2001:db8::9" });
    pool.restoreCooling({ address: "10.0.0.4", untilMs: NOW_MS });
    pool.restoreCooling({ address: "2001:db8::4", untilMs: NOW_MS });
    expect(pool.cool(NOW_MS)).toEqual(["10.0.0.4", "2001:db8::4"]);
    expect(pool.problems()).toEqual([]);
  });
});

test("single addresses come from the interface with the most leases of both families, which cannot be given up", () => {
  const pool = makePool({ a: ["10.0.0.4/32"], b: ["10.0.1.4/32", "10.0.1.5/32", "2001:db8::/80"] });
  expect(leasedOf(pool, "c1", "ipv6").address).toBe("2001:db8::1");
  expect(leased(pool, "c2").address).toBe("10.0.1.4");
  pool.release(attachment("c1"), NOW_MS, COOLING_MS);
  pool.release(attachment("c2"), NOW_MS, COOLING_MS);
  expect(leased(pool, "c3").address).toBe("10.0.0.4");
  expect(pool.problems()).toEqual([]);
});
