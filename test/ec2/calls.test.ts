import { beforeAll, describe, expect, it } from "vitest";
import { readSource } from "../house/source-files.ts";
import { type CallCount, sum, together } from "./calls-count.ts";
import { type Figures, measure, type RoundTrip } from "./calls-lives.ts";
import { byAction, comparison, renderCalls } from "./calls-page.ts";
import { all, vpcCni } from "./vpc-cni-calls.ts";

let figures: Figures;

// Some days of some nodes; a bound that is broken throws here.
beforeAll(async () => {
  figures = await measure();
  console.info(`${comparison(figures)}\n\n${byAction(figures)}`);
}, 120_000);

const calls = ({ changes, describes }: CallCount) => sum(changes) + sum(describes);
const growing = ({ start, up }: RoundTrip) => together(start, up);
const perHour = ({ metadataReads }: CallCount) => metadataReads / 24;

describe("docs/ec2-calls.md", () => {
  it("holds what was measured (npm run docs writes it)", () => {
    expect(readSource("docs/ec2-calls.md")).toBe(renderCalls(figures));
  });

  it("counts for the VPC CNI what is published of it", () => {
    expect(all(vpcCni.pods27)).toBe(17);
    expect(vpcCni.metadataReadsPerHour(1)).toBe(900);
    expect(vpcCni.metadataReadsPerHour(3)).toBe(2_100);
    for (const interfaces of [1, 2, 3]) expect(all(vpcCni.restartWithTags(interfaces))).toBe(2 * interfaces + 2);
  });
});

describe("an m5.large that goes from 0 to 27 pods and back", () => {
  it("needs fewer calls than the VPC CNI when the pods come at once", () => {
    expect(calls(growing(figures.burst))).toBeLessThan(all(vpcCni.pods27));
    expect(figures.burst.full).toEqual({ interfaces: 3, addresses: 27, prefixes: 0, ipv6Prefixes: 0 });
  });

  it("needs at most a call for each pod when they come one by one, and fewer with a surplus", () => {
    const [plain, surplus] = [growing(figures.trickle), growing(figures.trickleWithSurplus)];
    expect(sum(plain.changes)).toBeLessThan(27);
    expect(calls(surplus)).toBeLessThan(all(vpcCni.pods27));
  });

  it("gives all back to its watermarks, by removals where it can", () => {
    for (const { left } of [figures.burst, figures.trickle]) {
      expect(left).toEqual({ interfaces: 1, addresses: 8, prefixes: 0, ipv6Prefixes: 0 });
    }
    for (const { left } of [figures.burstWithMinimum, figures.trickleWithMinimum]) {
      expect(left).toEqual({ interfaces: 2, addresses: 10, prefixes: 0, ipv6Prefixes: 0 });
    }
    expect(figures.trickleWithSurplus.left).toEqual({ interfaces: 1, addresses: 9, prefixes: 0, ipv6Prefixes: 0 });
    expect(figures.burst.down.changes).toEqual({
      UnassignPrivateIpAddresses: 1,
      DetachNetworkInterface: 2,
      DeleteNetworkInterface: 2,
    });
  });
});

describe("an m5.4xlarge with prefixes", () => {
  it("needs two calls that change something for 110 pods, the one of the start included", () => {
    expect(growing(figures.prefixes).changes).toEqual({ AssignPrivateIpAddresses: 2 });
    expect(figures.prefixes.up.describes).toEqual({});
    expect(figures.prefixes.full).toEqual({ interfaces: 1, addresses: 0, prefixes: 8, ipv6Prefixes: 0 });
    expect(figures.prefixes.left).toEqual({ interfaces: 1, addresses: 0, prefixes: 1, ipv6Prefixes: 0 });
  });
});

describe("a node whose pods get IPv6", () => {
  it("needs one call for it, in dual stack and alone", () => {
    expect(growing(figures.dual).changes.AssignIpv6Addresses).toBe(1);
    expect(growing(figures.ipv6).changes).toEqual({ AssignIpv6Addresses: 1 });
    expect(figures.dual.left).toEqual({ interfaces: 1, addresses: 8, prefixes: 0, ipv6Prefixes: 1 });
  });
});

describe("a restart", () => {
  it("serves pods without any call, and costs the same few describes whatever the node holds", () => {
    expect(figures.restarts.map(({ interfaces }) => interfaces)).toEqual([1, 2, 3]);
    for (const { warmUntilServing, warmUntilLooked, cold } of figures.restarts) {
      expect(warmUntilServing).toEqual({ changes: {}, describes: {}, sweeps: 0, sts: 0, metadataReads: 0 });
      for (const looked of [warmUntilLooked, cold]) {
        expect(looked.changes).toEqual({});
        expect(calls(looked)).toBe(4);
        expect(looked.sts).toBe(1);
      }
    }
  });
});

describe("an idle node", () => {
  it("changes nothing, asks EC2 once an hour at most, and reads less metadata than the VPC CNI", () => {
    expect(figures.idle.map(({ interfaces }) => interfaces)).toEqual([1, 3]);
    for (const { interfaces, day, worstHour, worstHourSweeps } of figures.idle) {
      expect(day.changes).toEqual({});
      expect(worstHour).toBeLessThanOrEqual(1);
      expect(worstHourSweeps).toBeLessThanOrEqual(2);
      expect(day.sweeps).toBeLessThanOrEqual(30);
      expect(perHour(day)).toBeLessThan(vpcCni.metadataReadsPerHour(interfaces));
    }
  });
});
