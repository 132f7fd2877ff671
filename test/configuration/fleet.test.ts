import { describe, expect, it } from "vitest";
import definitions from "../../schemas/definitions.schema.json" with { type: "json" };
import { checkSettings, effectiveSettings, parseOverride, type SettingName } from "../../src/configuration/index.ts";
import { PERMISSIONS } from "../../src/providers/aws/permissions-table.ts";
import { FILE, failureOf, read } from "./helpers.ts";

const FLEET = { redis: ["redis-1:6379"] };
const RULE = { namespace: "shop", "stateful-set": "db" };

const conflicts = (file: object, values: Partial<Record<SettingName, unknown>>) =>
  checkSettings(
    effectiveSettings(
      read(file),
      Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value, setAtMs: 5 }])),
    ),
  );

describe("the section fleet", () => {
  it("is read like the other sections, in both forms", () => {
    const fleet = { "fleet-name": "prod", redis: ["a:1", "b:2"], "redis-kind": "cluster", "redis-replica-acks": 1 };
    expect(read({ fleet }).values).toEqual(fleet);
    expect(read({ plugins: [{ type: "cilium-cni", fleet }] }).values).toEqual(fleet);
    expect(read({ fleet }).places["redis-kind"]).toMatchObject({ pointer: "/fleet/redis-kind" });
    expect(failureOf(() => read({ plugins: [{ type: "bridge", fleet }] })).message).toContain(
      'its "fleet" would be lost',
    );
  });

  it("has servers in one spelling", () => {
    const redis = ["Redis-1.Internal:6379", "10.0.12.40:1", "[2001:DB8:0::40]:65535"];
    expect(read({ fleet: { redis, "redis-kind": "cluster" } }).values.redis).toEqual([
      "redis-1.internal:6379",
      "10.0.12.40:1",
      "[2001:db8::40]:65535",
    ]);
  });

  it("without servers is noticed: nothing comes of it", () => {
    const notices = read({ fleet: { "fleet-name": "prod" } }).notices;
    expect(notices.map(({ message }) => message)).toEqual([
      '"fleet" is not used: it has no "redis", so the node works alone',
    ]);
    expect(read({ fleet: {} }).notices).toEqual([]);
  });

  it("has buckets of the EC2 actions that enid calls, and of no others", () => {
    const called = PERMISSIONS.filter(({ within }) => within === undefined).map(({ action }) => action);
    expect(definitions.$defs.ec2Action.enum.toSorted()).toEqual(called.toSorted());
  });

  it("is set by overrides, too", () => {
    expect(parseOverride('budget-buckets={"DescribeSubnets":{"capacity":9,"refill-per-second":0.5}}').value).toEqual({
      DescribeSubnets: { capacity: 9, "refill-per-second": 0.5 },
    });
    expect(() => parseOverride("budget-buckets=DescribeSubnets=9")).toThrow("an object with");
    expect(() => parseOverride('budget-buckets={"DescribeSubnet":{"capacity":9,"refill-per-second":1}}')).toThrow(
      'did you mean "DescribeSubnets"?',
    );
    expect(parseOverride("redis=Redis-1:6379").value).toEqual(["redis-1:6379"]);
    expect(() => parseOverride("redis=redis-1:6379,redis-1:6379")).toThrow("different servers");
  });
});

describe("fixed addresses", () => {
  it("are of canonical ranges, in each of which all addresses count", () => {
    const fixed = [
      { ...RULE, addresses: ["10.99.0.0/24", "10.99.1.7"] },
      { namespace: "*", pod: "*" },
    ];
    expect(read({ ipam: { fixed }, fleet: FLEET }).values.fixed).toEqual([
      { ...RULE, addresses: ["10.99.0.0/24", "10.99.1.7/32"] },
      { namespace: "*", pod: "*" },
    ]);
  });

  it.each(["0", "0-4", "0-4,7", "1,3-3,10-999999"])("are of the ordinals %s", (ordinals) => {
    expect(read({ ipam: { fixed: [{ ...RULE, ordinals }] }, fleet: FLEET }).values.fixed).toMatchObject([{ ordinals }]);
  });

  it.each(["", "-1", "1-", "01", "4-2", "2,2", "0-4,4", "3,1", "0, 1"])("are not of the ordinals %j", (ordinals) => {
    const error = failureOf(() => read({ ipam: { fixed: [{ ...RULE, ordinals }] }, fleet: FLEET }));
    expect(error.details).toMatchObject([{ pointer: "/ipam/fixed/0/ordinals" }]);
  });

  it("go with both families, and not with IPv6 alone", () => {
    const podCIDRs = ["10.12.5.0/24", "2001:db8:5::/64"];
    const fixed = [{ ...RULE, addresses: ["10.99.0.0/24"] }];
    const ipam = { podCIDRs, "ip-families": "dual", fixed };
    expect(read({ ipam, fleet: FLEET }).values.fixed).toEqual(fixed);
    expect(conflicts({ ipam, fleet: FLEET }, { "ip-families": "ipv6" })).toMatchObject([
      { names: ["fixed", "ip-families"] },
    ]);
  });

  it("name both places when a range is the node's own, wherever each is said", () => {
    const file = { ipam: { fixed: [{ ...RULE, addresses: ["10.12.5.64/28"] }] }, fleet: FLEET };
    const [problem] = conflicts(file, { podCIDRs: ["10.12.5.0/24"] });
    expect(problem).toMatchObject({ names: ["fixed", "podCIDRs"] });
    expect(problem?.message).toMatch(`fixed 10.12.5.64/28 (file ${FILE}:`);
    expect(problem?.message).toContain("overlaps podCIDRs (override)");
  });

  it("keep the fleet from being taken away", () => {
    const file = { ipam: { fixed: [RULE], "fixed-annotations": true }, fleet: FLEET };
    expect(conflicts(file, {})).toEqual([]);
    expect(conflicts(file, { redis: [] }).map(({ names }) => names)).toEqual([["fixed"], ["fixed-annotations"]]);
  });
});
