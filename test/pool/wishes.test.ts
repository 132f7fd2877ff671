import { describe, expect, test } from "vitest";
import type { Families, Pool } from "../../src/pool/index.ts";
import { attachment, granted, leased, makePool, NOW_MS, POD } from "./make-pool.ts";

function wish(pool: Pool, containerId: string, wanted: readonly string[], families?: Families) {
  return pool.lease(attachment(containerId), POD, NOW_MS, families, { wanted });
}

describe("an address that is wanted in particular", () => {
  test("is leased, whatever would be next", () => {
    const pool = makePool({ a: ["10.0.0.16/28", "10.0.0.5/32"] });
    expect(granted(wish(pool, "c1", ["10.0.0.23"])).address).toBe("10.0.0.23");
    expect(granted(wish(pool, "c2", ["10.0.0.5"])).address).toBe("10.0.0.5");
    expect(pool.problems()).toEqual([]);
  });

  test("leaves the others in their turn", () => {
    const pool = makePool({ a: ["10.0.0.16/30"] }, "node-cidr");
    wish(pool, "c1", ["10.0.0.17"]);
    expect([leased(pool, "c2"), leased(pool, "c3"), leased(pool, "c4")].map(({ address }) => address)).toEqual([
      "10.0.0.16",
      "10.0.0.18",
      "10.0.0.19",
    ]);
  });

  test("of one family leaves the other to the pool", () => {
    const pool = makePool({ a: ["10.0.0.16/28", "2001:db8::/80"] });
    expect(granted(wish(pool, "c1", ["2001:db8::9"], "dual"))).toMatchObject({
      address: "10.0.0.16",
      ipv6Address: "2001:db8::9",
    });
    expect(granted(wish(pool, "c2", ["10.0.0.20"], "dual"))).toMatchObject({
      address: "10.0.0.20",
      ipv6Address: "2001:db8::1",
    });
    expect(granted(wish(pool, "c3", ["2001:db8::7", "10.0.0.21"], "dual"))).toMatchObject({
      address: "10.0.0.21",
      ipv6Address: "2001:db8::7",
    });
    expect(granted(wish(pool, "c4", ["2001:db8::a"], "ipv6")).address).toBe("2001:db8::a");
    expect(pool.problems()).toEqual([]);
  });

  test("is nobody's alternative: where it cannot be had, nothing is leased, and why is said", () => {
    const pool = makePool({ a: ["10.0.0.4/32", "10.0.0.5/32", "10.0.0.6/32", "10.0.0.7/32", "2001:db8::/80"], b: [] });
    pool.addBlock({
      cidr: "192.168.0.0/28",
      interfaceId: "b",
      kind: "node-cidr",
      reserved: ["192.168.0.1"],
    });
    wish(pool, "holder", ["10.0.0.4"]);
    wish(pool, "gone", ["10.0.0.5"]);
    pool.release(attachment("gone"), NOW_MS, 30_000);
    pool.markReleasing(["10.0.0.6/32"]);
    pool.setBlockUsable("10.0.0.7/32", false);
    for (const [address, why] of [
      ["10.0.9.9", { because: "not-here" }],
      ["10.0.0.04", { because: "not-here" }],
      ["2001:db8:9::1", { because: "not-here" }],
      ["2001:db8::1000", { because: "not-here" }],
      ["2001:db8::", { because: "reserved" }],
      ["192.168.0.1", { because: "reserved" }],
      ["10.0.0.4", { because: "leased", pod: POD }],
      ["10.0.0.5", { because: "cooling", untilMs: NOW_MS + 30_000 }],
      ["10.0.0.6", { because: "releasing" }],
      ["10.0.0.7", { because: "unusable" }],
    ] as const) {
      expect(wish(pool, "c1", [address], "dual")).toEqual({ kind: "unavailable", address, why });
      expect(pool.unavailable([address], "dual")).toEqual({ address, why });
    }
    const why = { because: "other-family" };
    expect(wish(pool, "c1", ["2001:db8::5"])).toEqual({ kind: "unavailable", address: "2001:db8::5", why });
    expect(wish(pool, "c1", ["192.168.0.2"], "ipv6")).toEqual({ kind: "unavailable", address: "192.168.0.2", why });
    expect(wish(pool, "c1", ["192.168.0.2", "192.168.0.3"])).toEqual({
      kind: "unavailable",
      address: "192.168.0.3",
      why,
    });
    pool.upsertInterface({ id: "b", index: 1, usable: false });
    expect(pool.unavailable(["192.168.0.2"], "ipv4")).toEqual({ address: "192.168.0.2", why: { because: "unusable" } });
    expect(pool.leaseOf(attachment("c1"))).toBeUndefined();
    expect(pool.problems()).toEqual([]);
  });

  test("that cannot be had is told so also when there are as many leases as there may be", () => {
    const pool = makePool({ a: ["10.0.0.16/28"] });
    wish(pool, "c1", ["10.0.0.20"]);
    pool.mostLeases = 1;
    expect(wish(pool, "c2", ["10.0.0.20"])).toMatchObject({ kind: "unavailable", why: { because: "leased" } });
    expect(wish(pool, "c2", ["10.0.0.21"])).toEqual({ kind: "none", lacks: "ipv4" });
  });

  test("can be had again when it has cooled down", () => {
    const pool = makePool({ a: ["10.0.0.16/28"] });
    wish(pool, "c1", ["10.0.0.20"]);
    pool.release(attachment("c1"), NOW_MS, 30_000);
    pool.cool(NOW_MS + 30_000);
    expect(granted(wish(pool, "c2", ["10.0.0.20"])).address).toBe("10.0.0.20");
  });

  test("does not matter to an attachment that has a lease: the caller sees which", () => {
    const pool = makePool({ a: ["10.0.0.16/28"] });
    const lease = leased(pool, "c1");
    expect(wish(pool, "c1", ["10.0.0.30"])).toEqual({ kind: "existing", lease });
    expect(wish(pool, "c1", ["10.9.9.9"])).toEqual({ kind: "existing", lease });
  });
});

test("a lease keeps the sandbox that it was made for", () => {
  const pool = makePool({ a: ["10.0.0.16/28"] });
  const sandbox = { path: "/run/netns/c1", identity: "4:4026532281", folder: "25:1" };
  expect(granted(pool.lease(attachment("c1"), POD, NOW_MS, "ipv4", { sandbox }))).toEqual({
    address: "10.0.0.16",
    attachment: attachment("c1"),
    pod: POD,
    leasedAtMs: NOW_MS,
    sandbox,
  });
  expect(leased(pool, "c2")).not.toHaveProperty("sandbox");
});
