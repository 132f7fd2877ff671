import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gatewayOf, IPV6_WINDOW, reservedIn } from "../../src/configuration/index.ts";
import { contains, formatAddress, sizeOf } from "../../src/configuration/ip-range.ts";
import { Pool, PoolError } from "../../src/pool/index.ts";
import { addressIn, ipv4Range, ipv6Range, partOf, podRange, rangeOf } from "./ranges.ts";

const POD = { name: "p", namespace: "n", uid: "u" };

/** All addresses that a pool gives to pods when it holds this range alone. */
function lentOf(cidr: string, reserved: readonly string[]): string[] {
  const pool = new Pool();
  pool.upsertInterface({ id: "node", index: 0, usable: true });
  pool.addBlock({ cidr, kind: "node-cidr", interfaceId: "node", reserved });
  const lent: string[] = [];
  for (;;) {
    const attachment = { network: "n", containerId: `c${lent.length}`, interfaceName: "eth0" };
    const answer = pool.lease(attachment, POD, 0, cidr.includes(":") ? "ipv6" : "ipv4");
    if (answer.kind !== "leased") return lent;
    lent.push(answer.lease.address);
  }
}

/** The addresses of the range that can be pods' at all, in order. */
function windowOf(cidr: string): string[] {
  const range = rangeOf(cidr);
  const size = Number(sizeOf(range));
  return Array.from({ length: range.family === "ipv6" ? Math.min(size, IPV6_WINDOW) : size }, (_, offset) =>
    formatAddress({ family: range.family, value: range.first + BigInt(offset) }),
  );
}

describe("the gateway of a range", () => {
  it.each([
    ["10.12.5.0/24", "10.12.5.1"],
    ["10.12.0.0/16", "10.12.0.1"],
    ["10.12.5.4/30", "10.12.5.5"],
    ["10.12.5.4/31", undefined],
    ["10.12.5.4/32", undefined],
    ["2001:db8:5::/64", "2001:db8:5::1"],
    ["fd00:0:0:1::/120", "fd00:0:0:1::1"],
    ["2001:db8::2/127", undefined],
    ["2001:db8::2/128", undefined],
  ])("%s is %s", (cidr, gateway) => {
    expect(gatewayOf(cidr)).toBe(gateway);
  });

  it("is an address of the range that no pod gets", () => {
    fc.assert(
      fc.property(fc.oneof(ipv4Range(16, 30), ipv6Range()), (cidr) => {
        const gateway = gatewayOf(cidr);
        expect(reservedIn(cidr, [])).toContain(gateway);
        expect(contains(rangeOf(cidr), rangeOf(gateway ?? ""))).toBe(true);
      }),
    );
  });

  it.each([
    "",
    "10.12.5",
    "10.12.5.0/33",
    "10.12.05.0/24",
    "2001:db8::/129",
    "fe80::%eth0/64",
    "10.0.0.0/24/1",
    ":::/64",
  ])("of %j is a mistake of the caller", (text) => {
    expect(() => gatewayOf(text)).toThrow(TypeError);
    expect(() => reservedIn(text, [])).toThrow(TypeError);
  });
});

describe("what no pod gets of a range", () => {
  it.each([
    ["10.12.5.0/24", [], ["10.12.5.0", "10.12.5.1", "10.12.5.255"]],
    ["10.12.5.4/30", [], ["10.12.5.4", "10.12.5.5", "10.12.5.7"]],
    ["10.12.5.4/31", [], []],
    ["10.12.5.4/32", [], []],
    ["10.12.5.4/31", ["10.12.5.5"], ["10.12.5.5"]],
    ["10.12.5.0/29", ["10.12.5.1", "10.12.5.4/31"], ["10.12.5.0", "10.12.5.1", "10.12.5.4", "10.12.5.5", "10.12.5.7"]],
    ["10.12.5.0/29", ["10.12.6.0/24", "2001:db8::1"], ["10.12.5.0", "10.12.5.1", "10.12.5.7"]],
    ["2001:db8::/64", ["2001:db8::1:0/112"], ["2001:db8::", "2001:db8::1"]],
    ["2001:db8::/64", ["2001:db8::fff", "2001:db8::1000"], ["2001:db8::", "2001:db8::1", "2001:db8::fff"]],
    ["2001:db8::/120", ["2001:db8::fe/127"], ["2001:db8::", "2001:db8::1", "2001:db8::fe", "2001:db8::ff"]],
  ])("of %s, excluded %j, is %j", (cidr, excluded, reserved) => {
    expect(reservedIn(cidr, excluded)).toEqual(reserved);
  });

  it("is everything of a range that lies in an excluded one", () => {
    expect(reservedIn("10.12.5.0/28", ["10.12.0.0/16"])).toEqual(windowOf("10.12.5.0/28"));
    expect(reservedIn("2001:db8::/64", ["2001:db8::/48"])).toEqual(windowOf("2001:db8::/64"));
  });

  it("is taken by the pool as it is, and the pool lends all other addresses and no more", () => {
    const cases = fc
      .oneof(ipv4Range(25), ipv6Range(119))
      .chain((cidr) => fc.tuple(fc.constant(cidr), fc.array(fc.oneof(partOf(cidr), podRange), { maxLength: 6 })));
    fc.assert(
      fc.property(cases, ([cidr, excluded]) => {
        const reserved = reservedIn(cidr, excluded);
        const said = excluded.map(rangeOf);
        const others = windowOf(cidr).filter(
          (address) => !reserved.includes(address) && !said.some((one) => contains(one, rangeOf(address))),
        );
        if (others.length === 0) expect(() => lentOf(cidr, reserved)).toThrow(PoolError);
        else expect(lentOf(cidr, reserved).toSorted()).toEqual(others.toSorted());
      }),
      { numRuns: 40 },
    );
  });

  it("leaves the rest of the first 4,096 addresses of an IPv6 range, of which the pool lends no others", () => {
    const lent = lentOf("2001:db8:5::/64", reservedIn("2001:db8:5::/64", ["2001:db8:5::8/125"]));
    expect(lent).toHaveLength(IPV6_WINDOW - 2 - 8);
    expect(new Set(lent)).toEqual(
      new Set(windowOf("2001:db8:5::/64").filter((address) => !/::[01]?$|::[89a-f]$/.test(address))),
    );
  });

  it("is every excluded address, and grows by nothing else", () => {
    const cases = ipv4Range().chain((cidr) =>
      fc.tuple(fc.constant(cidr), fc.array(addressIn(cidr), { maxLength: 20 })),
    );
    fc.assert(
      fc.property(cases, ([cidr, excluded]) => {
        expect(new Set(reservedIn(cidr, excluded))).toEqual(new Set([...reservedIn(cidr, []), ...excluded]));
      }),
    );
  });

  it("is canonical, in order, and says nothing twice", () => {
    const cases = fc
      .oneof(ipv4Range(22), ipv6Range())
      .chain((cidr) => fc.tuple(fc.constant(cidr), fc.array(partOf(cidr), { maxLength: 4 })));
    fc.assert(
      fc.property(cases, ([cidr, excluded]) => {
        const reserved = reservedIn(cidr, excluded);
        const without = new Set(reserved);
        expect(reserved).toEqual(windowOf(cidr).filter((address) => without.has(address)));
      }),
      { numRuns: 30 },
    );
  });
});
