import { describe, expect, test } from "vitest";
import { type PlanInput, plan } from "../../src/planning/index.ts";
import { brief, M5_LARGE, makeInput, makeInterface, NOW_MS } from "./make-input.ts";

const WITH_IPV6 = [{ id: "subnet-a", freeAddresses: 1000, ipv6: true }];
const MIXED = [
  { id: "subnet-a", freeAddresses: 1000 },
  { id: "subnet-b", freeAddresses: 50, ipv6: true },
];
const dual = (changed: Partial<PlanInput> = {}) => makeInput({ families: "dual", subnets: WITH_IPV6, ...changed });

describe("the IPv6 prefix of a dual-stack node", () => {
  test("goes on an interface that exists, beside the IPv4 addresses", () => {
    const result = plan(dual());
    expect(brief(result.steps)).toEqual(["eni-0 +1 /80", "eni-0 +8"]);
    expect(result.planned).toBe(8);
    expect(result.steps[0]?.reason).toBe(
      "1 IPv6 prefix goes on eni-0: pods need one, no interface holds one, subnet-a has IPv6",
    );
  });

  test("is asked for once", () => {
    const interfaces = [makeInterface(0, { slotsTaken: 8, ipv6Prefixes: 1 })];
    const result = plan(dual({ interfaces, available: 8 }));
    expect(result.steps).toEqual([]);
    expect(result.explanation).toContain("eni-0 has the IPv6 prefix that pods need");
  });

  test("does not count on an interface that may carry no pods", () => {
    const interfaces = [makeInterface(0, { ipv6Prefixes: 1, usable: false }), makeInterface(1)];
    expect(brief(plan(dual({ interfaces, available: 8 })).steps)).toEqual(["eni-1 +1 /80"]);
  });

  test("waits for an interface that a step changes, or that is being made", () => {
    const busy = plan(dual({ interfaces: [makeInterface(0, { busy: true })], available: 8 }));
    expect(busy.steps).toEqual([]);
    expect(busy.shortfall).toBeUndefined();
    expect(busy.explanation).toContain("the IPv6 prefix that pods need waits for eni-0: a step changes it");
    const made = makeInterface(1, { subnetId: "subnet-b" });
    const interfaces = [makeInterface(0), made];
    expect(plan(dual({ subnets: MIXED, interfaces, pendingDeviceIndexes: [1], available: 8 })).steps).toEqual([]);
  });

  test("comes with an interface that is created anyway, in a subnet with IPv6 even if that has fewer addresses", () => {
    const interfaces = [makeInterface(0, { slotsTaken: 9 })];
    const result = plan(dual({ subnets: MIXED, interfaces, available: 9, used: 9, waiting: 12 }));
    expect(brief(result.steps)).toEqual(["new 1 in subnet-b +9 and a /80", "new 2 in subnet-a +3"]);
  });

  test("gets an interface of its own when no IPv4 address is wanted", () => {
    const interfaces = [makeInterface(0, { slotsTaken: 8 })];
    const result = plan(dual({ subnets: MIXED, interfaces, available: 8 }));
    expect(brief(result.steps)).toEqual(["new 1 in subnet-b +0 and a /80"]);
    expect(result).toMatchObject({ planned: 0, wanted: 0 });
    expect(result.steps[0]?.reason).toBe(
      "a new interface at device index 1 takes no IPv4 blocks: it has 9 slots, subnet-b has 50 free addresses, " +
        "and it brings the IPv6 prefix that pods need",
    );
  });

  test("keeps the last place of the instance for itself", () => {
    const limits = { ...M5_LARGE, maxInterfaces: 2, prefixes: true };
    const interfaces = [makeInterface(0, { slotsTaken: 9 })];
    const subnets = [MIXED[0] ?? { id: "", freeAddresses: 0 }, { id: "subnet-b", freeAddresses: 3, ipv6: true }];
    const input = dual({ limits, prefixMode: "preferred", subnets, interfaces, available: 9, used: 9 });
    expect(brief(plan(input).steps)).toEqual(["new 1 in subnet-b +2 and a /80"]);
  });

  test("is given up where no subnet can have it, and the subnets are named", () => {
    const result = plan(dual({ subnets: MIXED.slice(0, 1) }));
    expect(result).toMatchObject({ shortfall: { kind: "no-ipv6-subnet", subnets: MIXED.slice(0, 1) }, planned: 8 });
    expect(result.explanation.at(-1)).toBe(
      "the IPv6 prefix that pods need cannot be had: no allowed subnet that an interface could be in has an IPv6 CIDR " +
        "(subnet-a: 1000 free)",
    );
    // No place is left for an interface in subnet-b.
    const limits = { ...M5_LARGE, maxInterfaces: 1 };
    expect(plan(dual({ subnets: MIXED, limits })).shortfall).toEqual({
      kind: "no-ipv6-subnet",
      subnets: MIXED.slice(0, 1),
    });
  });

  test("waits while growth, or that in its subnet, is held back", () => {
    const blocked = { untilMs: NOW_MS + 1000, reason: "throttled" };
    expect(plan(dual({ blocked, available: 8 }))).toMatchObject({ steps: [], shortfall: { kind: "blocked" } });
    const heldBack = WITH_IPV6.map((subnet) => ({ ...subnet, blockedUntilMs: NOW_MS + 1000 }));
    expect(plan(dual({ subnets: heldBack, available: 8 }))).toMatchObject({
      steps: [],
      shortfall: { kind: "subnets-empty", subnets: heldBack },
    });
    const empty = [{ id: "subnet-b", freeAddresses: 0, ipv6: true }];
    expect(plan(dual({ subnets: empty, interfaces: [] })).shortfall).toMatchObject({ kind: "subnets-empty" });
  });

  test("says what else is in the way", () => {
    expect(plan(dual({ subnets: [] })).shortfall).toEqual({ kind: "no-subnet" });
    const limits = { ...M5_LARGE, firstInterfaceIndex: 3 };
    expect(plan(dual({ limits })).shortfall).toEqual({ kind: "no-usable-interface" });
  });

  test("is nothing that an IPv4 node asks for", () => {
    expect(brief(plan(makeInput({ subnets: WITH_IPV6 })).steps)).toEqual(["eni-0 +8"]);
  });
});

test("IPv6-only pods wait for the prefix alone: IPv4 watermarks ask for nothing", () => {
  const ipv6 = dual({ families: "ipv6", waiting: 30 });
  const result = plan(ipv6);
  expect(brief(result.steps)).toEqual(["eni-0 +1 /80"]);
  expect(result).toMatchObject({ needed: 0, surge: 0, wanted: 0, planned: 0 });
  expect(result.explanation).toEqual([
    "the node holds 0 addresses, 0 of them leased or cooling; steps under way bring 0 more",
    "pods get IPv6 addresses alone: the watermarks, which are of IPv4, ask for none",
    result.steps[0]?.reason,
  ]);
  const held = [makeInterface(0, { ipv6Prefixes: 1 })];
  expect(plan({ ...ipv6, interfaces: held }).explanation.at(-1)).toBe("nothing is to be done");
});
